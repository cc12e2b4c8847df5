"""Processes that work for a session end with it, whatever ends one of them."""

import os
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor

import pytest

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
