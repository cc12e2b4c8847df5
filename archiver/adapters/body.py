"""An answer's body, in views of buffers that take turns: nothing is copied on the way."""

from collections.abc import Callable, Iterator

import httpx

from archiver.fetch.http.wire import CUT, MOST_HEAD, Connection, Head

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
