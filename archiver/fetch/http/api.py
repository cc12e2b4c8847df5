"""Skyvern's API: ``GET /v1/runs/{run_id}`` with the header ``x-api-key``."""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock, Semaphore
from typing import NoReturn
from urllib.parse import urlsplit

import httpx

from archiver.errors import (
    AnswerInvalid,
    ApiDown,
    ApiUnavailable,
    KeyRefused,
    RunError,
    RunNotFound,
    RunRefused,
    UsageError,
)
from archiver.fetch.http.client import (
    ACCEPTED,
    EncodingBroken,
    Fault,
    HttpClient,
    decoded,
    http_errors,
    retry_after,
)
from archiver.fetch.http.retry import Patience, RetryPolicy, Throttle
from archiver.model.ids import RunId, Sha256
from archiver.model.urls import MASK, mask_text, without_query

_DETAIL_BYTES = 2_000
_LARGE = 4 << 20


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The body of a run's answer, its digest as received, and when it came (UTC)."""

    body: bytearray
    sha256: Sha256
    at: datetime


class Tally:
    """What a run costs, as it happens: it is there whatever the end. Several threads add to it."""

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.bytes = 0
        self.http_status: int | None = None
        self.patience = Patience()
        self._lock = Lock()

    def add(self, *, requests: int = 0, retries: int = 0, received: int = 0) -> None:
        """Count requests, those that were repetitions, and artifact bytes received."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.bytes += received


_MOST_REFUSALS = 20
_FEWEST_REFUSED = 10
"""So many refusals in a row, of so many runs, are the key's fault; a few may be those runs'."""


class KeyUse:
    """What the API makes of the key, over one session. Used from several threads.

    ``is_known``: it has answered others of the session with this key. Nothing is decided while
    other requests are under way, unless it is about many runs: they may be answered yet.
    """

    def __init__(self, base_url: str, *, is_known: bool = False) -> None:
        self._base_url = base_url
        self._is_known = is_known
        self._under_way = 0
        self._refused: Counter[RunId] = Counter()
        self._elsewhere: Counter[RunId] = Counter()
        self._lock = Lock()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Have a request under way while the block runs."""
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def answered(self) -> None:
        """The API answered a request: whoever it refused before, it was not the key."""
        if self._refused or not self._is_known:
            with self._lock:
                self._is_known = True
                self._refused.clear()

    def refused(self, run_id: RunId, reason: str, *, may_pass: bool) -> None:
        """The API refused a run, in its own words. ``may_pass``: it can be asked again.

        Raises KeyRefused where it has answered nothing so far and refuses the run a second time,
        or once it has refused 20 times in a row, and 10 runs at least.
        """
        with self._lock:
            self._refused[run_id] += 1
            is_first = may_pass and self._refused[run_id] == 1
            many = self._refused.total() >= _MOST_REFUSALS
            many = many and len(self._refused) >= _FEWEST_REFUSED
            if not many and (self._is_known or is_first or self._under_way > 1):
                return
        raise KeyRefused(
            f"the API at {self._base_url} refused the key ({reason})",
            hint="Check SKYVERN_API_KEY and SKYVERN_BASE_URL",
        )

    def answered_by_another(self, run_id: RunId) -> None:
        """A 404 came that is not in Skyvern's words.

        Raises ApiDown where nothing else came so far, for the same run a second time or for many.
        """
        with self._lock:
            self._elsewhere[run_id] += 1
            is_first = self._elsewhere[run_id] == 1
            many = len(self._elsewhere) >= _FEWEST_REFUSED
            if self._is_known or (not many and (is_first or self._under_way > 1)):
                return
        raise ApiDown(
            f"{self._base_url} is no Skyvern API: it answered HTTP 404 for {run_id}, without the "
            "JSON that Skyvern answers with",
            hint="Set SKYVERN_BASE_URL to where the API is, without /v1/runs",
        )


