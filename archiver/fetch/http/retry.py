"""How often a request is made, and how long to wait between."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from threading import Condition, Lock
from typing import TypeVar

from archiver.errors import ArchiverError

ResultT = TypeVar("ResultT")


class Patience:
    """How long may be waited between requests, in all, for one run (seconds)."""

    def __init__(self, seconds: float = 300.0) -> None:
        self._left = seconds
        self._lock = Lock()

    def allow(self, seconds: float) -> bool:
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
                if attempt >= self.attempts + free or not patience.allow(wait):
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


MOST_PAUSES = 300.0
"""Seconds of pauses in a session after which a host's refusals count as attempts."""
_LONGEST_PAUSE = 60.0
_CLOSER = 0.99
"""What the time between requests to a host that had too much is multiplied with per answer."""
_POLL_SECONDS = 0.5


class HostLimit:
    """What one host takes: after a refusal nothing for a while; then fewer at once, and slower.

    Used from several threads. ``sleep`` may raise Interrupted; ``clock`` gives seconds and never
    goes back.
    """

    def __init__(
        self, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._changed = Condition()
        self._under_way = 0
        self._most = sys.maxsize
        self._interval = 0.0
        self._next = 0.0
        self._resumes_at = 0.0
        self._paused = 0.0
        self._in_a_row = 0
        self._answers = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[float]:
        """Wait for the end of a pause and for a place, which the block has; it is given when."""
        passed_at = self._enter()
        try:
            yield passed_at
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def _enter(self) -> float:
        waited_until = 0.0
        while True:
            with self._changed:
                while self._under_way >= self._most:
                    self._changed.wait(_POLL_SECONDS)
                    self._sleep(0.0)
                now = max(self._clock(), waited_until)
                waited_until = max(self._resumes_at, self._next)
                if now >= waited_until:
                    self._under_way += 1
                    self._next = now + self._interval
                    return now
            self._sleep(waited_until - now)

    def answered(self, passed_at: float) -> None:
        """The host gave what was asked for at that moment: it may be asked for a little more."""
        if self._most == sys.maxsize:
            return
        with self._changed:
            if passed_at >= self._resumes_at:
                self._in_a_row = 0
            closer = self._interval * _CLOSER
            self._interval = closer if closer > _FIRST_INTERVAL / 50 else 0.0
            self._answers += 1
            if self._answers >= 2 * self._most:
                self._answers = 0
                self._most += 1
                self._changed.notify()

    def refused(self, passed_at: float, asked: float | None) -> bool:
        """The host had too much of what passed then: nothing more for ``asked`` seconds.

        Where it asks for none, for a second, and twice as long each time in a row. Returns whether
        the pause is all that comes of it; False once all pauses came to ``MOST_PAUSES``.
        """
        with self._changed:
            is_new = passed_at >= self._resumes_at  # else others said so before
            if is_new:
                self._most = max(1, min(self._most, self._under_way) // 2)
                self._answers = 0
                if not self._in_a_row:
                    longer = max(_FIRST_INTERVAL, 2 * self._interval)
                    self._interval = min(longer, _LONGEST_INTERVAL)
            if self._paused >= MOST_PAUSES:
                return False
            pause = asked or 0.0
            if is_new and not pause:
                pause = 2.0 ** min(self._in_a_row, 6)
            self._in_a_row += is_new
            now = max(self._clock(), passed_at)
            until = now + min(pause, _LONGEST_PAUSE)
            self._paused += max(0.0, until - max(now, self._resumes_at))
            self._resumes_at = max(self._resumes_at, until)
            return True


class HostLimits:
    """The limit of each host of a session. Used from several threads."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._by_host: dict[str, HostLimit] = {}

    def of(self, url: str) -> HostLimit:
        """Return the limit of the host that an absolute URL names."""
        host = url.partition("://")[2].partition("/")[0]
        found = self._by_host.get(host)
        return found or self._by_host.setdefault(host, HostLimit(self._sleep))
