"""Undoing a Content-Encoding piece by piece, so that no bomb gets to explode.

httpx undoes whatever is named, layer by layer and a whole piece at once: a few kilobytes can become
gigabytes. Here one layer is undone, in pieces of a bounded size.
"""

import zlib
from collections.abc import Iterable, Iterator

ACCEPTED = "gzip"
"""What requests say they accept (RFC 9110, 12.5.3)."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_GZIP = frozenset({"gzip", "x-gzip", "deflate"})
_MAGIC = (b"\x1f\x8b", b"\x78")
_PIECE = 1 << 18


class EncodingBroken(Exception):
    """The bytes are not what their Content-Encoding says, or end too early."""


def is_encoded(encoding: str) -> bool:
    """Whether a Content-Encoding is one that is undone here.

    Others are either none (identity, aws-chunked) or were not asked for, several at once too.
    """
    return encoding.strip().lower() in _GZIP


def decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a gzip or zlib stream, in pieces of 256 KiB at most.

    What does not begin like one is given as it is: some servers name an encoding that is none.
    Raises EncodingBroken.
    """
    source = iter(pieces)
    first = next((piece for piece in source if piece), b"")
    if not first.startswith(_MAGIC):
        yield first
        yield from source
        return
    undo = zlib.decompressobj(_GZIP_OR_ZLIB)
    data = first
    while data:
        try:
            if piece := undo.decompress(data, _PIECE):
                yield piece
        except zlib.error as error:
            raise EncodingBroken(f"its Content-Encoding is broken: {error}") from None
        data = undo.unconsumed_tail
        if undo.eof:
            data = undo.unused_data  # gzip may have several members, one behind the other
            if data:
                undo = zlib.decompressobj(_GZIP_OR_ZLIB)
        elif not data:
            data = next((piece for piece in source if piece), b"")
    if not undo.eof:
        raise EncodingBroken("it ended in the middle of its Content-Encoding")
