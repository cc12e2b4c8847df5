"""What lies in the archive's folders, of whatever kind."""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum

from archiver.errors import ArchiveDamaged
from archiver.store.storage import LocalStorage
from archiver.system.files import kind_of, open_file, unreadable


class Kind(StrEnum):
    """What an entry of a folder is."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "neither a file nor a folder"


def entries(storage: LocalStorage, folder: str) -> list[tuple[str, Kind]]:
    """Names and kinds of what is in a folder, sorted; links are not followed.

    Empty where there is no such folder. Raises ArchiveDamaged where it cannot be read.
    """
    try:
        with os.scandir(storage.os_path(folder)) as found:
            return sorted((entry.name, _kind(entry)) for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def inventory(
    read: Callable[[str], list[tuple[str, Kind]]],
    folder: str,
    files: Collection[str],
    folders: Collection[str],
) -> Iterator[str]:
    """Paths in a folder and below that are none of ``files``; of a folder that none is in, its own.

    ``read`` tells what is in a folder, ``folders`` are those that files are in.
    """
    for name, kind in read(folder):
        path = f"{folder}/{name}"
        if path in files:
            continue
        if kind is Kind.FOLDER and path in folders:
            yield from inventory(read, path, files, folders)
        else:
            yield path


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_dir(follow_symlinks=False):
        return Kind.FOLDER
    return Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER


_SMALL = 1 << 20
"""Bytes that are read at once; of more, so many at a time stay in the processor's cache."""
_PIECE = 256 << 10


class FileHasher:
    """Hashes files of the archive, each of them once. Links are not followed."""

    def __init__(self, storage: LocalStorage) -> None:
        self._prefix = f"{storage.root}{os.sep}"
        self._known: dict[str, tuple[int, str]] = {}
        self._buffer: bytearray | None = None

    def read(self, path: str) -> bytes:
        """The bytes of a small file, whose digest is known then. Raises ArchiveDamaged."""
        try:
            descriptor = open_file(self._prefix + path, follow_links=False)
            with open(descriptor, "rb", buffering=0) as file:
                data = file.read()
        except OSError as error:
            raise unreadable(path, error) from None
        self._known[path] = len(data), hashlib.sha256(data).hexdigest()
        return data

    def digest(self, path: str) -> tuple[int, str]:
        """Size and SHA-256 of a file. Raises ArchiveDamaged where it cannot be read."""
        known = self._known.get(path)
        if known is None:
            try:
                known = self._known[path] = self._read(path)
            except OSError as error:
                raise unreadable(path, error) from None
        return known

    def size(self, path: str) -> int:
        """Size of a file. Raises ArchiveDamaged where there is no file."""
        try:
            status = os.lstat(self._prefix + path)
        except OSError as error:
            raise unreadable(path, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise ArchiveDamaged(f"it is {kind_of(status.st_mode)}, not a file")
        return status.st_size

    def _read(self, path: str) -> tuple[int, str]:
        descriptor = open_file(self._prefix + path, follow_links=False)
        try:
            size = os.fstat(descriptor).st_size
            if size < _SMALL:
                data = os.read(descriptor, size + 1)
                if len(data) == size:
                    return size, hashlib.sha256(data).hexdigest()
                os.lseek(descriptor, 0, os.SEEK_SET)
            return self._read_on(descriptor)
        finally:
            os.close(descriptor)

    def _read_on(self, descriptor: int) -> tuple[int, str]:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        if self._buffer is None:
            self._buffer = bytearray(_PIECE)
        view = memoryview(self._buffer)
        digest = hashlib.sha256()
        size = 0
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            while count := file.readinto(view):
                digest.update(view[:count])
                size += count
        return size, digest.hexdigest()
