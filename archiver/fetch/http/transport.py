"""Connections, kept and used again, and what is asked over them; beneath httpx too.

httpx's own transport takes a body through h11 and several copies in Python; at 100 KB a file that,
not the network, is the limit (``python -m tests.benchmarks --only transport`` compares them). Its
limits: HTTP/1.1 alone; requests have no body; answers that are ambiguous are refused (both
Content-Length and Transfer-Encoding, Content-Length twice, folded headers, lines without CR).

An answer is never taken for another one's: a connection on which anything is to be read is not used
again, and a host that ever sent more than it was asked for gets no kept connection any more.
"""

import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Condition

import httpx

from archiver.fetch.http.connection import (
    SLICE,
    AddressRefused,
    Connection,
    Limits,
    Waiting,
    connected,
)
from archiver.fetch.http.proxies import Proxies, Proxy, pass_through
from archiver.fetch.http.target import Origin, Target, target_of
from archiver.fetch.http.wire import Exchange, receive_head

_QUIET_SECONDS = 0.02
"""How long a second answer may take that a host sends right behind its first answer of all."""
_REST_SECONDS = 0.005
"""How long a connection rests after every other answer, before the next request goes over it."""
_PROVEN = 32
"""Answers after which a host that sent nothing behind any of them has shown how it works."""
_PROVEN_REST_SECONDS = 0.0005
"""The rest after its answers from then on: 5 ms a file were half the time of many small ones."""


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: Connection
    origin: Origin
    since: float


