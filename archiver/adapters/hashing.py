"""SHA-256 beside the receiving and writing: on a second core where that pays."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

from archiver.domain.digest import Sha256

_ASIDE_FROM = 4 << 20
"""Bytes from which a thread of its own pays; hashlib lets others run while it hashes."""


class RunningSha256:
    """The SHA-256 of bytes that come one piece after the other.

    A piece must stay as it is until the next one was given, or :meth:`settle` has returned.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._aside: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None

    def update(self, piece: bytes | memoryview) -> None:
        self._size += len(piece)
        if self._size < _ASIDE_FROM:
            self._hash.update(piece)
            return
        if self._aside is None:
            self._aside = ThreadPoolExecutor(1, "sha256")
        self.settle()
        self._pending = self._aside.submit(self._hash.update, piece)

    def sha256(self, more: bytes = b"") -> Sha256:
        """The digest of all that came, and of ``more`` behind it."""
        self.settle()
        if not more:
            return Sha256(self._hash.hexdigest())
        longer = self._hash.copy()
        longer.update(more)
        return Sha256(longer.hexdigest())

    def close(self) -> None:
        """Nothing more will come; the digest can still be asked for."""
        self.settle()
        if self._aside is not None:
            self._aside.shutdown()
            self._aside = None

    def settle(self) -> None:
        """Wait until all that was given is hashed."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
