"""Processes that work for a session end with it, whatever ends one of them."""

import errno
import os
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor

import pytest

from archiver.errors import SystemLimit
from archiver.system.processes import worker_processes
from archiver.system.stop import StopSwitch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever() -> None:
    threading.Event().wait()


def one_is_killed() -> None:
    with worker_processes(2, StopSwitch()) as executor:
        executor.submit(wait_for_ever)
        executor.submit(kill_itself).result(timeout=60)


def test_who_waits_for_one_that_was_killed_does_not_wait_for_the_others() -> None:
    with pytest.raises(BrokenExecutor):
        one_is_killed()


def test_no_process_is_a_fork_of_one_that_has_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "only_here", sys)
    with worker_processes(2, StopSwitch()) as executor:
        modules = executor.submit(loaded).result(timeout=60)
    assert "only_here" not in modules


def loaded() -> list[str]:
    return list(sys.modules)


def test_where_no_process_can_be_started_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import multiprocessing.synchronize

    for number in (errno.ENOSYS, errno.EACCES, errno.ENOSPC):

        def refuse(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", refuse)
        with pytest.raises(SystemLimit, match="--workers 1"), worker_processes(2, StopSwitch()):
            pass
