"""Two folders change places at once, where the operating system can do that."""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from archiver.system.files import unreadable

BETWEEN_ENDING = "-exchanged"
"""What is added to the name of a folder while it is in neither place."""
WHOLE_ENDING = "-whole"
"""What is added to the name of a new folder while the old one is removed from its place."""
_AT_FDCWD = {"linux": -100, "darwin": -2}
_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2) on Linux, RENAME_SWAP of renameatx_np(2) on macOS."""
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.EXDEV)
"""Old profiles of seccomp say EPERM, overlayfs EXDEV."""


def exchange_folders(one: Path, other: Path) -> None:
    """Exchange two folders of the same file system. Raises OSError.

    Where neither the system nor the file system can do it at once, by three renames. Where the
    ``other`` cannot be renamed at all (overlayfs, of a lower layer), it is removed, and ``one``
    takes its place.
    """
    rename = _system_rename()
    if rename is not None:
        at = _AT_FDCWD[sys.platform]
        if rename(at, os.fsencode(one), at, os.fsencode(other), _EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), str(other))
    between = one.with_name(f"{one.name}{BETWEEN_ENDING}")
    try:
        other.rename(between)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        put_in_place(one.rename(one.with_name(f"{one.name}{WHOLE_ENDING}")), other)
    else:
        one.rename(other)
        between.rename(one)


def put_in_place(whole: Path, other: Path) -> None:
    """Remove a folder, and give its place to one that is whole. Raises OSError."""
    if other.exists():
        shutil.rmtree(other)
    whole.rename(other)


def _system_rename() -> "ctypes._FuncPointer | None":
    name = {"linux": "renameat2", "darwin": "renameatx_np"}.get(sys.platform)
    if name is None:
        return None
    try:
        rename = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return None
    rename.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )
    return rename  # type: ignore[no-any-return]  # ctypes types its functions as Any


_BY_DESCRIPTOR = re.compile(r"/proc/self/fd/[0-9]+/")


class FolderSnapshot:
    """A folder as it is now, to be read below ``path`` until it is released or forgotten.

    ``is_there``: there is such a folder.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        self.path = f"{folder}{os.sep}"
        if sys.platform == "linux":
            self._take(folder)
        self.is_there = self._descriptor >= 0 or folder.is_dir()

    def names(self, folder: str) -> list[str]:
        """Names in a folder of it, sorted; empty where there is none."""
        try:
            return sorted(entry.name for entry in Path(self.path, folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreadable(folder, error) from error

    def release(self) -> None:
        """Nothing is read there any more; fine if it was released already."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()

    def _take(self, folder: Path) -> None:
        while (descriptor := _open(folder)) is not None:
            _lock(descriptor, shared=True)
            # Whoever replaced it meanwhile did not know that it is read here.
            if _is(descriptor, folder):
                by_descriptor = f"/proc/self/fd/{descriptor}/"
                if Path(by_descriptor).is_dir():
                    self.path, self._descriptor = by_descriptor, descriptor
                else:  # no /proc here
                    os.close(descriptor)
                return
            os.close(descriptor)


def is_in_use(folder: Path) -> bool:
    """Whether somebody still reads a folder that others find in this place no more."""
    if sys.platform != "linux":
        return False
    descriptor = _open(folder)
    if descriptor is None:
        return False
    try:
        return not _lock(descriptor, shared=False)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def folder_in_use(folder: Path) -> Iterator[None]:
    """Let others find, for as long as the block runs, that a folder is in use."""
    descriptor = _open(folder) if sys.platform == "linux" else None
    try:
        if descriptor is not None:
            _lock(descriptor, shared=True)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def has_locks(folder: Path) -> bool:
    """Whether the file system of a folder that nobody uses can tell who does."""
    if sys.platform != "linux" or (descriptor := _open(folder)) is None:
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def without_descriptors(text: str, folder: str) -> str:
    """A message, with the folder's name where it names the descriptor of a folder snapshot."""
    return _BY_DESCRIPTOR.sub(f"{folder}/", text)


def _open(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # it is not there, or not ours to read: whoever reads it finds out
        return None


def _is(descriptor: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    return False


def _lock(descriptor: int, *, shared: bool) -> bool:
    """Lock an open folder; False where another's lock is in the way of one that is not shared."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can tell who reads
        pass
    return True
