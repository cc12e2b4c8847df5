"""Who may download now: so many at once, and a few places that large files never take."""

import contextlib
from collections.abc import Iterator
from threading import Lock, Semaphore

LARGE = 8 << 20
"""A download of which so many bytes are still to come is large."""


VERY_LARGE = 64 << 20
"""A download of which so many bytes are still to come would hold up a share of the session."""


class Deferred(Exception):
    """A large download has to wait for its turn: small ones go first."""


class TooLarge(Exception):
    """A download is larger than any that is taken here."""


class Lanes:
    """``count`` downloads at once, of which a quarter, one at least, is left to small ones.

    Without that a few long recordings would hold up all that comes behind them. Used from several
    threads.
    """

    def __init__(self, count: int, largest: int | None = None) -> None:
        """``largest``: downloads of so many bytes are not taken."""
        self._largest = largest
        self._places = Semaphore(count)
        self._large = Semaphore(max(1, count - max(1, count // 4)))
        self._lock = Lock()
        self._free = count

    @property
    def free(self) -> int:
        """Places that nobody has, or waits for, at this moment; may be negative."""
        return self._free

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Have a place while the block runs, as soon as there is one."""
        self._count(-1)
        try:
            with self._places:
                yield
        finally:
            self._count(1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._free += change

    def lane(self) -> "Lane":
        """For one download."""
        return Lane(self._large, self._largest)


class Lane:
    """What one download may be: small, until it is admitted as a large one."""

    def __init__(self, large: Semaphore, largest: int | None) -> None:
        self._large = large
        self._largest = largest
        self._is_large = False

    def admit(self, size: int) -> None:
        """``size`` bytes are to come.

        Raises Deferred where it is large and has to wait, TooLarge where it is not taken.
        """
        if self._largest is not None and size >= self._largest:
            raise TooLarge
        if size >= LARGE and not self._is_large:
            self._is_large = self._large.acquire(blocking=False)
            if not self._is_large:
                raise Deferred

    def wait(self) -> None:
        """Wait for a turn as a large one, without a place meanwhile."""
        self._large.acquire()
        self._is_large = True

    def close(self) -> None:
        if self._is_large:
            self._is_large = False
            self._large.release()