class RunsApi:
    """Asks the API for runs, as fast as ``throttle`` lets it. Safe to use from several threads.

    ``base_url`` is the API's address without ``/v1``; the key is sent nowhere else. ``mask`` takes
    out of a server's words what the user wants kept nowhere.
    """

    def __init__(
        self,
        client: HttpClient,
        base_url: str,
        key: str,
        retry: RetryPolicy,
        now: Callable[[], datetime],
        max_document_size: int,
        throttle: Throttle,
        mask: Callable[[str], str] = str,
        *,
        key_is_known: bool = False,
    ) -> None:
        self._client = client
        self._mask = mask
        self._base_url = checked_base_url(base_url)
        self._key = checked_key(key)
        self._key_use = KeyUse(self._base_url, is_known=key_is_known)
        self._headers = {
            "x-api-key": self._key,
            "Accept": "application/json",
            "Accept-Encoding": ACCEPTED,
        }
        self._retry = retry
        self._now = now
        self._max_document_size = max_document_size
        self._throttle = throttle
        self._large = Semaphore(2)
        """Few large answers are received at once: each is held in memory as a whole."""

    @property
    def base_url(self) -> str:
        return self._base_url

    def get_run(self, run_id: RunId, tally: Tally, *, once: bool = False) -> ApiAnswer:
        """The API's answer for a run. ``once`` makes no second attempt.

        Raises RunNotFound (404), RunRefused (401 and 403 in the API's own words, after the retries;
        KeyRefused as KeyUse has it), ApiUnavailable (no answer, 429, 5xx, 401, 403 and 404 in
        another's words, after the retries), and AnswerInvalid (a redirect, a document too large).
        """
        if once:
            return self._ask(run_id, tally, once=True)
        once = self._retry.attempts == 1
        return self._retry.call(
            lambda: self._ask(run_id, tally, once=once),
            tally.patience,
            lambda: tally.add(retries=1),
        )

    def _ask(self, run_id: RunId, tally: Tally, *, once: bool = False) -> ApiAnswer:
        def fail(fault: Fault) -> NoReturn:
            what = self._clean(fault.what)
            if fault.garbled:
                raise AnswerInvalid(f"the API's answer for {run_id} cannot be read: {what}")
            raise ApiUnavailable(
                f"the API did not answer for {run_id}: {what}",
                retry=fault.may_pass,
                at_once=fault.at_once,
            )

        url = f"{self._base_url}/v1/runs/{run_id}"
        passed_at = self._throttle.wait()
        tally.add(requests=1)
        with (
            self._key_use.request(),
            http_errors(fail),
            contextlib.closing(self._client.request(url, self._headers)) as response,
        ):
            tally.http_status = response.status_code
            at = self._now()
            if response.status_code == 429 or _asks_to_wait(response):
                pause = self._asked_pause(response) or 0.0
                self._throttle.slow_down(passed_at, min(pause, self._retry.longest_wait))
            else:
                self._throttle.speed_up()
            if response.status_code != 200:
                raise self._refusal(run_id, response, once=once)
            self._check_size(run_id, int(response.headers.get("Content-Length", "0")))
            digest = hashlib.sha256()
            body = bytearray()
            with contextlib.ExitStack() as stack:
                is_large = False
                for piece in _pieces(response):
                    digest.update(piece)
                    body += piece
                    self._check_size(run_id, len(body))
                    if len(body) > _LARGE and not is_large:
                        is_large = True
                        stack.enter_context(self._large)
            if not _is_framed(response) and not body.rstrip().endswith(b"}"):
                fail(Fault("it ended too early", may_pass=True))
        if body.lstrip()[:1] == b"{":
            self._key_use.answered()
        return ApiAnswer(body, Sha256(digest.hexdigest()), at)

    def _check_size(self, run_id: RunId, size: int) -> None:
        if size > self._max_document_size:
            raise AnswerInvalid(
                f"the API's answer for {run_id} is larger than --max-document-size "
                f"({self._max_document_size} bytes)"
            )

    def _refusal(self, run_id: RunId, response: httpx.Response, *, once: bool) -> Exception:
        status = response.status_code
        if response.is_redirect:
            target = self._clean(without_query(response.headers.get("Location", "")))
            return AnswerInvalid(
                f"the API redirects {run_id} to {target}, which is not followed: the key stays "
                "with the API",
                hint="Set SKYVERN_BASE_URL to where the API is",
            )
        detail, is_own = self._detail(response)
        if is_own and status < 500 and status not in (401, 403, 408, 425, 429):
            self._key_use.answered()
        match status:
            case 404 if is_own:
                return RunNotFound(f"the API does not know {run_id}{detail}")
            case 401 | 403 if is_own and not _asks_to_wait(response):
                self._key_use.refused(run_id, f"HTTP {status}{detail}", may_pass=not once)
                return RunRefused(f"the API refused {run_id} (HTTP {status}{detail})")
            case 404:
                self._key_use.answered_by_another(run_id)
        if status >= 500 or status in (401, 403, 404, 408, 425, 429):
            return ApiUnavailable(
                f"the API answered HTTP {status} for {run_id}{detail}",
                retry_after=self._asked_pause(response),
            )
        return RunError(f"the API answered HTTP {status} for {run_id}{detail}")

    def _asked_pause(self, response: httpx.Response) -> float | None:
        return retry_after(response.headers.get("Retry-After", ""), self._now)

    def _detail(self, response: httpx.Response) -> tuple[str, bool]:
        """The beginning of an error's body: what the server says of it, without secrets; and
        whether Skyvern said it, whose errors are JSON objects with a ``detail``."""
        body = b""
        with contextlib.suppress(EncodingBroken):  # the status says enough
            for piece in _pieces(response):
                body += piece
                if len(body) >= _DETAIL_BYTES:
                    break
        own = _skyvern_detail(body)
        text = " ".join((own or body.decode(errors="replace")).split())
        if not text or text.startswith("<"):
            return "", False
        return f": {self._clean(text)[:200]}", own is not None

    def _clean(self, text: str) -> str:
        """What a server said, without the key that it may have echoed, without signatures, and
        without what is to be kept nowhere."""
        return self._mask(mask_text(text.replace(self._key, MASK)))


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    """The body's bytes as they come, decoded where that was asked for."""
    return decoded(response.iter_raw(), response.headers.get("Content-Encoding", ""))


