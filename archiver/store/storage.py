"""The archive's files in a local folder. All access to them goes through here.

Everything is written aside in the same file system, synced, renamed into place, and its folder
synced: a reader sees a whole file or none, also after a power cut. Paths are relative to the
root, with ``/`` between the parts, and come from :mod:`archiver.model.paths`.
"""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from archiver.errors import ArchiveUnwritable, NotAnArchive
from archiver.model.ids import Sha256
from archiver.model.paths import TEMPORARY_FOLDER
from archiver.store.names import TOP_FOLDERS, is_own
from archiver.store.staging import Staged, StagedFile, stage_bytes
from archiver.system.files import VANISHED, open_file, os_errors, unreadable, unwritable
from archiver.system.folders import exchange_folders, is_in_use, put_in_place
from archiver.system.fsync import Durability

StagedT = TypeVar("StagedT", bound=Staged)


class LocalStorage:
    """An archive's files below ``root``."""

    def __init__(
        self, root: Path, durability: Durability | None = None, writer: str = "own"
    ) -> None:
        """``writer`` tells apart those that write at the same time, on whatever machine."""
        self.root = root.absolute()
        self._prefix = f"{self.root}{os.sep}"
        self._durability = durability or Durability()
        self._writer = writer
        self._numbers = itertools.count(1)
        self._identity: tuple[int, int] | None = None

    def __str__(self) -> str:
        return str(self.root)

    def locate(self, path: str) -> Path:
        """Where a path of the archive lies on this machine."""
        return self.root / path

    def os_path(self, path: str) -> str:
        """The same as text: a run has many files, and a Path costs more than what is done to it."""
        return self._prefix + path

    def exists(self, path: str) -> bool:
        return os.path.exists(self.os_path(path))

    def size(self, path: str) -> int | None:
        """Size of a file in bytes, None where there is none."""
        try:
            return self.locate(path).stat().st_size
        except OSError:
            return None

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises ArchiveDamaged when it cannot be read."""
        try:
            with os.fdopen(open_file(self.os_path(path)), "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise unreadable(path, error) from error

    def digest(self, path: str) -> tuple[int, Sha256]:
        """Size and SHA-256 of a file. Raises ArchiveDamaged when it cannot be read."""
        try:
            with os.fdopen(open_file(self.os_path(path)), "rb") as file:
                digest = hashlib.file_digest(file, "sha256")
                return file.tell(), Sha256(digest.hexdigest())
        except OSError as error:
            raise unreadable(path, error) from error

    def own_names(self, folder: str) -> list[str]:
        """Names of the tool's own in a folder, sorted; empty where there is none."""
        return [name for name in self.names(folder) if is_own(folder, name)]

    def names(self, folder: str) -> list[str]:
        """All names in a folder, whoever left them, sorted; empty where there is none."""
        try:
            return sorted(os.listdir(self.os_path(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreadable(folder, error) from error

    def files(self, folder: str) -> Iterator[str]:
        """The paths of all files in a folder and below, whoever left them, in no order.

        Links are files, whatever they lead to.
        """
        for name in self.names(folder):
            path = f"{folder}/{name}"
            if self.is_folder(path) and not self.locate(path).is_symlink():
                yield from self.files(path)
            else:
                yield path

    def is_folder(self, path: str) -> bool:
        return self.locate(path).is_dir()

    def stage(self, name: str) -> StagedFile:
        """A file to be written aside; ``publish`` gives it its place."""
        path = self.os_path(f"{TEMPORARY_FOLDER}/{name}")
        return self._in_temporary_folder(lambda: StagedFile(path, self._durability))

    def publish(self, staged: Staged, path: str, *, new: bool = False) -> None:
        """Move a finished file to ``path``, in a folder that is there.

        ``new``: it is an error if something is at ``path``.
        """
        target = self.os_path(path)
        try:
            if new:
                _move_new(staged.path, target)
            else:
                os.replace(staged.path, target)
        except OSError as error:
            raise unwritable(f"write {path}", error) from error
        staged.published()

    def stage_bytes(self, data: bytes) -> Staged:
        """A file with this content, to be published."""
        name = f"{self._writer}-{os.getpid()}-{next(self._numbers)}.part"
        path = self.os_path(f"{TEMPORARY_FOLDER}/{name}")
        return self._in_temporary_folder(lambda: stage_bytes(path, data))

    def _in_temporary_folder(self, stage: Callable[[], StagedT]) -> StagedT:
        """What is staged; the folder may be removed at any time, and is made anew."""
        try:
            return stage()
        except ArchiveUnwritable:
            self.check_root()  # another folder may have taken the archive's place
            if not self.make_new_folder(TEMPORARY_FOLDER):
                raise
            return stage()

    def put(self, path: str, data: bytes, *, new: bool = False) -> None:
        """Write a whole file: aside, synced, renamed, its folder synced."""
        self.check_root()
        staged = self.stage_bytes(data)
        try:
            self.sync([staged.path], [])
            folder = path.rpartition("/")[0]
            self.make_folder(folder)
            self.publish(staged, path, new=new)
        except BaseException:
            staged.discard()
            raise
        self.sync_folder(folder)

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """A new file, in a folder that nobody looks into yet: to be written and read, not synced.

        What the operating system refuses while it is open is taken to be about it.
        """
        with os_errors(f"write {path}"), open(self.os_path(path), "x+b") as file:
            yield file

    def link(self, old: str, new: str) -> bool:
        """Give a file a second name; False where it had to be copied instead, not yet durably."""
        source, target = self.os_path(old), self.os_path(new)
        with os_errors(f"write {new}"):
            try:
                os.link(source, target)
            except FileExistsError:
                raise
            except OSError:  # no hard links, or too many: what else is wrong, copying says too
                shutil.copyfile(source, target)
                return False
        return True

    def make_root(self) -> None:
        """Create the archive's folder, and those above it, durably.

        Raises NotAnArchive where a folder of it lies elsewhere: nothing could be moved into it.
        """
        with os_errors(f"create the archive {self.root}"):
            for made in _make_folder(self.root, Path(self.root.anchor)):
                self._durability.sync_folder(str(made.parent))
            self.accept_root()
        for name in sorted(TOP_FOLDERS):
            place = self.locate(name)
            if place.is_symlink() or os.path.ismount(place):
                what = (
                    "a link to another place" if place.is_symlink() else "a file system of its own"
                )
                raise NotAnArchive(
                    f"{place} is {what}, and an archive must lie in one file system",
                    hint="Put the folder itself in its place, or the whole archive where that is",
                )

    def accept_root(self) -> None:
        """The folder that is there now is the archive's: no other may take its place."""
        self._identity = _identity(self.root)

    def make_folder(self, folder: str) -> None:
        """Create a folder and those above it up to the root, durably."""
        self.check_root()
        with os_errors(f"create {folder}"):
            for made in _make_folder(self.locate(folder), self.root):
                self._durability.sync_folder(str(made.parent))

    def make_new_folder(self, folder: str) -> bool:
        """Create a folder, and those above it, not yet durably. False where it is there already."""
        try:
            os.mkdir(self.os_path(folder))
        except FileExistsError:
            return False
        except FileNotFoundError:
            self.check_root()
            with os_errors(f"create {folder}"):
                _make_folder(self.locate(folder), self.root)
        except OSError as error:
            raise unwritable(f"create {folder}", error) from error
        return True

    def sync(self, files: Iterable[str], folders: Iterable[str]) -> None:
        """Make the bytes of staged files durable, then the names in folders."""
        paths = [self.os_path(folder) for folder in dict.fromkeys(folders)]
        with os_errors(f"sync {self.root}"):
            self._durability.sync(str(self.root), list(files), paths)

    def check_root(self) -> None:
        """Raises ArchiveUnwritable where the root is gone, or another folder is in its place."""
        if self._identity != _identity(self.root):
            raise ArchiveUnwritable(
                f"the archive {self.root} is not there any more",
                hint=VANISHED,
            )

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable."""
        with os_errors(f"sync {folder or self.root}"):
            self._durability.sync_folder(str(self.locate(folder)))

    def remove_empty(self, folder: str) -> None:
        """Remove a folder if nothing is in it."""
        with contextlib.suppress(OSError):
            self.locate(folder).rmdir()

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; fine if there is none."""
        self.check_root()
        target = self.locate(path)
        with os_errors(f"remove {path}"):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def rename(self, old: str, new: str) -> None:
        """Give a folder another place."""
        self.check_root()
        with os_errors(f"rename {old}"):
            self.locate(old).rename(self.locate(new))
            self._durability.sync_folder(str(self.locate(new).parent))

    def replace_folder(self, new: str, old: str) -> None:
        """Put folder ``new`` in the place of ``old`` at once, and remove what was there.

        As long as somebody still reads that it stays, where ``new`` was.
        """
        self.check_root()
        with os_errors(f"replace {old}"):
            _make_folder(self.locate(new), self.root)
            self.make_folder(old)
            exchange_folders(self.locate(new), self.locate(old))
            self._durability.sync_folder(str(self.locate(old).parent))
            self._durability.sync_folder(str(self.locate(new).parent))
        self.remove_unless_in_use(new)

    def put_in_place(self, whole: str, folder: str) -> None:
        """Remove ``folder``, and give its place to one that is ``whole``."""
        self.check_root()
        with os_errors(f"replace {folder}"):
            put_in_place(self.locate(whole), self.locate(folder))
            self._durability.sync_folder(str(self.locate(folder).parent))

    def remove_unless_in_use(self, folder: str) -> None:
        """Remove a folder that is of no use any more but to those who still read it."""
        if not is_in_use(self.locate(folder)):
            self.remove(folder)


def _move_new(source: str, target: str) -> None:
    """Rename, but never over something: a link fails where a rename would replace."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links say this or that (FAT, network file systems, AFS); what
        # else is wrong, renaming says too. The writer's lock keeps others out.
        if os.path.exists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.replace(source, target)
    else:
        os.unlink(source)


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another of the same name; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_folder(folder: Path, top: Path) -> list[Path]:
    """Those that were made, the outermost first; never ``top``, which has to be there."""
    missing = []
    while folder != top and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    missing.reverse()
    for path in missing:
        path.mkdir(exist_ok=True)
    return missing
