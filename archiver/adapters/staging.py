"""A file on its way into the archive."""

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import IO

from archiver.adapters.disk import explained
from archiver.domain.digest import Sha256
from archiver.domain.media_type import HEAD_SIZE, MediaType, media_type_of

_READ_SIZE = 1 << 20


class StagedFile:
    """A file that is being written aside: hashed in the pass that writes it.

    ``size`` in bytes, ``sha256`` and ``media_type`` are of all that was written. ``companion`` is a
    file beside it that ends with it.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        """``again``: there is such a file already, from which :meth:`take_over` may take some."""
        self.path = path
        self.companion: Path | None = None
        self.size = 0
        self._head = b""
        self._media_type: MediaType | None = None
        self._sha256: Sha256 | None = None
        self._hash = hashlib.sha256()
        with explained(f"create {path}"):
            self._file: IO[bytes] = path.open("r+b" if again else "xb", buffering=0)

    @property
    def sha256(self) -> Sha256:
        return self._sha256 or Sha256(self._hash.hexdigest())

    @property
    def media_type(self) -> MediaType:
        return self._media_type or media_type_of(self._head)

    def take_over(self, size: int, without: int = 0) -> tuple[int, Sha256, bytes]:
        """Count what is there already as written, up to ``size`` bytes; cut off the rest.

        The last ``without`` bytes of these are cut off too, and given back: size and digest of what
        was there with them, and they themselves.
        """
        with explained(f"read {self.path}"):
            while self.size < size - without:
                data = self._file.read(min(_READ_SIZE, size - without - self.size))
                if not data:
                    break
                self._note(data)
            tail = self._file.read(without) if without else b""
            self._file.seek(self.size)
            self._file.truncate()
        whole = self._hash.copy()
        whole.update(tail)
        return self.size + len(tail), Sha256(whole.hexdigest()), tail

    def could_hold(self, size: int) -> bool:
        """Whether the disk has room for a file of this size at all, when it is empty."""
        try:
            return shutil.disk_usage(self.path.parent).total >= size
        except OSError:
            return True  # whatever is wrong, writing says it better

    def check_space(self, size: int) -> None:
        """Raises ArchiveUnwritable where ``size`` more bytes do not fit on the disk."""
        if size > 0:
            with explained(f"write {size} bytes to {self.path.parent}"):
                if shutil.disk_usage(self.path.parent).free < size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: bytes) -> None:
        with explained(f"write {self.path}"):
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self._note(data)

    def _note(self, data: bytes) -> None:
        self._hash.update(data)
        if len(self._head) < HEAD_SIZE:
            self._head += data[: HEAD_SIZE - len(self._head)]
        self.size += len(data)

    def restart(self) -> None:
        """Forget everything written, to begin again."""
        if self.size:
            with explained(f"truncate {self.path}"):
                self._file.seek(0)
                self._file.truncate()
            self.size, self._head, self._hash = 0, b"", hashlib.sha256()

    def finish(self) -> None:
        """Make the bytes durable. Nothing can be written after that."""
        with explained(f"sync {self.path}"):
            os.fsync(self._file.fileno())
            self._file.close()
        # A run may have very many files: what waits for its commit should be small.
        self._media_type, self._head = media_type_of(self._head), b""
        self._sha256 = self.sha256
        del self._hash

    def leave(self) -> None:
        """Leave the file and its companion where they are, for another session."""
        with contextlib.suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Remove the file, unless it was published, and its companion."""
        self.leave()
        for path in (self.path, self.companion):
            with contextlib.suppress(OSError):
                if path is not None:
                    path.unlink(missing_ok=True)
