"""How often a request is made, and how long to wait between."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import TypeVar

from archiver.errors import ArchiverError

ResultT = TypeVar("ResultT")


class Patience:
    """How long may be waited between requests, in all, for one run (seconds)."""

    def __init__(self, seconds: float = 300.0) -> None:
        self._left = seconds
        self._lock = Lock()

    def spend(self, seconds: float) -> bool:
        """Take so much of it; False where it does not last."""
        with self._lock:
            if seconds > self._left:
                return False
            self._left -= seconds
            return True


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is made at most, and how long to wait between (seconds).

    Waits grow exponentially with jitter; a server's Retry-After is honoured up to
    ``longest_wait``. A connection that the server closed while it was idle is replaced at once,
    which is no attempt. ``sleep`` may raise Interrupted.
    """

    sleep: Callable[[float], None]
    random: Random
    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def call(
        self,
        work: Callable[[], ResultT],
        patience: Patience,
        on_retry: Callable[[], None] = lambda: None,
    ) -> ResultT:
        """Return what ``work`` returns, repeated while it raises an ArchiverError with ``retry``.

        The last one goes through.
        """
        attempt, free = 0, 0
        while True:
            attempt += 1
            try:
                return work()
            except ArchiverError as error:
                if not error.retry:
                    raise
                if error.at_once and not free:
                    free, wait = 1, 0.0
                elif error.retry_after is not None:
                    wait = min(error.retry_after, self.longest_wait)
                else:
                    longest = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
                    wait = self.random.uniform(0.5, 1.0) * longest
                if attempt >= self.attempts + free or not patience.spend(wait):
                    raise
            on_retry()
            self.sleep(wait)


_FIRST_INTERVAL = 0.05
"""Seconds between requests after a server had too much of an unlimited number."""
_LONGEST_INTERVAL = 10.0
_RECOVERY = 0.95
"""What the interval between requests is multiplied with after each that was answered."""


class Throttle:
    """Lets ``rate`` a second pass, any number where it is None. Used from several threads.

    ``sleep`` may raise Interrupted; ``clock`` gives seconds and never goes back.
    """

    def __init__(
        self,
        rate: float | None,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._least = self._interval = 1.0 / rate if rate else 0.0
        self._sleep = sleep
        self._clock = clock
        self._lock = Lock()
        self._next = 0.0
        self._slowed_at = 0.0

    def wait(self, amount: int = 1) -> float:
        """Wait until ``amount`` may pass, in turn; the moment at which it does."""
        if not self._interval and not self._next:
            return self._clock()
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + amount * self._interval
        if at > now:
            self._sleep(at - now)
        return at

    def slow_down(self, passed_at: float, pause: float) -> None:
        """The server had too much of what passed then: nothing more for ``pause`` seconds.

        From there on it goes at half the speed. What passed before it went slower already says
        nothing new.
        """
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now + pause)
            if passed_at >= self._slowed_at:
                self._slowed_at = self._next
                longer = 2 * self._interval or _FIRST_INTERVAL
                self._interval = max(self._least, min(longer, _LONGEST_INTERVAL))

    def speed_up(self) -> None:
        """The server answered: a little faster again, up to what was asked for."""
        if self._interval > self._least:
            with self._lock:
                faster = self._interval * _RECOVERY
                is_back = faster < max(self._least, _FIRST_INTERVAL / 50)
                self._interval = self._least if is_back else faster
