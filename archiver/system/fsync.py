"""Making what was written durable: file by file, or all of a file system at once.

Many small files are durable sooner by one ``syncfs`` than by an ``fsync`` each. It is used where it
is known to wait for the disk and to tell what could not be written: on Linux since 5.8 (syncfs(2)),
and on file systems of the machine's own; FUSE and network file systems do not all take part in it.
"""

import ctypes
import errno
import os
import re
import sys
from collections.abc import Collection

_TOGETHER_FROM = 24
"""Files and folders from which all are synced at once: fewer are not worth to wait for others'."""
_TAKES_PART = frozenset(
    {
        0xEF53,  # ext2, ext3, ext4
        0x58465342,  # XFS
        0x9123683E,  # Btrfs
        0xF2F52010,  # F2FS
        0x01021994,  # tmpfs
    }
)
"""Types of file systems, as statfs(2) has them."""


_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EISDIR)
"""What file systems say that sync files alone (CIFS, vboxsf, FUSE)."""


class Durability:
    """Syncs files and folders. Not ``enabled`` it does nothing: a power cut may then lose bytes."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._libc = _libc_with_syncfs() if enabled else None

    def sync_open(self, descriptor: int) -> None:
        """Make the bytes of an open file durable. Raises OSError."""
        if self._enabled:
            os.fsync(descriptor)

    def sync_folder(self, path: str) -> None:
        """Make the names in a folder durable, where the file system can. Raises OSError."""
        if self._enabled and os.name != "nt":  # not to be opened there; NTFS journals names
            try:
                _sync(path, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                if error.errno not in _NOT_FOR_FOLDERS:
                    raise

    def sync(self, root: str, files: Collection[str], folders: Collection[str]) -> None:
        """Make files, then the names in folders durable. All are in ``root``'s file system.

        Raises OSError.
        """
        if not self._enabled:
            return
        if len(files) + len(folders) >= _TOGETHER_FROM and self._sync_together(root):
            return
        for file in files:
            _sync(file, os.O_RDWR)
        for folder in folders:
            self.sync_folder(folder)

    def _sync_together(self, root: str) -> bool:
        """Sync the whole file system; False where that is not known to be as good."""
        if self._libc is None:
            return False
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not _takes_part(self._libc, descriptor):
                return False
            if self._libc.syncfs(descriptor):
                number = ctypes.get_errno()
                if number in (*_NOT_FOR_FOLDERS, errno.EPERM):  # so do old profiles of seccomp
                    return False
                raise OSError(number, os.strerror(number), root)
            return True
        finally:
            os.close(descriptor)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _libc_with_syncfs() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release is None or (int(release[1]), int(release[2])) < (5, 8):
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return libc if libc.syncfs and libc.fstatfs else None
    except (AttributeError, OSError):
        return None


def _takes_part(libc: ctypes.CDLL, descriptor: int) -> bool:
    status = ctypes.create_string_buffer(1_024)  # struct statfs is smaller; its type comes first
    if libc.fstatfs(descriptor, status):
        return False
    return ctypes.c_long.from_buffer(status).value & 0xFFFFFFFF in _TAKES_PART
