"""SHA-256 digests."""

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LINES = 10_000
_PREFIX = re.compile(r"sha-?256[:=]", re.ASCII | re.IGNORECASE)


class Sha256(str):
    """A SHA-256 digest as 64 lower-case hex digits. Raises ValueError for anything else."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Sha256":
        if not _HEX.fullmatch(text):
            raise ValueError(f"not a SHA-256 in lower-case hex: {text[:80]!r}")
        return super().__new__(cls, text)


class Hash(Protocol):
    """What this project needs of a running hash (``hashlib``'s objects have it)."""

    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


def sha256_of(data: bytes) -> Sha256:
    """The digest of ``data``."""
    return Sha256(hashlib.sha256(data).hexdigest())


def digest_of_lines(lines: Sequence[str]) -> Sha256:
    """The digest of a list of texts, one per line, in the order given."""
    digest = hashlib.sha256()
    for first in range(0, len(lines), _LINES):  # there may be millions
        some = lines[first : first + _LINES]
        digest.update("".join(f"{line}\n" for line in some).encode())
    return Sha256(digest.hexdigest())


def parse_checksum(text: str) -> Sha256:
    """The digest that an API checksum names: hex in any case, with or without ``sha256:``.

    Raises ValueError when it is no SHA-256 (another algorithm, another encoding, cut short).
    """
    if _HEX.fullmatch(text):
        return Sha256(text)
    return Sha256(_PREFIX.sub("", text.strip(), count=1).strip().lower())
