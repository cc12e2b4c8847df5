"""The seal of a table file: a SHA-256 of itself, in the file.

Parquet has no digest of its footer, and a flipped bit there may hide rows from a query. So the
footer's key-value metadata have the digest of the whole file as it is with 64 zeros in the
digest's place. Whoever reads Parquet passes over it. Files of others, and older ones, have none.
"""

import hashlib
import re
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

KEY = "archiver.sha256"
_PLACE = b"0" * 64
_MAGIC = b"PAR1"
_DIGEST = re.compile(rb"[0-9a-f]{64}")
"""What stands in the footer under another key where the key was harmed."""
_PIECE = 1 << 20


def place_seal(writer: pq.ParquetWriter) -> None:
    """Leave room for the seal in a file that is about to be closed."""
    writer.add_key_value_metadata({KEY: _PLACE.decode()})


def seal(file: BinaryIO) -> None:
    """Put the seal into a finished file that has room for it."""
    found = _find(file, _PLACE)
    if found is not None:
        digest = _digest(file, found)
        file.seek(found)
        file.write(digest.encode())


def is_sealed_truly(file: BinaryIO) -> bool | None:
    """Whether a table file is what was written; None where it has no seal.

    Of a file that is cut off, or whose end was harmed, None too: then it cannot be read.
    Raises OSError.
    """
    found = _find(file, None)
    if found is None:
        return False if _has_digest(file) else None
    file.seek(found)
    return file.read(len(_PLACE)) == _digest(file, found).encode()


def _has_digest(file: BinaryIO) -> bool:
    """Whether the metadata have a digest under whatever key."""
    file.seek(0)
    try:
        metadata = pq.read_metadata(file).metadata or {}
    except (pa.ArrowException, OSError):  # whoever reads the file finds that out
        return False
    return any(_DIGEST.fullmatch(value) for value in metadata.values())


def _find(file: BinaryIO, value: bytes | None) -> int | None:
    """Where in the file the value stands that belongs to the key; behind it lies its length."""
    begin, footer = _footer(file)
    # In thrift's compact protocol a text is its length and its bytes; then a field's header.
    key = footer.rfind(KEY.encode())
    if key < 0:
        return None
    place = key + len(KEY) + 2
    there = footer[place : place + len(_PLACE)]
    if len(there) < len(_PLACE) or (value is not None and there != value):
        return None
    return begin + place


def _digest(file: BinaryIO, place: int) -> str:
    """Of the file with zeros at ``place``."""
    digest = hashlib.sha256()
    file.seek(0)
    left = place
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    digest.update(_PLACE)
    file.seek(place + len(_PLACE))
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer begins, and its bytes; none where the end is not that of a Parquet file."""
    end = file.seek(0, 2)
    if end < 12:
        return 0, b""
    file.seek(end - 8)
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > end - 12:
        return 0, b""
    file.seek(end - 8 - length)
    return end - 8 - length, file.read(length)
