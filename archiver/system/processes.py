"""Processes that work for a session."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from archiver.errors import ExitCode, SystemLimit
from archiver.system.stop import StopSwitch

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.2
_NO_WARNING = f"ignore::UserWarning:{resource_tracker.__name__}"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def worker_processes(count: int, stop: StopSwitch) -> Iterator[Executor]:
    """``count`` processes, started at once; waited for at the end unless the session is to stop,
    or the block failed.

    They end when this process does, and are no forks of it, but begin anew: Arrow and DuckDB have
    threads in it, which may hold locks. Raises SystemLimit where they cannot be started.
    """
    context = multiprocessing.get_context("spawn")
    others = multiprocessing.active_children()
    try:
        _start_tracker()
        number = context.Value("i", 0)
        executor = ProcessPoolExecutor(count, context, _begin, (os.getpid(), number))
        with _signals_held():
            for _ in range(count):
                executor.submit(os.getpid)
    except (OSError, ImportError, RuntimeError) as error:  # no /dev/shm, no more processes, threads
        raise SystemLimit(
            f"the system lets {count} processes work together no more: {error}",
            hint="--workers 1 does without them; they need /dev/shm, and room under `ulimit -u`",
        ) from None
    is_waited_for = False
    try:
        yield executor
        is_waited_for = not stop.is_set
    finally:
        if not is_waited_for:
            # What they were at has had its time; every write is atomic. SIGTERM, which the executor
            # sends when one of them was killed, they do not heed.
            for process in multiprocessing.active_children():
                if process not in others:
                    process.kill()
        executor.shutdown(wait=is_waited_for, cancel_futures=True)


def _start_tracker() -> None:
    """Start Python's process that removes semaphores of a process that was told to end at once.

    It warns of them on standard error, unless its command line says that it is not to.
    """
    sys.warnoptions.append(_NO_WARNING)
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(_NO_WARNING)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals wait until the block has run; in processes that it starts, until they have begun."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int, number: "Synchronized[int]") -> None:
    """What a process that was just started does first; ``number`` counts them."""
    # Of a signal to all the session's own process hears too, and says what is to be done.
    for name in _SIGNALS:
        signal.signal(name, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with number.get_lock():
        mine = number.value
        number.value += 1
    if hasattr(os, "sched_setaffinity"):
        # Its threads take turns anyway (the GIL): between cores each turn costs more than it takes.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[(parent + mine) % len(cores)]})


def _end_with(parent: int) -> None:
    """End this process when its parent has: nobody would hear of what it does."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(ExitCode.INTERRUPTED)
