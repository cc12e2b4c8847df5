"""How often a request is made, and how long to wait between."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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
"""Seconds of pauses, and of going slower, in a session after which refusals count as attempts."""
_MOST_ALONE = 5
"""Refusals of a file alone after which it is not the host that is to blame."""
_MOST_PAUSES_ALONE = 30.0
"""Seconds of pauses for one file alone."""
_LONGEST_PAUSE = 60.0
_CLOSER = 0.99
"""What the time between requests to a host that had too much is multiplied with per answer."""
_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Refusals:
    """Those of one file alone, and the seconds of pauses for it: while others are not refused.

    ``seen`` is how many answers and refusals the host had given when it refused the file last.
    """

    alone: int = 0
    seconds: float = 0.0
    pause: float = 0.0
    seen: tuple[int, int] | None = None

    def is_to_blame(self, answers: int, refusals: int) -> bool:
        """Count one more, after so many of all files; whether it is this one that is not given."""
        if self.seen is not None and (answers > self.seen[0] or refusals == self.seen[1]):
            self.alone += 1
            self.seconds += self.pause
        self.seen, self.pause = (answers, refusals + 1), 0.0
        is_long = self.alone > 1 and self.seconds >= _MOST_PAUSES_ALONE  # one may ask for as much
        return is_long or self.alone >= _MOST_ALONE


class HostLimit:
    """What one host takes: after a refusal nothing for a while; then fewer at once, and slower.

    Used from several threads. ``sleep`` may raise Interrupted; ``clock`` gives seconds and never
    goes back. ``paused``: how many seconds it was waited for before, in the same session.
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        paused: float = 0.0,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._changed = Condition()
        self._under_way = 0
        self._most = sys.maxsize
        self._interval = 0.0
        self._next = 0.0
        self._resumes_at = 0.0
        self.paused = paused
        self._in_a_row = 0
        self._answers = 0
        self._all_answers = 0
        self._all_refusals = 0
        self._at_once = 0
        """How many were under way at the last refusal; 0 where it needs no fewer any more."""
        self._is_too_fast = False

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
                is_slowed = waited_until > self._resumes_at
                waited_until = max(self._resumes_at, self._next)
                if now >= waited_until:
                    self._under_way += 1
                    self._next = now + self._interval
                    self.paused += self._interval if is_slowed else 0.0
                    return now
            self._sleep(waited_until - now)

    def answered(self, passed_at: float, refusals: Refusals) -> None:
        """The host gave what was asked for at that moment: it may be asked for a little more.

        Where it had refused the same before, too much was asked for: from now on it is less. What
        is never given says nothing of how much the host takes.
        """
        with self._changed:
            self._all_answers += 1
            if refusals.seen is not None:
                self._slow_down()
            if passed_at >= self._resumes_at:
                self._in_a_row = 0
            if self._most == sys.maxsize:
                return
            closer = self._interval * _CLOSER
            self._interval = closer if closer > _FIRST_INTERVAL / 50 else 0.0
            self._answers += 1
            if self._answers >= 2 * self._most:
                self._answers = 0
                self._most += 1
                self._changed.notify()

    def refused(self, passed_at: float, asked: float | None, refusals: Refusals) -> bool:
        """The host had too much of what passed then: nothing more for ``asked`` seconds.

        Where it asks for none, for a second, and twice as long each time in a row. Returns whether
        the pause is all that comes of it; False once all pauses came to ``MOST_PAUSES``, or where
        the ``refusals`` of the same file go on for it alone: that is no pause either.
        """
        with self._changed:
            is_to_blame = refusals.is_to_blame(self._all_answers, self._all_refusals)
            self._all_refusals += 1
            if is_to_blame:
                return False
            is_new = passed_at >= self._resumes_at  # else others said so before
            if is_new:
                self._at_once, self._is_too_fast = self._under_way, True
            else:
                self._take_fewer()
            if self.paused >= MOST_PAUSES:
                return False
            pause = asked or 0.0
            if is_new and not pause:
                pause = 2.0 ** min(self._in_a_row, 6)
            self._in_a_row += is_new
            now = max(self._clock(), passed_at)
            until = now + min(pause, _LONGEST_PAUSE)
            refusals.pause = max(0.0, until - max(now, self._resumes_at))
            self.paused += refusals.pause
            self._resumes_at = max(self._resumes_at, until)
            return True

    def _take_fewer(self) -> None:
        """Half as many at once as at the last refusal, once."""
        if self._at_once:
            self._most = max(1, min(self._most, self._at_once) // 2)
            self._at_once = self._answers = 0

    def _slow_down(self) -> None:
        self._take_fewer()
        if self._is_too_fast:
            self._is_too_fast = False
            longer = max(_FIRST_INTERVAL, 2 * self._interval)
            self._interval = min(longer, _LONGEST_INTERVAL)


class HostLimits:
    """The limit of each host of a session. Used from several threads.

    ``paused`` are the seconds that each was waited for before, by host.
    """

    def __init__(
        self, sleep: Callable[[float], None], paused: Mapping[str, float] | None = None
    ) -> None:
        self._sleep = sleep
        self._paused = paused or {}
        self._by_host: dict[str, HostLimit] = {}

    def of(self, url: str) -> HostLimit:
        """Return the limit of the host that an absolute URL names."""
        host = url.partition("://")[2].partition("/")[0]
        found = self._by_host.get(host)
        return found or self._by_host.setdefault(
            host, HostLimit(self._sleep, paused=self._paused.get(host, 0.0))
        )

    @property
    def paused(self) -> dict[str, float]:
        """The seconds that each host was waited for, those of before among them."""
        known = {host: limit.paused for host, limit in tuple(self._by_host.items())}
        return {**self._paused, **known}
