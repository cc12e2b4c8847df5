"""HTTP clients, and what goes wrong on the wire in words that a user can act on.

There are two clients. The API's carries the key, to the API's own origin only, and follows no
redirect. The downloader's carries no key at all.
"""

import contextlib
import errno
import os
import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NoReturn, Self

import httpx

from archiver.errors import SystemLimit, UsageError
from archiver.fetch.http.wire import watch
from archiver.model.urls import mask_text
from archiver.version import __version__

ACCEPTED = "gzip"
"""What requests say they accept (RFC 9110, 12.5.3)."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_PIECE = 1 << 18


class EncodingBroken(Exception):
    """The bytes are not what their Content-Encoding says.

    ``is_cut``: they are, but end in the middle.
    """

    def __init__(self, message: str, *, is_cut: bool = False) -> None:
        super().__init__(message)
        self.is_cut = is_cut


def is_encoded(encoding: str) -> bool:
    """Whether a Content-Encoding is one that is undone here.

    Others are either none (identity, aws-chunked) or were not asked for, several at once too.
    """
    return encoding.strip().lower() in _ENCODINGS


def decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a gzip or zlib stream, in pieces of 256 KiB at most.

    What does not begin like one is given as it is: some servers name an encoding that is none.
    Raises EncodingBroken.
    """
    source = (piece for piece in pieces if piece)
    data = next(source, b"")
    while len(data) < 2 and (more := next(source, b"")):
        data += more
    if not _begins_a_stream(data):
        yield data
        yield from source
        return
    while data:
        undo = zlib.decompressobj(_GZIP_OR_ZLIB)
        while not undo.eof:
            if not data and not (data := next(source, b"")):
                raise EncodingBroken("it ended in the middle of its encoding", is_cut=True)
            try:
                piece = undo.decompress(data, _PIECE)
            except zlib.error as error:
                raise EncodingBroken(f"its Content-Encoding is broken: {error}") from None
            data = undo.unconsumed_tail
            if piece:
                yield piece
        # gzip may have several members, one behind the other, and zeros behind the last.
        data = undo.unused_data.lstrip(b"\0")
        while not data and (more := next(source, b"")):
            data = more.lstrip(b"\0")


def _begins_a_stream(data: bytes) -> bool:
    """The magic number of gzip (RFC 1952), or the checked header of zlib (RFC 1950)."""
    if data[:2] == b"\x1f\x8b":
        return True
    return len(data) > 1 and data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0


USER_AGENT = f"skyvern-archiver/{__version__}"
_TLS_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_KEEP_IDLE = 30.0
"""Seconds that a connection is kept while nobody uses it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float = 10.0
    stall: float = 30.0


class HttpClient:
    """Gets what is at a URL: over httpx's transports, without what its client would add.

    No cookies, no redirects, no decoding: none of it is wanted here, and all of it costs. Used from
    several threads.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._extensions = {"timeout": client.timeout.as_dict()}
        self._own = {"User-Agent": USER_AGENT, "Connection": "keep-alive"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def headers(self, headers: Mapping[str, str]) -> httpx.Headers:
        """Headers to get with: to make them once costs less than for every request."""
        return httpx.Headers({**self._own, **headers})

    def get(self, url: str, headers: httpx.Headers) -> httpx.Response:
        """The answer, of which the body is still to be read; it must be closed.

        Raises what httpx raises, ValueError and UnicodeError among it.
        """
        request = httpx.Request("GET", url, headers=headers, extensions=self._extensions)
        if request.url.port is not None and not 0 < request.url.port < 1 << 16:
            raise httpx.InvalidURL("no such port")  # systems take it for another one, or for none
        if request.url.userinfo:
            auth = httpx.BasicAuth(request.url.username, request.url.password)
            request = next(auth.sync_auth_flow(request))
        response = self._client._transport_for_url(request.url).handle_request(request)
        response.request = request
        return response


def new_client(timeouts: Timeouts, connections: int, *, verify: bool = True) -> HttpClient:
    """An HTTP client for ``connections`` threads. Proxies and certificates are the environment's
    (HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, as httpx documents). Raises UsageError where they make no
    sense."""
    try:
        context = _tls_context(verify, *map(os.environ.get, _TLS_VARIABLES))
        client = httpx.Client(
            timeout=httpx.Timeout(timeouts.stall, connect=timeouts.connect, pool=None),
            limits=httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=_KEEP_IDLE,
            ),
            verify=context,
        )
    except OSError as error:  # ssl.SSLError too
        raise UsageError(
            f"the TLS certificates cannot be loaded: {error.strerror or error}",
            hint="Check SSL_CERT_FILE and SSL_CERT_DIR in the environment",
        ) from None
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise UsageError(
            f"the proxy of the environment cannot be used: {mask_text(str(error))}",
            hint="Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; they may be http or https",
        ) from None
    watch(client, timeouts.stall)
    if why_default_transport() is None:
        from archiver.fetch.http.transport import SocketTransport

        # httpx would no longer look for proxies in the environment if it were given one.
        client._transport = SocketTransport(
            context, connections, keep_idle=_KEEP_IDLE, stall=timeouts.stall
        )
    return HttpClient(client)


