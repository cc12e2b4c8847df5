"""SHA-256 digests."""

import hashlib
import re
from typing import Protocol

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
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


def parse_checksum(text: str) -> Sha256:
    """The digest that an API checksum names: hex in any case, with or without ``sha256:``.

    Raises ValueError when it is no SHA-256 (another algorithm, another encoding, cut short).
    """
    if _HEX.fullmatch(text):
        return Sha256(text)
    return Sha256(_PREFIX.sub("", text.strip(), count=1).strip().lower())
