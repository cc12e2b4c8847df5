"""Who may read what is made: by the umask, which every library that makes a file goes by.

A mode at each opening would miss what DuckDB, Arrow and others make, and cannot give more than the
umask lets through. It counts for the whole process.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE = 0o700
"""Rights of folders that are their owner's alone."""


@contextlib.contextmanager
def created_with(rights: int) -> Iterator[None]:
    """Let files and folders that are made in the block have these rights, whatever the umask was.

    ``rights`` are those of folders; files have the same, but that nobody can execute them.
    """
    before = os.umask(0o777 & ~(rights | PRIVATE))
    try:
        yield
    finally:
        os.umask(before)


def folder_rights(mode: int) -> int:
    """Return the rights of folders beside files of a mode: who may read may look into them."""
    return mode | (mode & 0o444) >> 2


def rights_below(folder: Path) -> int | None:
    """Return the rights of what is made below a folder, by its own; None where there is none.

    A folder that everybody may write to, as some volumes of containers are, says nothing of who
    may write to what is in it.
    """
    try:
        mode = folder.stat().st_mode
    except OSError:
        return None
    rights = stat.S_IMODE(mode) & 0o777
    return rights & ~0o022 if rights & stat.S_IWOTH else rights
