"""Opening files of an archive in which anything may lie by now."""

import errno
import os
import stat

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
