"""How much of something may be under way at once."""

import contextlib
from collections.abc import Callable, Iterator
from threading import Condition, Lock

_POLL_SECONDS = 0.5


class ByteBudget:
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
    def spend(self, count: int) -> Iterator[None]:
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
