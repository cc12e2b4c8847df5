"""One exchange over one connection: the head of an answer, and its body.

llhttp, the parser of Node.js, reads what is syntax, by way of httptools. Errors are httpx's.
"""

from collections.abc import Callable, Iterator

import httpx

from archiver.errors import UsageError
from archiver.fetch.http.connection import CUT, Connection

try:
    import httptools
except ImportError as error:  # its compiled part may not fit the system
    raise UsageError(
        f"{error.name or 'httptools'} cannot be imported: {error}",
        hint="Install archiver again, with what it depends on",
    ) from None

_LARGE = 1 << 20
"""Bodies from this size get larger buffers (bytes)."""
_LARGE_BUFFER = 512 << 10
_HEAD = 16 << 10
_LONGEST_LENGTH = 19
"""Digits."""
_MOST_HEAD = 100 << 10
"""Bytes of a head, interim ones with it, or of what is no content in a chunked body."""
_MOST_FIELDS = 1_000
_PROTOCOL = b"HTTP/"


class HttpHead:
    """An answer's head, as llhttp reads it; what of the body came along is in ``pieces``.

    ``has_more``: something came behind the answer that nobody asked for.
    """

    def __init__(self) -> None:
        self.status = 0
        self.version = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.is_final = self.is_complete = self.keeps_alive = self.has_more = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # asked for by nobody
            if not self.is_complete:
                raise httpx.RemoteProtocolError("what came is not HTTP") from None
            self.has_more = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_final:  # else it is a trailer, or of the next answer
            self.headers.append((name, value.strip()))

    def on_message_begin(self) -> None:
        if self.is_complete:  # of the next answer, that nobody asked for
            self.has_more = True

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        self.status = self._parser.get_status_code()
        self.version = self._parser.get_http_version()
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

    def fields(self) -> dict[str, str]:
        """Return its headers by name in lower case; of one that comes more than once the last.

        But all that Content-Encoding says counts, on however many lines (RFC 9110, 5.3).

        Raises httpx.RemoteProtocolError where its framing is none that was asked for.
        """
        fields: dict[str, str] = {}
        for name, value in self.headers:
            key = name.decode("latin-1").lower()
            if key == "transfer-encoding" and (key in fields or value.lower() != b"chunked"):
                raise httpx.RemoteProtocolError("its Transfer-Encoding was not asked for")
            if key == "content-length" and len(value) > _LONGEST_LENGTH:
                raise httpx.RemoteProtocolError("its Content-Length makes no sense")
            text = value.decode("latin-1")
            if key == "content-encoding" and key in fields:
                text = f"{fields[key]}, {text}"
            fields[key] = text
        return fields


def receive_head(connection: Connection, timeout: float | None) -> tuple[HttpHead, memoryview]:
    """Receive the head of the next answer.

    ``timeout``: seconds until the next bytes come, here and for what comes behind it. Returns
    it with what came of its body besides ``head.pieces``. Raises httpx's errors.
    """
    connection.timeout = timeout
    buffer = connection.buffers[0]
    head, rest, seen, began = HttpHead(), buffer[:0], 0, b""
    while not head.is_final:
        if not rest:
            rest = buffer[: connection.receive(buffer)]
            if not rest:
                raise httpx.RemoteProtocolError(f"{CUT} (the head)")
        end = bytes(rest[:_HEAD]).find(b"\r\n\r\n") + 4
        cut = end if end > 3 else min(len(rest), _HEAD)
        if len(began) < len(_PROTOCOL):  # llhttp takes RTSP and ICE for HTTP
            began = (began + bytes(rest[:cut])).lstrip(b"\r\n")[: len(_PROTOCOL)]
            if not _PROTOCOL.startswith(began):
                raise httpx.RemoteProtocolError("what came is not HTTP")
        head.feed(rest[:cut])
        rest, seen = rest[cut:], seen + cut
        if seen > _MOST_HEAD or len(head.headers) > _MOST_FIELDS:
            raise httpx.RemoteProtocolError("the head is too long")
    if head.version not in ("1.0", "1.1"):
        raise httpx.RemoteProtocolError(f"it speaks HTTP/{head.version}, which was not asked for")
    return head, rest


class Exchange:
    """An answer whose head came; its body (RFC 9112, 6.3) is still to be read. Must be closed.

    ``fields`` are its headers by name in lower case; of one that comes more than once the last.
    ``release`` is told once what becomes of the connection.
    """

    def __init__(
        self,
        connection: Connection,
        head: HttpHead,
        rest: memoryview,
        release: Callable[["Exchange"], None],
        *,
        has_content: bool = True,
    ) -> None:
        self.connection = connection
        self.head = head
        self.status = head.status
        self.fields = head.fields()
        self._release: Callable[[Exchange], None] | None = release
        self._is_chunked = "transfer-encoding" in self.fields
        self._left: int | None = None
        if not has_content or head.status in (204, 304):
            self._left = 0
        elif not self._is_chunked and "content-length" in self.fields:
            self._left = int(self.fields["content-length"])
        if head.pieces and not self._is_chunked:
            rest = memoryview(b"".join([*head.pieces, rest]))
        self._rest = rest

    @property
    def brought_more(self) -> bool:
        """Whether more came than the answer, as far as was read."""
        return self.head.has_more or (self._left is not None and len(self._rest) > self._left)

    @property
    def is_reusable(self) -> bool:
        """Whether the answer is over, and nothing else came on its connection."""
        is_over = self._left is not None and self._left == len(self._rest)
        return is_over and self.head.keeps_alive and not self.head.has_more

    def views(self) -> Iterator[memoryview]:
        """The body's bytes. Each view stays as it is until the one after the next is taken."""
        if self._left is None:
            return self._chunked() if self._is_chunked else self._until_end()
        return self._measured(self._left)

    def close(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release(self)

    def _chunked(self) -> Iterator[memoryview]:
        head, buffer, data, overhead = self.head, self.connection.buffers[0], self._rest, 0
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
            data = buffer[: self.connection.receive(buffer)]
            if not data:
                raise httpx.RemoteProtocolError(f"{CUT} (incomplete chunked read)")

    def _until_end(self) -> Iterator[memoryview]:
        if self._rest:
            yield self._rest
        turn = 1
        while count := self.connection.receive(self.connection.buffers[turn]):
            yield self.connection.buffers[turn][:count]
            turn = 1 - turn
        if self.connection.is_ragged:
            raise httpx.RemoteProtocolError(f"{CUT} (TLS was not ended)")

    def _measured(self, length: int) -> Iterator[memoryview]:
        buffers, left = self.connection.buffers, length
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
            buffer = buffers[turn][:left]
            turn = 1 - turn
            piece = buffer[: self.connection.fill(buffer)]
            if not piece:
                raise httpx.RemoteProtocolError(
                    f"{CUT} (received {length - left} bytes, expected {length})"
                )
