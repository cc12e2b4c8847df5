"""Processes that work for a session."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import TYPE_CHECKING

from archiver.workflows.connect import StopSwitch

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def worker_processes(count: int, stop: StopSwitch) -> Iterator[Executor]:
    """``count`` processes, started at once; waited for at the end unless the session is to stop.

    They end when this process does. A fork starts at once, but is safe only while there is no other
    thread; then Python is started anew.
    """
    forks = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if forks else "spawn")
    number = context.Value("i", 0)
    executor = ProcessPoolExecutor(count, context, _begin, (os.getpid(), number))
    try:
        for _ in range(count):
            executor.submit(os.getpid)
        yield executor
    finally:
        executor.shutdown(wait=not stop.is_set, cancel_futures=True)


def _begin(parent: int, number: "Synchronized[int]") -> None:
    """What a process that was just started does first; ``number`` counts them."""
    with number.get_lock():
        mine = number.value
        number.value += 1
    if hasattr(os, "sched_setaffinity"):
        # Its threads take turns anyway (the GIL): between cores each turn costs more than it takes.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[mine % len(cores)]})
    # Of Ctrl-C the session's own process hears too, and says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before that
            os._exit(1)
