"""Who may download now: so many at once, and a few places that large files never take."""

import contextlib
from collections.abc import Callable, Iterator
from threading import Condition, Lock, Semaphore

LARGE = 8 << 20
"""A download of which so many bytes are still to come is large."""
VERY_LARGE = 64 << 20
"""A download of which so many bytes are still to come would hold up a batch of the session."""


class SlotBusy(Exception):
    """A large download has to wait for its turn: small ones go first."""


class TooLargeForWorker(Exception):
    """A download is larger than any that is taken here."""


class DownloadSlots:
    """``count`` downloads at once, of which a quarter, one at least, is left to small ones.

    Without that a few long recordings would hold up all that comes behind them. Used from several
    threads.
    """

    def __init__(self, count: int, largest: int | None = None) -> None:
        """``largest``: downloads of so many bytes are not taken."""
        self._largest = largest
        self._count = count
        self.slots = Semaphore(count)
        """Held while bytes come in."""
        self._large = Semaphore(max(1, count - max(1, count // 4)))
        self._lock = Lock()
        self._runs = 0

    @contextlib.contextmanager
    def for_a_run(self) -> Iterator[int]:
        """The places that one run may use at once while the block runs: more if there are few runs.

        Every thread more that works costs more than it brings where all places are in use anyway.
        """
        with self._lock:
            self._runs += 1
            places = max(1, self._count // self._runs)
        try:
            yield places
        finally:
            with self._lock:
                self._runs -= 1

    def slot(self) -> "Slot":
        """For one download."""
        return Slot(self._large, self._largest)


class Slot:
    """What one download may be: small, until it is admitted as a large one."""

    def __init__(self, large: Semaphore, largest: int | None) -> None:
        self._large = large
        self._largest = largest
        self._is_large = False

    def admit(self, size: int) -> None:
        """``size`` bytes are to come.

        Raises Deferred where it is large and has to wait, VeryLarge where it is not taken.
        """
        if self._largest is not None and size >= self._largest:
            raise TooLargeForWorker
        if size >= LARGE and not self._is_large:
            self._is_large = self._large.acquire(blocking=False)
            if not self._is_large:
                raise SlotBusy

    def wait(self) -> None:
        """Wait for a turn as a large one, without a place meanwhile."""
        self._large.acquire()
        self._is_large = True

    def close(self) -> None:
        if self._is_large:
            self._is_large = False
            self._large.release()


_POLL_SECONDS = 0.5


class MemoryBudget:
    """So many bytes may be held in memory at once; what is larger than that waits to be alone.

    ``check_stop`` is called while waiting and may raise Interrupted. Used from several threads.
    """

    def __init__(self, size: int, check_stop: Callable[[], None]) -> None:
        self._size = size
        self._check_stop = check_stop
        self._used = 0
        self._changed = Condition()
        self._turn = Lock()

    @contextlib.contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Take ``count`` bytes while the block runs, as soon as they are there."""
        count = min(count, self._size)
        with self._turn, self._changed:  # in turn: much would wait for ever behind little
            while self._used + count > self._size:
                self._changed.wait(_POLL_SECONDS)
                self._check_stop()
            self._used += count
        try:
            yield
        finally:
            with self._changed:
                self._used -= count
                self._changed.notify_all()
