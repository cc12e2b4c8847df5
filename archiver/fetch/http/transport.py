"""HTTP/1.1 as a transport of httpx that is made for bodies: from the kernel into a buffer, no more.

httpx's own transport takes a body through h11 and several copies in Python; at 100 KB a file that,
not the network, is the limit (``python -m tests.benchmarks --only transport`` compares them). Here
blocking sockets read into buffers that are used again, and llhttp, the parser of Node.js, by way of
httptools, reads the heads and what is chunked.

What httpx's own transport honours, this one does: the timeouts of each request, the TLS context,
the limit of connections, how long idle ones are kept. Its limits: HTTP/1.1 alone; requests have no
body; answers that httpx's own takes although they are ambiguous are refused (both Content-Length
and Transfer-Encoding, Content-Length twice, folded headers, lines without CR). What goes through a
proxy is left to httpx's own, and so is everything where httptools cannot be imported.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from threading import BoundedSemaphore, Lock

import httpx

from archiver.fetch.http.wire import CUT, MOST_HEAD, Connection, Head, Origin, Trickle

_LARGE = 1 << 20
"""Bodies from this size get larger buffers (bytes)."""
_LARGE_BUFFER = 512 << 10
_FILL_SECONDS = 0.1
"""How long a piece may take to become large: whoever waits for it may want to stop."""


class Body(httpx.SyncByteStream):
    """An answer's body, however it is framed (RFC 9112, 6.3)."""

    def __init__(
        self,
        connection: Connection,
        head: Head,
        rest: memoryview,
        release: Callable[..., None],
        *,
        has_content: bool,
    ) -> None:
        self._connection = connection
        self._head = head
        self._release: Callable[..., None] | None = release
        self._is_chunked = bool(head.values(b"transfer-encoding"))
        length = head.values(b"content-length")
        self._left: int | None = None
        if not has_content or head.status in (204, 304):
            self._left = 0
        elif length and not self._is_chunked:
            self._left = int(length[0])
        if head.pieces and not self._is_chunked:
            rest = memoryview(b"".join([*head.pieces, rest]))
        self._rest = rest
        self._failure: httpx.TransportError | None = None

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self.views())

    def views(self) -> Iterator[memoryview]:
        """The body's bytes. Each view stays as it is until the one after the next is taken."""
        if self._is_chunked and self._left is None:
            return self._chunked()
        return self._until_end() if self._left is None else self._measured(self._left)

    def close(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            is_over = self._left is not None and self._left == len(self._rest)
            release(self._connection, is_usable=is_over and self._head.keeps_alive)

    def _chunked(self) -> Iterator[memoryview]:
        head, buffer, data, overhead = self._head, self._connection.buffers[0], self._rest, 0
        while True:
            head.feed(data)
            pieces, head.pieces = head.pieces, []
            overhead = 0 if pieces else overhead + len(data)
            if head.is_complete:
                self._left, self._rest = 0, self._rest[:0]
            for piece in pieces:
                yield memoryview(piece)
            if head.is_complete:
                return
            if overhead > MOST_HEAD:
                raise httpx.RemoteProtocolError("what stands between its chunks is too long")
            data = buffer[: self._connection.receive(buffer)]
            if not data:
                raise httpx.RemoteProtocolError(f"{CUT} (incomplete chunked read)")

    def _until_end(self) -> Iterator[memoryview]:
        if self._rest:
            yield self._rest
        turn = 1
        while count := self._connection.receive(self._connection.buffers[turn]):
            yield self._connection.buffers[turn][:count]
            turn = 1 - turn

    def _measured(self, length: int) -> Iterator[memoryview]:
        buffers, left = self._connection.buffers, length
        if left >= _LARGE:
            buffers = memoryview(bytearray(_LARGE_BUFFER)), memoryview(bytearray(_LARGE_BUFFER))
        piece, self._rest = self._rest[:left], self._rest[left:]
        turn = 1
        while True:
            left -= len(piece)
            self._left = left
            if piece:
                yield piece
            if not left:
                return
            piece = self._fill(buffers[turn][:left])
            turn = 1 - turn
            if not piece:
                raise httpx.RemoteProtocolError(
                    f"{CUT} (received {length - left} bytes, expected {length})"
                )

    def _fill(self, buffer: memoryview) -> memoryview:
        """As much of ``buffer`` as comes soon: few large pieces cost less than many small ones."""
        if self._failure is not None:
            raise self._failure
        connection = self._connection
        until = connection.clock() + _FILL_SECONDS
        filled = count = connection.receive(buffer)
        try:
            # What is here already is not kept back until more comes, or nothing any more.
            while count and filled < len(buffer) and connection.goes_on(until):
                count = connection.receive(buffer[filled:])
                filled += count
        except httpx.TransportError as error:  # what came before it is not lost
            self._failure = error
        return buffer[:filled]


class SocketTransport(httpx.BaseTransport):
    """Up to ``connections`` at once, kept ``keep_idle`` seconds; used from several threads.

    An answer that brings too little in ``stall`` seconds is given up. ``clock`` gives seconds and
    never goes back.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        connections: int,
        *,
        keep_idle: float,
        stall: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        context.set_alpn_protocols(["http/1.1"])  # some servers would else choose another
        self._context = context
        self._connections = connections
        self._keep_idle = keep_idle
        self._stall = stall
        self._clock = clock
        self._room = BoundedSemaphore(connections)
        self._lock = Lock()
        self._open = 0
        self._is_closed = False
        self._idle: list[tuple[Connection, float]] = []
        """With the time since when, the oldest first."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body, receive the head of its answer.

        The body comes by the response's stream, or without a copy by ``views`` of its extensions:
        each view stays as it is until the one after the next is taken. Raises httpx's errors.
        """
        timeouts = request.extensions.get("timeout", {})
        if not self._room.acquire(timeout=timeouts.get("pool")):
            raise httpx.PoolTimeout("no connection is free")
        connection = None
        try:
            origin = _origin(request.url)
            connection = self._idle_to(origin) or self._connect(origin, timeouts.get("connect"))
            connection.send(request, timeouts.get("write"))
            head, rest = connection.receive_head(timeouts.get("read"))
            has_content = request.method != "HEAD"
            body = Body(connection, head, rest, self._release, has_content=has_content)
        except BaseException:
            self._release(connection, is_usable=False)
            raise
        extensions = {"http_version": b"HTTP/1.1", "views": body.views}
        return httpx.Response(head.status, headers=head.headers, stream=body, extensions=extensions)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            self._end(connection)

    def _idle_to(self, origin: Origin) -> Connection | None:
        """The connection to ``origin`` that was used last, if one is idle and still open."""
        while True:
            too_old = self._clock() - self._keep_idle
            with self._lock:
                old = [entry for entry in self._idle if entry[1] < too_old]
                del self._idle[: len(old)]
                for connection, _ in old:  # at once: who is let in now may open one
                    connection.close()
                self._open -= len(old)
                fits = (i for i, entry in enumerate(self._idle) if entry[0].origin == origin)
                index = max(fits, default=None)
                found = self._idle.pop(index)[0] if index is not None else None
            if found is None or not found.is_readable():
                return found
            self._end(found)

    def _connect(self, origin: Origin, timeout: float | None) -> "Connection":
        scheme, host, port = origin
        with self._lock:  # those that are idle count too
            one_too_many = self._open >= self._connections and self._idle
            idle = self._idle.pop(0)[0] if one_too_many else None
            self._open += 1
        if idle is not None:
            self._end(idle)
        try:
            sock = socket.create_connection((host, port), timeout)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if scheme == b"https":
                    sock = self._context.wrap_socket(sock, server_hostname=host)
            except BaseException:
                sock.close()
                raise
            return Connection(origin, sock, Trickle(self._stall), self._clock)
        except BaseException as error:
            with self._lock:
                self._open -= 1
            if isinstance(error, TimeoutError):
                raise httpx.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):  # ssl.SSLError and socket.gaierror too
                raise httpx.ConnectError(str(error)) from error
            raise

    def _end(self, connection: "Connection") -> None:
        connection.close()
        with self._lock:
            self._open -= 1

    def _release(self, connection: Connection | None, *, is_usable: bool) -> None:
        if connection is not None and not (is_usable and self._kept(connection)):
            self._end(connection)
        self._room.release()

    def _kept(self, connection: Connection) -> bool:
        """Whether it is kept for those who ask next."""
        with self._lock:
            if not self._is_closed:
                self._idle.append((connection, self._clock()))
            return not self._is_closed


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in ("http", "https") or not url.host:
        raise httpx.UnsupportedProtocol("neither http nor https")
    return (
        url.raw_scheme,
        url.raw_host.decode("ascii"),
        url.port or (443 if url.scheme == "https" else 80),
    )
