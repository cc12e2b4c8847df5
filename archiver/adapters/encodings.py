"""Undoing a Content-Encoding piece by piece, so that no bomb gets to explode.

httpx undoes whatever is named, layer by layer and a whole piece at once: a few kilobytes can become
gigabytes. Here one layer is undone, in pieces of a bounded size.
"""

import zlib
from collections.abc import Iterable, Iterator

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
