"""HTTP clients, and what goes wrong on the wire in words that a user can act on.

There are two clients. The API's carries the key, to the API's own origin only, and follows no
redirect. The downloader's carries no key at all.
"""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import NoReturn

import httpx
import tenacity

from archiver import __version__
from archiver.domain.masking import mask_text
from archiver.errors import ArchiverError

USER_AGENT = f"skyvern-archiver/{__version__}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float = 10.0
    stall: float = 30.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is made at most, and how long to wait between (seconds).

    Waits grow exponentially with full jitter; a server's Retry-After is honoured up to
    ``longest_wait``. ``sleep`` may raise Interrupted.
    """

    sleep: Callable[[float], None]
    random: Random
    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def retrying(self, on_retry: Callable[[], None]) -> tenacity.Retrying:
        """Repeats while an ArchiverError with ``retry`` is raised; the last one goes through."""
        backoff = tenacity.wait_exponential(self.first_wait, max=self.longest_wait)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            jittered = self.random.uniform(0.5, 1.0) * backoff(state)
            asked = getattr(error, "retry_after", None)
            return min(max(jittered, asked or 0.0), self.longest_wait)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, ArchiverError) and error.retry
            ),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=wait,
            sleep=self.sleep,
            before_sleep=lambda _: on_retry(),
            reraise=True,
        )


def new_client(timeouts: Timeouts, connections: int, *, verify: bool = True) -> httpx.Client:
    """An HTTP client for ``connections`` threads. Proxies and certificates are the environment's
    (HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, as httpx documents)."""
    return httpx.Client(
        headers={"User-Agent": USER_AGENT},
        timeout=httpx.Timeout(timeouts.stall, connect=timeouts.connect, pool=None),
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
        ),
        follow_redirects=False,
        verify=verify,
    )


@contextlib.contextmanager
def translated(fail: Callable[[str, bool], NoReturn]) -> Iterator[None]:
    """Calls ``fail`` with (what happened, whether it may pass) for anything httpx raises."""
    try:
        yield
    except httpx.TimeoutException as error:
        what = "could not be connected to" if _is_connect(error) else "stopped sending"
        fail(f"the server {what} in time", True)
    except httpx.ConnectError as error:
        certificate = isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error)
        fail(f"cannot connect: {mask_text(str(error))}", not certificate)
    except httpx.UnsupportedProtocol:
        fail("its URL is neither http nor https", False)
    except httpx.TransportError as error:
        fail(f"the connection broke: {mask_text(str(error)) or type(error).__name__}", True)
    except (httpx.InvalidURL, httpx.DecodingError) as error:
        fail(mask_text(str(error)), False)


def _is_connect(error: httpx.TimeoutException) -> bool:
    return isinstance(error, httpx.ConnectTimeout)


def retry_after(response: httpx.Response, now: Callable[[], datetime]) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3: seconds or an HTTP date)."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
    except (ValueError, TypeError):
        return None
