"""One exchange over one connection: a request is sent, its answer's head and body come in.

llhttp reads what is syntax; the bytes of a body go from the socket into buffers that take turns.
Errors are httpx's, in the words that httpcore and h11 have for them.
"""

import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from ssl import SSLSocket
from typing import TypeAlias

import httptools
import httpx

from archiver.adapters.network import ENDED_WHILE_IDLE, TRICKLES, Trickle

_KERNEL_KEEPS_TIME = sys.platform == "linux"
_BUFFER = 128 << 10
_LARGE = 1 << 20
"""Bodies from this size get larger buffers (bytes)."""
_LARGE_BUFFER = 512 << 10
_FILL_SECONDS = 0.1
"""How long a piece may take to become large: whoever waits for it may want to stop."""
_NEXT_SECONDS = 0.01
"""How long it may take for more to come."""
_HEAD = 16 << 10
_MOST_HEAD = 100 << 10
"""Bytes of a head, or of what is no content in a chunked body, that are looked at."""
_CUT = "peer closed connection without sending complete message body"
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
        except httptools.HttpParserError:  # an upgrade, which nobody asked for, too
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
                    raise httpx.RemoteProtocolError(f"{_CUT} (the head)")
            end = bytes(rest[:_HEAD]).find(b"\r\n\r\n") + 4
            cut = end if end > 3 else len(rest)
            head.feed(rest[:cut])
            rest, seen = rest[cut:], seen + cut
            if seen > _MOST_HEAD and not head.is_final:  # else the rest is the body's
                raise httpx.RemoteProtocolError("the head is too long")
        if [v.lower() for v in head.values(b"transfer-encoding")] not in ([], [b"chunked"]):
            raise httpx.RemoteProtocolError("its Transfer-Encoding was not asked for")
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
            if overhead > _MOST_HEAD:
                raise httpx.RemoteProtocolError("what stands between its chunks is too long")
            data = buffer[: self._connection.receive(buffer)]
            if not data:
                raise httpx.RemoteProtocolError(f"{_CUT} (incomplete chunked read)")

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
                    f"{_CUT} (received {length - left} bytes, expected {length})"
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
