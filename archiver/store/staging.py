"""A file on its way into the archive."""

import contextlib
import errno
import hashlib
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor

from archiver.errors import ArchiveUnwritable
from archiver.model.artifact import HEAD_SIZE, MediaType, media_type_of
from archiver.model.ids import Sha256
from archiver.system.files import largest_file, os_errors, unwritable
from archiver.system.fsync import Durability

_ASIDE_FROM = 4 << 20
"""Bytes from which a thread of its own pays; hashlib lets others run while it hashes."""


class RunningSha256:
    """The SHA-256 of bytes that come one piece after the other.

    A piece must stay as it is until the next one was given, or :meth:`settle` has returned.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._executor: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None

    def update(self, piece: bytes | memoryview) -> None:
        self._size += len(piece)
        if self._size < _ASIDE_FROM:
            self._hash.update(piece)
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "sha256")
        self.wait()
        try:
            self._pending = self._executor.submit(self._hash.update, piece)
        except RuntimeError:  # no more threads; what was queued is never begun
            self._executor = None
            self._hash.update(piece)

    def sha256(self, more: bytes = b"") -> Sha256:
        """The digest of all that came, and of ``more`` behind it."""
        self.wait()
        if not more:
            return Sha256(self._hash.hexdigest())
        longer = self._hash.copy()
        longer.update(more)
        return Sha256(longer.hexdigest())

    def close(self) -> None:
        """Nothing more will come; the digest can still be asked for."""
        self.wait()
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def wait(self) -> None:
        """Wait until all that was given is hashed."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()


_READ_SIZE = 1 << 20
_SYNCED_ALONE_FROM = 1 << 20
"""Bytes from which a file is synced as soon as it is finished, beside others' downloads."""
_WORTH_ASKING = 1 << 20
"""Bytes for which it is asked beforehand whether the disk has room."""
_USED_UP = 16 << 20
"""A quota with fewer bytes left is used up; with more it is one file that was too large."""
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_OPEN = os.O_RDWR | getattr(os, "O_BINARY", 0)


