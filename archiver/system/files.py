"""Opening files of an archive in which anything may lie by now."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator

from archiver.errors import (
    ArchiveDamaged,
    ArchiverError,
    ArchiveUnwritable,
    FileTooLarge,
    SystemLimit,
)

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a symbolic link"),
)


def open_file(path: str | os.PathLike[str], *, follow_links: bool = True) -> int:
    """A descriptor to read a file with; its end may be far, but nothing keeps one waiting.

    Raises OSError where it cannot be opened or is no file: a named pipe would wait for a writer.
    """
    try:
        descriptor = os.open(path, _FLAGS | (0 if follow_links else _NO_LINKS))
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise _no_file(error.errno, "a symbolic link", path) from None
        if error.errno == errno.ENXIO:
            raise _no_file(error.errno, "a socket or a device", path) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _no_file(errno.EINVAL, kind_of(mode), path)
    return descriptor


def kind_of(mode: int) -> str:
    """What something is that is no file, by its mode."""
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no file")


def _no_file(number: int, kind: str, path: str | os.PathLike[str]) -> OSError:
    return OSError(number, f"it is {kind}, not a file", os.fspath(path))


_NUMBER = re.compile(r"\[Errno -?\d+\] ")
VANISHED = "Was it moved, removed or unmounted? Put it back, then run the same command again"
_HINTS = {
    errno.ENOSPC: "Free some space, then run the same command again",
    errno.EDQUOT: "The quota is used up: free some space, then run the same command again",
    errno.EFBIG: "Raise the limit (ulimit -f), or use a file system that takes larger files",
    errno.ENOENT: VANISHED,
    errno.EROFS: "The file system is read-only: mount it writable, or choose another --archive",
    errno.EACCES: "Check the permissions of the folder, or choose another --archive",
    errno.EPERM: "Check the permissions of the folder, or choose another --archive",
    errno.EXDEV: "An archive must lie in one file system: put the folder itself in the place of a "
    "link or a mount, or the whole archive where that is",
    errno.ENAMETOOLONG: "The file system takes no names of this length: choose another --archive",
    errno.EMFILE: "Raise the limit (ulimit -n), or lower --download-concurrency",
    errno.ENFILE: "This machine has no more: try again when it is less busy",
}


@contextlib.contextmanager
def os_errors(doing: str) -> Iterator[None]:
    """Turns what the operating system refuses into ArchiveUnwritable, with what to do about it."""
    try:
        yield
    except OSError as error:
        raise unwritable(doing, error) from error


def unwritable(doing: str, error: OSError) -> ArchiveUnwritable:
    """The error to raise for what cannot be done in the archive."""
    hint = _HINTS.get(error.errno or 0, "Check the disk, then run the same command again")
    kind = FileTooLarge if error.errno == errno.EFBIG else ArchiveUnwritable
    said = error.strerror or error
    named = error.filename and str(error.filename) in doing
    return kind(f"cannot {doing}: {said if named else words_of(error)}", hint=hint)


def words_of(error: OSError) -> str:
    """What the operating system says, without its number, and of which file, where it says that."""
    return f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


def without_number(text: str) -> str:
    """What a library makes of an error of the operating system, without its number."""
    return _NUMBER.sub("", text)


def largest_file() -> int | None:
    """The size in bytes that this process may give a file at most, None where it has no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def unreadable(path: str, error: OSError) -> ArchiverError:
    """The error to raise for a file or folder that cannot be read."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return SystemLimit(f"cannot read {path}: {error.strerror}", hint=_HINTS[error.errno])
    # Libraries raise it too, for a file that is not what it should be.
    return ArchiveDamaged(f"cannot read {path}: {error.strerror or error}")
