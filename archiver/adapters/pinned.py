"""A folder that a reader holds fast: it stays readable when another takes its place.

On Linux a folder that is open can be read by way of its descriptor wherever it was moved, and a
lock on it tells that somebody still does; the lock ends with its holder. Elsewhere a reader finds
files gone, and has to begin again.
"""

import contextlib
import os
import re
import sys
from pathlib import Path

from archiver.adapters.disk import unreadable

_BY_DESCRIPTOR = re.compile(r"/proc/self/fd/[0-9]+/")


class PinnedFolder:
    """A folder as it is now, to be read below ``path`` until it is released or forgotten.

    ``is_there``: there is such a folder.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        self.path = f"{folder}{os.sep}"
        if sys.platform == "linux":
            self._pin(folder)
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

    def _pin(self, folder: Path) -> None:
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


def is_pinned(folder: Path) -> bool:
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


def without_descriptors(text: str, folder: str) -> str:
    """A message, with the folder's name where it names the descriptor of a pinned one."""
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
