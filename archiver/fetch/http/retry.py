"""How often a request is made, and how long to wait between."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import TypeVar

import tenacity

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
        """What ``work`` returns, repeated while it raises an ArchiverError with ``retry``.

        The last one goes through.
        """
        try:
            return work()
        except ArchiverError as error:
            if not error.retry:
                raise
            failed = [error]  # most calls work: what repeats them is only made where they do not

        def again() -> ResultT:
            if failed:
                raise failed.pop()
            return work()

        return self._retrying(on_retry, patience)(again)

    def _retrying(self, on_retry: Callable[[], None], patience: Patience) -> tenacity.Retrying:
        backoff = tenacity.wait_exponential(self.first_wait, max=self.longest_wait)
        free = 0

        def wait(state: tenacity.RetryCallState) -> float:
            nonlocal free
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, ArchiverError):
                if error.at_once and not free:
                    free = 1
                    return 0.0
                if error.retry_after is not None:
                    return min(error.retry_after, self.longest_wait)
            return self.random.uniform(0.5, 1.0) * backoff(state)

        def stop(state: tenacity.RetryCallState) -> bool:
            if state.attempt_number >= self.attempts + free:
                return True
            return not patience.spend(state.upcoming_sleep)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, ArchiverError) and error.retry
            ),
            stop=stop,
            wait=wait,
            sleep=self.sleep,
            before_sleep=lambda _: on_retry(),
            reraise=True,
        )
