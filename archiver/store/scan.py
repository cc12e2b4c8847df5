"""What lies in the archive's folders, of whatever kind."""

import os
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum

from archiver.adapters.disk import unreadable
from archiver.store.storage import LocalStorage


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
        with os.scandir(storage.place(folder)) as found:
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