def _asks_to_wait(response: httpx.Response) -> bool:
    """Whether a 403 is one of a limit on requests: only such have a Retry-After."""
    return response.status_code == 403 and "Retry-After" in response.headers


def _skyvern_detail(body: bytes) -> str | None:
    """What an error of Skyvern's says, which is a JSON object with a ``detail``; None of others."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "detail" not in value:
        return None
    return value["detail"] if isinstance(value["detail"], str) else json.dumps(value["detail"])


def _is_framed(response: httpx.Response) -> bool:
    """Whether it shows when the body was cut off."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def checked_base_url(text: str) -> str:
    """The API's address, without a trailing slash. Raises UsageError when it is none."""
    if "@" in text:
        raise UsageError(
            "the base URL must have no credentials, query or fragment: there is an @ in it",
            hint="Set SKYVERN_BASE_URL, for example to https://api.skyvern.com",
        )
    try:
        parts = urlsplit(text.strip())
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise UsageError(
            f"the base URL {mask_text(text)!r} is no http or https address",
            hint="Set SKYVERN_BASE_URL, for example to https://api.skyvern.com",
        )
    if set("@%\\") & set(parts.netloc) or set("?#") & set(text):
        raise UsageError("the base URL must have no credentials, query or fragment")
    return text.strip().rstrip("/").removesuffix("/v1")


def checked_key(text: str) -> str:
    """The API key, fit for a header. Raises UsageError when it is not."""
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise UsageError(
            "SKYVERN_API_KEY is not set, or is no API key", hint="Set it in the environment"
        )
    return key
