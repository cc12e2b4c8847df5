"""HTTP clients, and what goes wrong on the wire in words that a user can act on.

There are two clients. The API's carries the key, to the API's own origin only, and follows no
redirect. The downloader's carries no key at all.
"""

import contextlib
import errno
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn, Self

import httpx

from archiver.errors import SystemLimit
from archiver.fetch.http.connection import AddressRefused, Limits, Waiting
from archiver.fetch.http.proxies import Proxies
from archiver.fetch.http.target import target_of
from archiver.fetch.http.tls import TlsOptions, tls_context
from archiver.fetch.http.transport import ConnectionPool, SocketTransport, header_lines
from archiver.fetch.http.wire import Exchange
from archiver.model.urls import mask_text
from archiver.system.files import without_number
from archiver.version import __version__

ACCEPTED = "gzip"
"""What requests say they accept (RFC 9110, 12.5.3)."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_NONE = frozenset(
    {"", "identity", "aws-chunked", "none", "binary", "7bit", "8bit", "utf-8", "utf8"}
)
"""Names of encodings that are none: S3 keeps whatever a client called it."""
_MOST_LAYERS = 4
_PIECE = 1 << 18


class EncodingBroken(Exception):
    """The bytes are not what their Content-Encoding says, or nobody here can undo it.

    ``is_cut``: they are, but end in the middle.
    """

    def __init__(self, message: str, *, is_cut: bool = False) -> None:
        super().__init__(message)
        self.is_cut = is_cut


def is_encoded(encoding: str) -> bool:
    """Whether a Content-Encoding names one, or several (RFC 9110, 8.4)."""
    return bool(_layers(encoding))


def decoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The bytes with their Content-Encoding undone, layer by layer, in pieces of some size.

    What does not begin like a layer is given as it is: some servers name an encoding that is none.
    Raises EncodingBroken.
    """
    layers = _layers(encoding)
    if len(layers) > _MOST_LAYERS or not _ENCODINGS.issuperset(layers):
        named = "".join(c if c.isprintable() else " " for c in ", ".join(layers))[:60]
        raise EncodingBroken(f"it came in an encoding that was not asked for ({named})")
    for _ in layers:
        pieces = _undone(pieces)
    yield from pieces


def _layers(encoding: str) -> list[str]:
    names = (name.strip().lower() for name in encoding.split(","))
    return [name for name in names if name not in _NONE]


def _undone(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a gzip or zlib stream, in pieces of 256 KiB at most."""
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
_OWN = {"User-Agent": USER_AGENT, "Connection": "keep-alive"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float = 10.0
    stall: float = 30.0


class HttpClient:
    """Gets what is at a URL, and nothing besides: no cookies, no redirects, no decoding.

    Used from several threads. ``transport`` asks over the same connections for who speaks httpx.
    """

    def __init__(self, pool: ConnectionPool, timeouts: Timeouts) -> None:
        self.transport = SocketTransport(pool)
        self._pool = pool
        self._limits = Limits(timeouts.connect, timeouts.stall, timeouts.stall, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    def headers(self, headers: Mapping[str, str]) -> bytes:
        """Return header lines to get with: to make them once costs less than for every request.

        Raises httpx.LocalProtocolError for a line break, UnicodeError for what no header has.
        """
        fields = {**_OWN, **headers}
        return header_lines([(n.encode("ascii"), v.encode("latin-1")) for n, v in fields.items()])

    def get(self, url: str, headers: bytes) -> Exchange:
        """Return the answer, of which the body is still to be read; it must be closed.

        Raises what httpx raises, and Interrupted.
        """
        return self._pool.exchange("GET", target_of(url), headers, self._limits)

    def request(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """The same as httpx has it. Raises what httpx raises, ValueError among it."""
        timeouts = self._limits._asdict()
        request = httpx.Request(
            "GET", url, headers={**_OWN, **headers}, extensions={"timeout": timeouts}
        )
        response = self.transport.handle_request(request)
        response.request = request
        return response


def new_client(
    timeouts: Timeouts,
    connections: int,
    *,
    tls: TlsOptions | None = None,
    proxies: Proxies | None = None,
    check_stop: Callable[[], None] = lambda: None,
    refuses: Callable[[str], bool] = lambda _: False,
) -> HttpClient:
    """Return an HTTP client for ``connections`` threads.

    ``check_stop`` is called wherever one waits, and may raise Interrupted. ``refuses`` says which
    addresses are not to be asked. Raises UsageError where certificates cannot be loaded.
    """
    pool = ConnectionPool(
        tls_context(tls or TlsOptions()),
        connections,
        Waiting(timeouts.stall, check_stop),
        proxies=proxies,
        refuses=refuses,
    )
    return HttpClient(pool, timeouts)


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
def http_errors(fail: Callable[[Fault], NoReturn]) -> Iterator[None]:
    """Call ``fail`` for anything that httpx raises. Raises SystemLimit by itself."""
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
    text = without_number(mask_text(str(error))) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return Fault("the server could not be connected to in time", may_pass=True)
        case httpx.TimeoutException():
            trickles = "trickles" in text
            what = "only trickled" if trickles else "stopped sending"
            return Fault(f"the server {what}", may_pass=True)
        case AddressRefused():
            return Fault(f"{text}, where the API is not", may_pass=False)
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


def retry_after(value: str, now: Callable[[], datetime]) -> float | None:
    """Return the seconds that a server's Retry-After asks to wait, None where it asks nothing.

    Source: RFC 9110, 10.2.3 (seconds or an HTTP date).
    """
    value = value.strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
    except (ValueError, TypeError):
        return None