class ConnectionPool:
    """Up to ``connections`` at once, kept ``keep_idle`` seconds; used from several threads."""

    def __init__(
        self,
        context: ssl.SSLContext,
        connections: int,
        waiting: Waiting,
        *,
        proxies: Proxies | None = None,
        keep_idle: float = 30.0,
        refuses: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """``refuses`` says of a server's address, as far as it is known, that it is not asked."""
        self._context = context
        self._connections = connections
        self._waiting = waiting
        self._proxies = proxies or Proxies()
        self._keep_idle = keep_idle
        self._refuses = refuses
        self._changed = Condition()
        """Guards all that follows; told when a place is free."""
        self._used = self._open = 0
        self._is_closed = False
        self._idle: list[_Idle] = []
        """The oldest first."""
        self._untrusted: set[Origin] = set()
        self._quiet: Counter[Origin] = Counter()
        """Answers behind which nothing was sent, although there was time for it."""

    def exchange(self, method: str, target: Target, fields: bytes, limits: Limits) -> Exchange:
        """Send a request without a body, and receive the head of its answer.

        ``fields`` are header lines besides those of ``target``. The answer must be closed. Raises
        httpx's errors, and what ``check_stop`` raises.
        """
        origin = target.origin
        connection = self._take(origin, limits.pool)
        try:
            proxy = self._proxies.to(origin)
            if connection is None:
                connection = self._connect(origin, proxy, limits)
            path = target.path
            if proxy is not None and origin.scheme == "http" and not proxy.is_socks:
                path = b"http://%b%b" % (origin.name.encode("ascii"), path)
                fields += proxy.fields
            message = b"%b %b HTTP/1.1\r\n%b%b\r\n" % (
                method.encode("ascii"),
                path,
                target.fields,
                fields,
            )
            connection.send(message, limits.write)
            head, rest = receive_head(connection, limits.read)

            def release(exchange: Exchange) -> None:
                self._release(exchange, origin)

            return Exchange(connection, head, rest, release, has_content=method != "HEAD")
        except BaseException:
            self._give_back(connection)
            raise

    def close(self) -> None:
        """Close what is idle; what is still in use is closed when it is released."""
        with self._changed:
            self._is_closed = True
            while self._idle:
                self._end(self._idle.pop().connection)

    def _take(self, origin: Origin, timeout: float | None) -> Connection | None:
        """Take a place, and the connection to ``origin`` that was used last, if one is fit for it.

        Where none is, one may be opened. Raises httpx.PoolTimeout where no place gets free.
        """
        with self._changed:
            if self._used >= self._connections:
                self._await_place(timeout)
            self._used += 1
        while True:
            with self._changed:
                found = self._idle_to(origin)
                if found is None:
                    if self._open >= self._connections and self._idle:  # idle ones count too
                        self._end(self._idle.pop(0).connection)
                    self._open += 1  # the caller opens one
                    return None
                is_trusted = origin not in self._untrusted
                rest = _rest_seconds(self._quiet[origin])
            connection = found.connection
            rested = self._waiting.clock() - found.since
            if is_trusted and not connection.is_readable(max(0.0, rest - rested)):
                with self._changed:
                    self._quiet[origin] += 1
                return connection
            brought_more = connection.has_more()
            with self._changed:
                if brought_more:
                    self._untrusted.add(origin)
                self._end(connection)

    def _idle_to(self, origin: Origin) -> _Idle | None:
        too_old = self._waiting.clock() - self._keep_idle
        while self._idle and self._idle[0].since < too_old:
            self._end(self._idle.pop(0).connection)
        for index in reversed(range(len(self._idle))):
            if self._idle[index].origin == origin:
                return self._idle.pop(index)
        return None

    def _await_place(self, timeout: float | None) -> None:
        until = None if timeout is None else self._waiting.clock() + timeout
        while self._used >= self._connections:
            self._changed.wait(SLICE if timeout is None else min(SLICE, timeout))
            self._waiting.check_stop()
            if until is not None and self._waiting.clock() >= until:
                raise httpx.PoolTimeout("no connection is free")

    def _connect(self, origin: Origin, proxy: Proxy | None, limits: Limits) -> Connection:
        _, host, port = proxy.origin if proxy is not None else origin
        connection = None
        try:
            if proxy is None:
                sock = connected(host, port, limits.connect, self._waiting, self._refuses)
            elif self._refuses(origin.host):
                raise AddressRefused(origin.host)
            else:
                sock = connected(host, port, limits.connect, self._waiting)
            connection = Connection(sock, self._waiting)
            if proxy is not None:
                if proxy.origin.scheme == "https":
                    connection.start_tls(self._context, host, limits.connect)
                if proxy.is_socks or origin.scheme == "https":
                    pass_through(connection, proxy, origin, limits)
            if origin.scheme == "https":
                connection.start_tls(self._context, origin.host, limits.connect)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        connection.begin()
        return connection

    def _end(self, connection: Connection | None) -> None:
        """Close it, while ``_changed`` is held: who is let in then may open one."""
        if connection is not None:
            connection.close()
        self._open -= 1

    def _give_back(self, connection: Connection | None) -> None:
        """Give back a place, and end its connection if one came to be."""
        with self._changed:
            self._end(connection)
            self._used -= 1
            self._changed.notify()

    def _release(self, exchange: Exchange, origin: Origin) -> None:
        """Keep its connection for those who ask next, if it is fit for it."""
        with self._changed:
            if exchange.brought_more:
                self._untrusted.add(origin)
            is_fit = exchange.is_reusable and origin not in self._untrusted
            if is_fit and not self._is_closed:
                self._idle.append(_Idle(exchange.connection, origin, self._waiting.clock()))
            else:
                self._end(exchange.connection)
            self._used -= 1
            self._changed.notify()


def _rest_seconds(quiet: int) -> float:
    if quiet >= _PROVEN:
        return _PROVEN_REST_SECONDS
    return _REST_SECONDS if quiet else _QUIET_SECONDS


class SocketTransport(httpx.BaseTransport):
    """The pool as httpx asks it: with requests, timeouts and answers of httpx."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body, receive the head of its answer. Raises httpx's errors."""
        url = request.url
        origin, _, fields = target_of(f"{url.scheme}://{url.netloc.decode('ascii')}/")
        own = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        exchange = self._pool.exchange(
            request.method,
            Target(origin, url.raw_path, fields),
            header_lines(own),
            Limits(**request.extensions.get("timeout", {})),
        )
        return httpx.Response(
            exchange.status,
            headers=exchange.head.headers,
            stream=_Stream(exchange),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def close(self) -> None:
        self._pool.close()


class _Stream(httpx.SyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self._exchange.views())

    def close(self) -> None:
        self._exchange.close()


def header_lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return headers as they go on the wire. Raises httpx.LocalProtocolError for a line break."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    count = len(headers)
    if lines.count(b"\n") > count or lines.count(b"\r") > count or b"\0" in lines:
        raise httpx.LocalProtocolError("a header has a line break")
    return lines
