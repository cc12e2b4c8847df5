"""The archive's files in a local folder. All access to them goes through here.

Everything is written aside in the same file system, synced, renamed into place, and its folder
synced: a reader sees a whole file or none, also after a power cut. Paths are relative to the
root, with ``/`` between the parts, and come from :mod:`archiver.domain.paths`.
"""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from pathlib import Path

from archiver.adapters.disk import VANISHED, explained, unreadable
from archiver.adapters.exchange import exchange_folders
from archiver.adapters.staging import StagedFile
from archiver.domain.digest import Sha256
from archiver.domain.paths import TEMPORARY_FOLDER
from archiver.errors import ArchiveUnwritable

_READ_SIZE = 1 << 20


class LocalStorage:
    """An archive's files below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._aside = itertools.count(1)
        self._identity: tuple[int, int] | None = None

    def __str__(self) -> str:
        return str(self.root)

    def locate(self, path: str) -> Path:
        """Where a path of the archive lies on this machine."""
        return self.root / path

    def exists(self, path: str) -> bool:
        return self.locate(path).exists()

    def size(self, path: str) -> int | None:
        """Size of a file in bytes, None where there is none."""
        try:
            return self.locate(path).stat().st_size
        except OSError:
            return None

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises ArchiveDamaged when it cannot be read."""
        try:
            return self.locate(path).read_bytes()
        except OSError as error:
            raise unreadable(path, error) from error

    def digest(self, path: str) -> tuple[int, Sha256]:
        """Size and SHA-256 of a file. Raises ArchiveDamaged when it cannot be read."""
        try:
            with self.locate(path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
                return file.tell(), Sha256(digest.hexdigest())
        except OSError as error:
            raise unreadable(path, error) from error

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted; empty where there is none."""
        try:
            return sorted(os.listdir(self.locate(folder)))  # noqa: PTH208 # names, not paths
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreadable(folder, error) from error

    def is_folder(self, path: str) -> bool:
        return self.locate(path).is_dir()

    def stage(self, name: str, *, again: bool = False) -> StagedFile:
        """A new file to be written aside; ``publish`` gives it its place.

        ``again``: the file is there already.
        """
        self.check_root()
        return StagedFile(self.locate(f"{TEMPORARY_FOLDER}/{name}"), again=again)

    def publish(self, staged: StagedFile, path: str, *, new: bool = False) -> None:
        """Move a finished file to ``path``. ``new``: it is an error if something is there."""
        target = self.locate(path)
        with explained(f"write {path}"):
            self.make_folder(path.rpartition("/")[0])
            if new:
                _move_new(staged.path, target)
            else:
                staged.path.replace(target)

    def stage_bytes(self, data: bytes) -> StagedFile:
        """A finished file with this content, to be published."""
        staged = self.stage(f"{os.getpid()}-{next(self._aside)}.part")
        try:
            staged.write(data)
            staged.finish()
        except BaseException:
            staged.discard()
            raise
        return staged

    def put(self, path: str, data: bytes, *, new: bool = False) -> None:
        """Write a whole file: aside, synced, renamed, its folder synced."""
        staged = self.stage_bytes(data)
        try:
            self.publish(staged, path, new=new)
        except BaseException:
            staged.discard()
            raise
        self.sync_folder(path.rpartition("/")[0])

    def make_root(self) -> None:
        """Create the archive's folder, and those above it, durably."""
        with explained(f"create the archive {self.root}"):
            _make_folder(self.root)
            self._identity = _identity(self.root)

    def make_folder(self, folder: str) -> None:
        """Create a folder and those above it up to the root, durably."""
        self.check_root()
        _make_folder(self.locate(folder))

    def check_root(self) -> None:
        """Raises ArchiveUnwritable where the root is gone, or another folder is in its place."""
        if self._identity != _identity(self.root):
            raise ArchiveUnwritable(
                f"the archive {self.root} is not there any more",
                hint=VANISHED,
            )

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable."""
        with explained(f"sync {folder or self.root}"):
            _sync_folder(self.locate(folder))

    def remove_empty(self, folder: str) -> None:
        """Remove a folder if nothing is in it."""
        with contextlib.suppress(OSError):
            self.locate(folder).rmdir()

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; fine if there is none."""
        self.check_root()
        target = self.locate(path)
        with explained(f"remove {path}"):
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def rename(self, old: str, new: str) -> None:
        """Give a folder another place."""
        self.check_root()
        with explained(f"rename {old}"):
            self.locate(old).rename(self.locate(new))
            _sync_folder(self.locate(new).parent)

    def replace_folder(self, new: str, old: str) -> None:
        """Put folder ``new`` in the place of ``old`` at once, and remove what was there."""
        self.check_root()
        with explained(f"replace {old}"):
            self.locate(new).mkdir(parents=True, exist_ok=True)
            self.make_folder(old)
            exchange_folders(self.locate(new), self.locate(old))
            _sync_folder(self.locate(old).parent)
            _sync_folder(self.locate(new).parent)
        self.remove(new)


def _move_new(source: Path, target: Path) -> None:
    """Rename, but never over something: a link fails where a rename would replace."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links here (FAT, some network file systems). The writer's lock keeps others out.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.replace(target)
    else:
        source.unlink()


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another of the same name; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_folder(folder: Path) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there; NTFS journals names by itself
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
