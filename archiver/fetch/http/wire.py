"""One exchange over one connection: a request is sent, the head of its answer comes in.

llhttp reads what is syntax. Errors are httpx's, in the words that httpcore and h11 have for them.
"""

import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from ssl import SSLContext, SSLSocket
from typing import Any, TypeAlias

import httpcore
import httptools
import httpx

LEAST = 1_024
"""Bytes that must come in the time that an answer may stall."""
TRICKLES = "the answer only trickles"
ENDED_WHILE_IDLE = "Server disconnected without sending a response."
"""httpcore's words for a connection that the server closed while nobody used it."""


class Trickle:
    """Tells an answer that brings fewer than ``LEAST`` bytes in ``stall`` seconds of waiting.

    Only the time spent waiting counts, not what is done with the bytes.
    """

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self.restart()

    def restart(self) -> None:
        self._waited, self._came = 0.0, 0

    def is_all(self, count: int, waited: float) -> bool:
        """Whether, with ``count`` bytes after ``waited`` seconds, too little came."""
        self._waited += waited
        self._came += count
        if count and self._waited >= self._stall:
            if self._came < LEAST:
                return True
            self.restart()
        return False


class WatchedBackend(httpcore.SyncBackend):
    """Opens connections that give up when an answer stalls for ``stall`` seconds."""

    def __init__(self, stall: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall = stall
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return WatchedStream(stream, self._stall, self._clock)


class WatchedStream(httpcore.NetworkStream):
    """One connection. ``clock`` gives seconds and never goes back."""

    def __init__(
        self, stream: httpcore.NetworkStream, stall: float, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._stall = stall
        self._clock = clock
        self._trickle = Trickle(stall)
        self._has_answered = self._is_used_again = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = self._clock()
        try:
            data = self._stream.read(max_bytes, timeout)
        except httpcore.ReadError:
            if self._is_used_again and not self._has_answered:
                raise httpcore.RemoteProtocolError(ENDED_WHILE_IDLE) from None
            raise
        # What the server thinks before it answers has a limit of its own.
        waited = self._clock() - began if self._has_answered else 0.0
        self._has_answered = True
        if self._trickle.is_all(len(data), waited):
            raise httpcore.ReadTimeout(TRICKLES)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_used_again |= self._has_answered
        self._has_answered = False
        self._trickle.restart()
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return WatchedStream(stream, self._stall, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def watch(client: httpx.Client, stall: float) -> None:
    """Watch every connection that ``client`` will open, through proxies too."""
    for transport in [client._transport, *client._mounts.values()]:
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = WatchedBackend(stall)


_KERNEL_KEEPS_TIME = sys.platform == "linux"
_BUFFER = 128 << 10
_NEXT_SECONDS = 0.01
"""How long it may take for more to come."""
_HEAD = 16 << 10
_LONGEST_LENGTH = 19
"""Digits."""
MOST_HEAD = 100 << 10
"""Bytes of a head, or of what is no content in a chunked body, that are looked at."""
CUT = "peer closed connection without sending complete message body"
Origin: TypeAlias = tuple[bytes, str, int]
"""Scheme, host and port."""


class Head:
    """An answer's head, as llhttp reads it; what of the body came along is in ``pieces``."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.is_final = self.is_complete = self.keeps_alive = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # asked for by nobody
            if not self.is_complete:
                raise httpx.RemoteProtocolError("what came is not HTTP") from None
            self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_final:  # else it is a trailer, or of the next answer
            self.headers.append((name, value.strip()))

    def on_message_begin(self) -> None:
        if self.is_complete:  # of the next answer, that nobody asked for
            self.keeps_alive = False

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        self.status = self._parser.get_status_code()
        self.is_final = self.status >= 200
        self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        if not self.is_complete:  # else it is of the next answer
            self.pieces.append(piece)

    def on_message_complete(self) -> None:
        if self.is_final:
            self.is_complete = True
        else:  # interim (RFC 9110, 15.2): the answer comes behind it
            self.headers = []

    def values(self, name: bytes) -> list[bytes]:
        return [v for n, v in self.headers if n.lower() == name]


class Connection:
    """One socket, and two buffers that take turns."""

    def __init__(
        self, origin: Origin, sock: socket.socket, trickle: Trickle, clock: Callable[[], float]
    ) -> None:
        self.origin = origin
        self.clock = clock
        self.buffers = memoryview(bytearray(_BUFFER)), memoryview(bytearray(_BUFFER))
        self._socket = sock
        self._trickle = trickle
        self._is_used_again = self._has_answered = False
        self._timeout: float | None = -1.0

    def close(self) -> None:
        self._socket.close()

    def is_readable(self, within: float = 0.0) -> bool:
        """Whether something came, or the end, ``within`` so many seconds.

        While it is idle that can only be its end, or what nobody asked for.
        """
        if isinstance(self._socket, SSLSocket) and self._socket.pending():
            return True  # decrypted already: the system knows nothing of it
        if not hasattr(select, "poll"):
            return bool(select.select([self._socket], [], [], within)[0])
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(within * 1_000))

    def send(self, request: httpx.Request, timeout: float | None) -> None:
        head = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
        head += [b"%b: %b" % header for header in request.headers.raw]
        message = b"\r\n".join([*head, b"", b""])
        if message.count(b"\n") > len(head) + 1 or message.count(b"\r") > len(head) + 1:
            raise httpx.LocalProtocolError("a header has a line break")
        self._is_used_again |= self._has_answered
        self._has_answered = False
        self._trickle.restart()
        try:
            self._limit(timeout)
            self._socket.sendall(message)
        except (TimeoutError, BlockingIOError) as error:
            raise httpx.WriteTimeout(str(error)) from error
        except OSError as error:
            raise self._broken(error, httpx.WriteError) from error

    def goes_on(self, until: float) -> bool:
        """Whether more comes soon, before ``until``; to wait for it is to wait for the server."""
        began = self.clock()
        if began >= until:
            return False
        comes = self.is_readable(_NEXT_SECONDS)
        self._trickle.is_all(0, self.clock() - began)
        return comes

    def receive(self, into: memoryview) -> int:
        """How many bytes came; 0 is the end."""
        began = self.clock()
        try:
            count = self._socket.recv_into(into)
        except (TimeoutError, BlockingIOError) as error:
            raise httpx.ReadTimeout(str(error)) from error
        except OSError as error:
            raise self._broken(error, httpx.ReadError) from error
        # What the server thinks before it answers has a limit of its own.
        waited = self.clock() - began if self._has_answered else 0.0
        if not count and not self._has_answered:
            raise httpx.RemoteProtocolError(ENDED_WHILE_IDLE)
        self._has_answered = True
        if self._trickle.is_all(count, waited):
            raise httpx.ReadTimeout(TRICKLES)
        return count

    def receive_head(self, timeout: float | None) -> tuple[Head, memoryview]:
        """The head of the next answer, and what came of its body besides ``head.pieces``."""
        self._limit(timeout)
        head, rest, seen = Head(), self.buffers[0][:0], 0
        while not head.is_final:
            if not rest:
                rest = self.buffers[0][: self.receive(self.buffers[0])]
                if not rest:
                    raise httpx.RemoteProtocolError(f"{CUT} (the head)")
            end = bytes(rest[:_HEAD]).find(b"\r\n\r\n") + 4
            cut = end if end > 3 else len(rest)
            head.feed(rest[:cut])
            rest, seen = rest[cut:], seen + cut
            if seen > MOST_HEAD and not head.is_final:  # else the rest is the body's
                raise httpx.RemoteProtocolError("the head is too long")
        if [v.lower() for v in head.values(b"transfer-encoding")] not in ([], [b"chunked"]):
            raise httpx.RemoteProtocolError("its Transfer-Encoding was not asked for")
        if any(len(v) > _LONGEST_LENGTH for v in head.values(b"content-length")):
            raise httpx.RemoteProtocolError("its Content-Length makes no sense")
        return head, rest

    def _limit(self, timeout: float | None) -> None:
        """Let no call take longer. Python would poll before each; the kernel keeps time too.

        Not under TLS: there Python takes what the kernel says then for a reason to try again.
        """
        if timeout == self._timeout:
            return
        self._timeout = timeout
        if _KERNEL_KEEPS_TIME and not isinstance(self._socket, SSLSocket):
            self._socket.settimeout(None)
            # To the kernel zero means for ever.
            microseconds = 0 if timeout is None else max(1, int(timeout * 1e6))
            value = struct.pack("@ll", *divmod(microseconds, 10**6))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._socket.setsockopt(socket.SOL_SOCKET, option, value)
        else:
            self._socket.settimeout(timeout)

    def _broken(self, error: OSError, kind: type[httpx.NetworkError]) -> httpx.TransportError:
        if self._is_used_again and not self._has_answered:
            return httpx.RemoteProtocolError(ENDED_WHILE_IDLE)
        return kind(str(error))