class Staged:
    """A file that was set aside, at ``path``, until it gets its place or is discarded.

    ``is_durable``: its bytes are, not yet its name.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_durable = False
        self._is_here = True

    def published(self) -> None:
        """It has its place in the archive, and is no longer here to be discarded."""
        self._is_here = False

    def discard(self) -> None:
        """Remove the file, unless it was published."""
        if self._is_here:
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def stage_bytes(path: str, data: bytes) -> Staged:
    """A new file with this content."""
    try:
        descriptor = os.open(path, _CREATE, 0o666)
        try:
            _write_all(descriptor, data)
        except BaseException:
            Staged(path).discard()
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(f"write {path}", error) from error
    return Staged(path)


class StagedFile(Staged):
    """A file that is being written aside: hashed in the pass that writes it.

    ``size`` in bytes, ``sha256`` and ``media_type`` are of all that was written. ``companion`` is a
    file beside it that ends with it. ``was_there``: there was such a file already, from which
    :meth:`take_over` may take some.
    """

    def __init__(self, path: str, durability: Durability) -> None:
        super().__init__(path)
        self.companion: str | None = None
        self.size = 0
        self.was_there = False
        self._durability = durability
        self._head = b""
        self._media_type: MediaType | None = None
        self._sha256: Sha256 | None = None
        self._hash = RunningSha256()
        try:
            self._descriptor = os.open(path, _CREATE, 0o666)
        except FileExistsError:
            with os_errors(f"create {path}"):
                self._descriptor = os.open(path, _OPEN)
            self.was_there = True
        except OSError as error:
            raise unwritable(f"create {path}", error) from error

    @property
    def head(self) -> bytes:
        """Its first bytes, as many as are enough to tell what it is; none once it is finished."""
        return self._head

    @property
    def sha256(self) -> Sha256:
        return self._sha256 or self._hash.sha256()

    @property
    def media_type(self) -> MediaType:
        return self._media_type or media_type_of(self._head)

    def take_over(self, size: int) -> None:
        """Count what is there already as written, up to ``size`` bytes; cut off the rest."""
        with os_errors(f"read {self.path}"):
            while self.size < size:
                data = os.read(self._descriptor, min(_READ_SIZE, size - self.size))
                if not data:
                    break
                self._note(data)
            os.truncate(self._descriptor, self.size)

    def last(self, count: int) -> bytes:
        """The last bytes that were written, ``count`` of them where there are so many."""
        with os_errors(f"read {self.path}"):
            os.lseek(self._descriptor, max(0, self.size - count), os.SEEK_SET)
            tail = os.read(self._descriptor, count)
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
        return tail

    def could_hold(self, size: int) -> bool:
        """Whether the disk has room for a file of this size at all, when it is empty."""
        try:
            return size < _WORTH_ASKING or shutil.disk_usage(self._folder).total >= size
        except OSError:
            return True  # whatever is wrong, writing says it better

    def check_space(self, size: int) -> None:
        """Raises ArchiveUnwritable where ``size`` more bytes do not fit on the disk, FileTooLarge
        where no file may have so many.
        """
        if (largest := largest_file()) is not None and self.size + size > largest:
            raise self._refused(OSError(errno.EFBIG, os.strerror(errno.EFBIG)))
        if size >= _WORTH_ASKING:
            with os_errors(f"write {size} bytes to {self._folder}"):
                if shutil.disk_usage(self._folder).free < size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: bytes | memoryview) -> None:
        """``data`` must stay as it is until the next is written, or :meth:`settle` has returned."""
        try:
            _write_all(self._descriptor, data)
        except OSError as error:
            if error.errno == errno.EDQUOT and self._is_alone_too_large():
                error = OSError(errno.EFBIG, error.strerror)
            raise self._refused(error) from error
        self._note(data)

    def _refused(self, error: OSError) -> ArchiveUnwritable:
        return unwritable(f"write {self.path}", error)

    def _is_alone_too_large(self) -> bool:
        """Whether a quota has room again without what was written here; that is gone then."""
        self.restart()
        try:
            for _ in range(_USED_UP // _READ_SIZE):
                _write_all(self._descriptor, bytes(_READ_SIZE))
        except OSError:
            return False
        finally:
            os.truncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        return True

    def wait(self) -> None:
        """Wait until all that was written is hashed."""
        self._hash.wait()

    def _note(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        if len(self._head) < HEAD_SIZE:
            self._head += data[: HEAD_SIZE - len(self._head)]
        self.size += len(data)

    def restart(self) -> None:
        """Forget everything written, to begin again."""
        if self.size:
            with os_errors(f"truncate {self.path}"):
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                os.truncate(self._descriptor, 0)
            self._hash.close()
            self.size, self._head, self._hash = 0, b"", RunningSha256()

    def finish(self) -> None:
        """Nothing is written after that. A large file's bytes are made durable at once."""
        try:
            if self.size >= _SYNCED_ALONE_FROM:
                self._durability.sync_open(self._descriptor)
                self.is_durable = True
            self._close()
        except OSError as error:
            raise unwritable(f"sync {self.path}", error) from error
        # A run may have very many files: what waits for its commit should be small.
        self._media_type, self._head = self.media_type, b""
        self._sha256 = self._hash.sha256()
        self._hash.close()
        del self._hash

    def leave(self) -> None:
        """Leave the file and its companion where they are, for another session."""
        if self._sha256 is None:
            self._hash.close()
        with contextlib.suppress(OSError):
            self._close()

    def discard(self) -> None:
        """Remove the file, unless it was published, and its companion."""
        self.leave()
        super().discard()
        if self.companion is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.companion)

    @property
    def _folder(self) -> str:
        return os.path.dirname(self.path)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
