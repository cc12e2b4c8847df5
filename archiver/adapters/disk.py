"""What the operating system refuses, in words that say what to do about it."""

import contextlib
import errno
from collections.abc import Iterator

from archiver.errors import ArchiveDamaged, ArchiverError, ArchiveUnwritable, SystemLimit

VANISHED = "Was it moved, removed or unmounted? Put it back, then run the same command again"
_HINTS = {
    errno.ENOSPC: "Free some space, then run the same command again",
    errno.EDQUOT: "The quota is used up: free some space, then run the same command again",
    errno.ENOENT: VANISHED,
    errno.EROFS: "The file system is read-only: mount it writable, or choose another --archive",
    errno.EACCES: "Check the permissions of the folder, or choose another --archive",
    errno.EPERM: "Check the permissions of the folder, or choose another --archive",
    errno.EMFILE: "Raise the limit (ulimit -n), or lower --download-concurrency",
    errno.ENFILE: "This machine has no more: try again when it is less busy",
}


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns what the operating system refuses into ArchiveUnwritable, with what to do about it."""
    try:
        yield
    except OSError as error:
        raise unwritable(doing, error) from error


def unwritable(doing: str, error: OSError) -> ArchiveUnwritable:
    """The error to raise for what cannot be done in the archive."""
    hint = _HINTS.get(error.errno or 0, "Check the disk, then run the same command again")
    return ArchiveUnwritable(
        f"cannot {doing}: {error.strerror or error}"
        + (f" ({error.filename})" if error.filename else ""),
        hint=hint,
    )


def unreadable(path: str, error: OSError) -> ArchiverError:
    """The error to raise for a file or folder that cannot be read."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return SystemLimit(f"cannot read {path}: {error.strerror}", hint=_HINTS[error.errno])
    # Libraries raise it too, for a file that is not what it should be.
    return ArchiveDamaged(f"cannot read {path}: {error.strerror or error}")
