"""What is synced how: each file by itself, or all at once where that is known to be as good."""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from archiver.system.fsync import Durability

EXT4, TMPFS, NFS, FUSE = 0xEF53, 0x01021994, 0x6969, 0x65735546


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@dataclass
class System:
    """The system calls that make durable, by the path that they are for; none is made."""

    type_of_file_system: int = EXT4
    error: int = 0
    synced: list[str] = field(default_factory=list)
    together: list[str] = field(default_factory=list)

    def fsync(self, descriptor: int) -> None:
        self.synced.append(_path_of(descriptor))
        if self.error:
            raise OSError(self.error, os.strerror(self.error))

    def fstatfs(self, descriptor: int, status: Any) -> int:
        ctypes.c_long.from_buffer(status).value = self.type_of_file_system
        return 0

    def syncfs(self, descriptor: int) -> int:
        self.together.append(_path_of(descriptor))
        ctypes.set_errno(self.error)
        return -1 if self.error else 0


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="syncfs and /proc are Linux's")


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    """A Linux that tells what it is asked for."""
    system = System()
    monkeypatch.setattr(os, "fsync", system.fsync)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: system)
    return system


@dataclass(frozen=True)
class Written:
    root: Path
    files: list[str]
    folders: list[str]

    def sync(self, *, enabled: bool = True) -> None:
        Durability(enabled=enabled).sync(str(self.root), self.files, self.folders)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[int, int], Written]:
    def write(files: int, folders: int) -> Written:
        root = tmp_path.resolve()
        made = Written(root, [], [])
        for number in range(folders):
            (root / f"folder{number}").mkdir()
            made.folders.append(str(root / f"folder{number}"))
        for number in range(files):
            (root / f"file{number}").write_bytes(b"x")
            made.files.append(str(root / f"file{number}"))
        return made

    return write


Write = Callable[[int, int], Written]


def test_few_are_synced_one_by_one_files_before_folders(system: System, written: Write) -> None:
    made = written(20, 3)
    made.sync()
    assert system.synced == made.files + made.folders
    assert not system.together


@pytest.mark.parametrize(("files", "folders"), [(24, 0), (0, 24), (100, 100)])
def test_many_are_synced_together(system: System, written: Write, files: int, folders: int) -> None:
    made = written(files, folders)
    made.sync()
    assert system.together == [str(made.root)]
    assert not system.synced


@pytest.mark.parametrize(
    ("kind", "together"),
    [
        *((EXT4, True), (TMPFS, True), (0x58465342, True), (0x9123683E, True), (0xF2F52010, True)),
        # NFS, SMB, FUSE, overlayfs, 9p, FAT, and what nobody knows
        *((NFS, False), (0xFF534D42, False), (FUSE, False), (0x794C7630, False)),
        *((0x01021997, False), (0x4D44, False), (0, False), (-1, False)),
    ],
)
def test_only_file_systems_that_take_part_are_synced_together(
    system: System, written: Write, kind: int, together: bool
) -> None:
    system.type_of_file_system = kind
    made = written(30, 2)
    made.sync()
    assert bool(system.together) is together
    assert system.synced == ([] if together else made.files + made.folders)


def test_a_file_system_of_unknown_type_is_synced_file_by_file(
    system: System, written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "fstatfs", lambda descriptor, status: -1)
    made = written(30, 2)
    made.sync()
    assert system.synced == made.files + made.folders


@pytest.mark.parametrize("release", ["5.7.19-generic", "4.19.0", "3.10.0-1160.el7", "odd"])
def test_an_old_linux_does_not_tell_errors_so_files_are_synced_one_by_one(
    system: System, written: Write, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    old = os.uname_result(("Linux", "host", release, "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: old)
    made = written(30, 2)
    made.sync()
    assert system.synced == made.files + made.folders
    assert not system.together


@pytest.mark.parametrize("libc", [object(), OSError("no libc")])
def test_a_system_without_syncfs_syncs_one_by_one(
    system: System, written: Write, monkeypatch: pytest.MonkeyPatch, libc: object
) -> None:
    def load(*_: object, **__: object) -> object:
        if isinstance(libc, OSError):
            raise libc
        return libc

    monkeypatch.setattr(ctypes, "CDLL", load)
    made = written(30, 2)
    made.sync()
    assert system.synced == made.files + made.folders


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("files", [1, 50])
def test_what_could_not_be_written_is_told(
    system: System, written: Write, number: int, files: int
) -> None:
    system.error = number
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        written(files, 0).sync()
    assert caught.value.errno == number


@pytest.mark.parametrize("files", [1, 50])
def test_nothing_is_synced_where_that_is_not_wanted(
    system: System, written: Write, files: int
) -> None:
    system.error = errno.EIO
    made = written(files, 1)
    made.sync(enabled=False)
    without = Durability(enabled=False)
    without.sync_folder(made.folders[0])
    with Path(made.files[0]).open("rb") as file:
        without.sync_open(file.fileno())
    assert (system.synced, system.together) == ([], [])


def test_an_open_file_and_a_folder_are_synced_by_themselves(system: System, written: Write) -> None:
    made = written(1, 1)
    with Path(made.files[0]).open("rb") as file:
        Durability().sync_open(file.fileno())
    Durability().sync_folder(made.folders[0])
    assert system.synced == made.files + made.folders


def test_what_is_not_there_is_an_error(system: System, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Durability().sync(str(tmp_path), [str(tmp_path / "none")], [])
    with pytest.raises(FileNotFoundError):
        Durability().sync(str(tmp_path / "none"), ["x"] * 50, [])


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(system: System, written: Write) -> None:
    made = written(50, 2)
    before = _descriptors()
    made.sync()
    system.type_of_file_system = NFS
    made.sync()
    system.error = errno.EIO
    for kind in (NFS, EXT4):
        system.type_of_file_system = kind
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            made.sync()
    assert _descriptors() == before


@pytest.mark.parametrize("folder", ["", "/dev/shm"])
def test_the_real_system_does_it(written: Write, folder: str) -> None:
    made = written(30, 2)
    made.sync()
    if Path(folder).is_dir():
        Durability().sync(str(made.root / folder), made.files, made.folders)