@lru_cache(maxsize=2)
def _tls_context(verify: bool, *_environment: str | None) -> ssl.SSLContext:
    """To read all certificates takes longer than many a request: once for all clients."""
    return httpx.create_ssl_context(verify)


def why_default_transport() -> str | None:
    """Why requests go over httpx's own transport, None where they do not."""
    try:
        import archiver.fetch.http.transport  # noqa: F401
    except ImportError as error:
        return f"{error.name or 'httptools'} cannot be imported: {error}"
    return None


def header_fields(response: httpx.Response) -> dict[str, str]:
    """The headers by name in lower case; of one that comes more than once the last."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in response.headers.raw
    }


def views(response: httpx.Response) -> Iterator[bytes | memoryview]:
    """The body's bytes as they come, not decoded, without a copy where the transport can.

    Each piece stays as it is until the one after the next is taken.
    """
    without_copy = response.extensions.get("views")
    return without_copy() if without_copy is not None else response.iter_raw()


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong on the wire.

    ``may_pass``: a moment later it may work; ``at_once``: now. ``garbled``: an answer came, but it
    makes no sense.
    """

    what: str
    may_pass: bool
    at_once: bool = False
    garbled: bool = False


@contextlib.contextmanager
def translated(fail: Callable[[Fault], NoReturn]) -> Iterator[None]:
    """Calls ``fail`` for anything that httpx raises. Raises SystemLimit by itself."""
    try:
        yield
    except ValueError:  # a host's name that is none, a number of thousands of digits
        fail(Fault("its URL or the server's answer cannot be understood", may_pass=False))
    except EncodingBroken as error:
        fail(Fault(str(error), may_pass=error.is_cut, garbled=not error.is_cut))
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        if _system_errno(error) in (errno.EMFILE, errno.ENFILE):
            raise SystemLimit(
                "too many open files: no connection can be made",
                hint="Raise the limit (ulimit -n), or lower --api-concurrency and "
                "--download-concurrency",
            ) from None
        fail(_fault(error))


def _fault(error: Exception) -> Fault:
    text = mask_text(str(error)) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return Fault("the server could not be connected to in time", may_pass=True)
        case httpx.TimeoutException():
            trickles = "trickles" in text
            what = "only trickled" if trickles else "stopped sending"
            return Fault(f"the server {what}", may_pass=True)
        case httpx.ConnectError():
            certificate = "CERTIFICATE" in text.upper()
            return Fault(f"cannot connect: {text}", may_pass=not certificate)
        case httpx.ProxyError():
            return Fault(f"the proxy refuses: {text}", may_pass=True)
        case httpx.UnsupportedProtocol():
            return Fault("its URL is neither http nor https", may_pass=False)
        case httpx.InvalidURL():
            return Fault("its URL cannot be understood", may_pass=False)
        case httpx.RemoteProtocolError():
            # An idle connection that the server closed shows only when it is used again.
            idle = "without sending a response" in text
            if not idle and not text.startswith("peer closed connection"):
                text = "what came is not HTTP"  # the library's message quotes it
            return Fault(f"the connection broke: {text}", may_pass=True, at_once=idle)
        case httpx.TransportError():
            return Fault(f"the connection broke: {text}", may_pass=True)
        case _:
            return Fault(text, may_pass=False)


def _system_errno(error: BaseException | None) -> int | None:
    """The operating system's error number behind an exception."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None


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
