"""system/stop."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

from archiver.errors import Interrupted
from archiver.system.limits import no_threads


class StopSwitch:
    """Tells everything under way to come to an end: by the user's wish, or for an error."""

    def __init__(self) -> None:
        self.interrupted = False
        self._flag = Flag()

    def interrupt(self) -> None:
        """The user or the system asks to stop."""
        self.interrupted = True
        self._flag.set()

    def abort(self) -> None:
        """An error ends the batch."""
        self._flag.set()

    @property
    def is_set(self) -> bool:
        return self._flag.is_set()

    def check(self) -> None:
        """Raises Interrupted once the switch is set."""
        if self._flag.is_set():
            raise Interrupted("interrupted")

    def wait(self, seconds: float) -> None:
        """Wait, but no longer once the switch is set."""
        self._flag.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait; raises Interrupted as soon as the switch is set."""
        if self._flag.wait(seconds):
            raise Interrupted("interrupted")


class Threads(ThreadPoolExecutor):
    """Up to so many threads; fewer where the system does not let more start.

    ``submit`` raises SystemLimit where it lets none.
    """

    def _adjust_thread_count(self) -> None:
        """Start one more thread if there is no idle one: what is submitted is queued before."""
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise no_threads() from None


@contextlib.contextmanager
def worker_threads(count: int, stop: StopSwitch) -> Iterator[ThreadPoolExecutor]:
    """``count`` threads, waited for at the end unless the session is to stop."""
    executor = Threads(count)
    try:
        yield executor
    finally:
        executor.shutdown(wait=not stop.is_set, cancel_futures=True)
