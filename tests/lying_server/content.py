"""What the server sends: bytes that know their size and can be read from any offset.

A body may be larger than memory, so contents are made piece by piece while they are sent.
"""

import functools
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

PIECE = 256 * 1024
_STAMP = 16

# The start of every WebM file: an EBML header whose document type is "webm".
WEBM_HEAD = bytes.fromhex(
    "1a45dfa39f 42868101 42f78101 42f28104 42f38108 4282847765626d 42878104 42858102"
)


class Content(Protocol):
    """Bytes to be sent; `pieces` gives those from `start` up to `stop` in blocks."""

    @property
    def size(self) -> int: ...

    def pieces(self, start: int, stop: int) -> Iterator[bytes]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Bytes that are held in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        for position in range(start, min(stop, self.size), PIECE):
            yield self.data[position : min(position + PIECE, stop)]


@dataclass(frozen=True, slots=True)
class Blob:
    """Pseudo-random bytes of any size, the same for the same size, seed and prefix.

    `prefix` replaces the first bytes, so that a blob can begin like a real file.
    """

    size: int
    seed: int = 0
    prefix: bytes = b""

    def __post_init__(self) -> None:
        if len(self.prefix) > PIECE:
            raise ValueError(f"a prefix has at most {PIECE} bytes")

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        noise = _noise(self.seed)
        position, stop = start, min(stop, self.size)
        while position < stop:
            number, offset = divmod(position, PIECE)
            # Each block bears its number: blocks that change places change the digest.
            block = number.to_bytes(_STAMP, "big") + noise
            if number == 0:
                block = self.prefix + block[len(self.prefix) :]
            piece = block[offset : offset + stop - position]
            yield piece
            position += len(piece)

    def sha256(self) -> str:
        return digest(self)


@dataclass(frozen=True, slots=True)
class Repeat:
    """One unit over and over, `size` bytes in all."""

    unit: bytes
    size: int

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        block = self.unit * max(1, PIECE // len(self.unit))
        position, stop = start, min(stop, self.size)
        while position < stop:
            offset = position % len(block)
            piece = block[offset : offset + stop - position]
            yield piece
            position += len(piece)


@dataclass(frozen=True, slots=True)
class Joined:
    """Several contents, one after the other."""

    parts: tuple[Content, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        begin = 0
        for part in self.parts:
            end = begin + part.size
            if start < end and begin < stop:
                yield from part.pieces(max(start - begin, 0), min(stop - begin, part.size))
            begin = end


@dataclass(frozen=True, slots=True)
class Flipped:
    """Another content with all bits of one byte turned over: the right size, the wrong bytes."""

    content: Content
    offset: int

    @property
    def size(self) -> int:
        return self.content.size

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        position = start
        for piece in self.content.pieces(start, stop):
            at = self.offset - position
            position += len(piece)
            if 0 <= at < len(piece):
                yield piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
            else:
                yield piece


def content_of(what: bytes | Content) -> Content:
    """Let callers hand over plain bytes wherever a content is wanted."""
    return Plain(what) if isinstance(what, bytes) else what


def read(content: Content) -> bytes:
    """All of a content at once, for comparing."""
    return b"".join(content.pieces(0, content.size))


@functools.lru_cache(maxsize=256)
def digest(content: Content) -> str:
    """SHA-256 in lower-case hex; remembered, as hashing a gigabyte anew takes its time."""
    sha256 = hashlib.sha256()
    for piece in content.pieces(0, content.size):
        sha256.update(piece)
    return sha256.hexdigest()


@functools.lru_cache(maxsize=64)
def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(PIECE - _STAMP)
