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
from collections.abc import Callable
from threading import BoundedSemaphore, Lock

import httpx

from archiver.adapters.body import Body
from archiver.adapters.network import Trickle
from archiver.fetch.http.wire import Connection, Origin


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
