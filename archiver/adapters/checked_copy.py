"""Files of the archive handed on: copied, cloned or linked, and checked on the way."""

import errno
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from archiver.adapters.disk import unreadable
from archiver.adapters.hashing import RunningSha256
from archiver.errors import ArchiveDamaged
from archiver.system.files import open_file

_PIECE = 1 << 20
_FICLONE = 0x40049409
"""``ioctl_ficlone(2)``: the new file shares the bytes on disk until one of both is written to."""
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


class Way(StrEnum):
    """How a file got to where it is."""

    COPIED = "copied"
    CLONED = "cloned"
    LINKED = "linked"


def checked_pieces(source: Path, name: str, size: int, sha256: str) -> Iterator[bytes]:
    """The bytes of a file. After the last one ArchiveDamaged is raised if they are not as they
    should be; ``name`` is what the file is called there.
    """
    digest = RunningSha256()
    count = 0
    try:
        try:
            with os.fdopen(open_file(source), "rb", buffering=0) as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    count += len(piece)
                    if count > size:
                        break
                    yield piece
        except OSError as error:
            raise unreadable(name, error) from error
        if (count, digest.sha256()) != (size, sha256):
            lacks = "more" if count > size else "fewer"
            what = (
                f"it has {lacks} bytes than the {size} that were stored"
                if count != size
                else "its bytes are not those that were stored"
            )
            raise ArchiveDamaged(
                f"{name} is damaged: {what}", hint="`archiver verify` finds what else is"
            )
    finally:
        digest.close()


def hand_on(source: Path, target: Path, name: str, size: int, sha256: str, *, link: bool) -> Way:
    """Give a new file the bytes of one of the archive: by ``link``, else cloned, else copied.

    A link is the same file: whoever changes it in place changes the archive. A clone is not, and
    takes no room either, where the file system has them. In all cases what is there then is
    checked. Raises ArchiveDamaged, and OSError where ``target`` cannot be written.
    """
    if link and _linked(source, target):
        way = Way.LINKED
    else:
        with target.open("xb", buffering=0) as out:
            if not _cloned(source, out.fileno()):
                for piece in checked_pieces(source, name, size, sha256):
                    _write(out.fileno(), piece)
                return Way.COPIED
        way = Way.CLONED
    for _ in checked_pieces(target, name, size, sha256):
        pass
    return way


def _write(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:  # of the source, which the copy tells by its name
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _cloned(source: Path, target: int) -> bool:
    """Whether an empty open file now shares all bytes with another file."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        with os.fdopen(open_file(source), "rb", buffering=0) as file:
            fcntl.ioctl(target, _FICLONE, file.fileno())
    except OSError:  # what is wrong with the source is told by whoever copies it
        return False
    return True
