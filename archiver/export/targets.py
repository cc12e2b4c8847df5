"""Where a package is written to: a folder, or one ZIP file."""

import contextlib
import errno
import hashlib
import os
import stat
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Protocol

from archiver.errors import ArchiveDamaged
from archiver.export.content import PackedFile
from archiver.model.ids import Sha256
from archiver.store.staging import RunningSha256
from archiver.system.files import open_file, unreadable

_PIECE = 1 << 20
_FICLONE = 0x40049409
"""``ioctl_ficlone(2)``: the new file shares the bytes on disk until one of both is written to."""
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


class CopyMethod(StrEnum):
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


def copy_checked(
    source: Path, target: Path, name: str, size: int, sha256: str, *, link: bool
) -> CopyMethod:
    """Give a new file the bytes of one of the archive: by ``link``, else cloned, else copied.

    A link is the same file: whoever changes it in place changes the archive. A clone is not, and
    takes no room either, where the file system has them. In all cases what is there then is
    checked. Raises ArchiveDamaged, and OSError where ``target`` cannot be written.
    """
    if link and _linked(source, target):
        method = CopyMethod.LINKED
    else:
        with target.open("xb", buffering=0) as out:
            if not _cloned(source, out.fileno()):
                for piece in checked_pieces(source, name, size, sha256):
                    _write(out.fileno(), piece)
                return CopyMethod.COPIED
        method = CopyMethod.CLONED
    for _ in checked_pieces(target, name, size, sha256):
        pass
    return method


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


class PackageTarget(Protocol):
    """Takes the files of a package, one after the other; ``files`` are those it has."""

    files: list[PackedFile]
    methods: Counter[CopyMethod]

    def add(self, source: Path, shown: str, file: PackedFile) -> None:
        """Hand on a file of the archive, called ``shown``, which must be what ``file`` says."""

    def stream(self, name: str) -> contextlib.AbstractContextManager["Hashed"]:
        """A new file to be written."""


class Hashed:
    """A file that is being written, and the digest of what it got."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._out.write(data)
        self._hash.update(data)
        self._size += len(data)

    def packed(self, name: str) -> PackedFile:
        return PackedFile(name, self._size, Sha256(self._hash.hexdigest()))


class FolderTarget:
    """A folder. With ``link`` files of the archive get another name there, where that can be."""

    def __init__(self, folder: Path, *, link: bool) -> None:
        self.files: list[PackedFile] = []
        self.methods: Counter[CopyMethod] = Counter()
        self._folder = folder
        self._link = link
        self._made = {folder}

    def add(self, source: Path, shown: str, file: PackedFile) -> None:
        path = self._path(file.name)
        method = copy_checked(source, path, shown, file.size, file.sha256, link=self._link)
        self.methods[method] += 1
        self.files.append(file)

    @contextlib.contextmanager
    def stream(self, name: str) -> Iterator[Hashed]:
        with self._path(name).open("xb") as out:
            hashed = Hashed(out)
            yield hashed
        self.files.append(hashed.packed(name))

    def _path(self, name: str) -> Path:
        path = self._folder / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        return path


class ZipTarget:
    """A ZIP file (ZIP64 where it must be), with all files below ``top``.

    Files stand in the order in which they come, all of the time ``moment``, which is UTC.
    Recordings, pictures and archives are stored, all else is deflated.
    """

    def __init__(self, file: zipfile.ZipFile, top: str, moment: datetime) -> None:
        self.files: list[PackedFile] = []
        self.methods: Counter[CopyMethod] = Counter()
        self._file = file
        self._top = top
        moment = min(max(moment.astimezone(UTC), _FIRST), _LAST)
        self._time = (*moment.timetuple()[:5], moment.second // 2 * 2)

    def add(self, source: Path, shown: str, file: PackedFile) -> None:
        with self._entry(file.name, file.size) as out:
            for piece in checked_pieces(source, shown, file.size, file.sha256):
                out.write(piece)
        self.methods[CopyMethod.COPIED] += 1
        self.files.append(file)

    @contextlib.contextmanager
    def stream(self, name: str) -> Iterator[Hashed]:
        with self._entry(name, None) as out:
            hashed = Hashed(out)
            yield hashed
        self.files.append(hashed.packed(name))

    def _entry(self, name: str, size: int | None) -> IO[bytes]:
        info = zipfile.ZipInfo(f"{self._top}{name}", self._time)
        info.create_system = 3  # whatever system this is: the mode below is Unix's
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        info.file_size = size or 0
        is_packed = name.rpartition(".")[2].lower() in _PACKED
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        return self._file.open(info, "w", force_zip64=size is None)


_FIRST = datetime(1980, 1, 1, tzinfo=UTC)
_LAST = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)
_PACKED = frozenset(
    {
        *("webm", "mkv", "mp4", "mov", "mp3", "ogg", "png", "jpg", "jpeg", "gif", "webp", "avif"),
        *("zip", "gz", "bz2", "xz", "zst", "7z", "rar", "docx", "xlsx", "pptx", "pdf", "parquet"),
    }
)
"""Endings of files that are compressed already."""
