"""How fast things may go: so many requests or bytes a second, and slower where a server says so."""

import time
from collections.abc import Callable
from threading import Lock

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
