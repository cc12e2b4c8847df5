"""How files get into a package: none can be changed through it unless that was asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.errors import ArchiveDamaged
from archiver.export.targets import CopyMethod, copy_checked
from archiver.model.ids import sha256_of
from tests.cli.running import Command
from tests.export.conftest import Known

BYTES = os.urandom(5 << 20)


@pytest.fixture
def cloning(tmp_path: Path) -> Iterator[Path]:
    """A file system that can clone, where one can be made and mounted."""
    disk, folder = tmp_path / "disk", tmp_path / "cloning"
    folder.mkdir()
    with disk.open("wb") as file:
        file.truncate(320 << 20)
    commands: list[list[str | Path]] = [
        ["mkfs.xfs", "-q", disk],
        ["mount", "-o", "loop", disk, folder],
    ]
    try:
        made = sys.platform == "linux" and all(
            subprocess.run(command, capture_output=True).returncode == 0 for command in commands
        )
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("no file system that clones can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def handed_on(source: Path, target: Path, *, link: bool = False) -> CopyMethod:
    return copy_checked(source, target, "name", len(BYTES), sha256_of(BYTES), link=link)


def test_a_clone_is_a_file_of_its_own(cloning: Path) -> None:
    source, target = cloning / "a", cloning / "b"
    source.write_bytes(BYTES)
    assert handed_on(source, target) is CopyMethod.CLONED
    assert target.read_bytes() == BYTES
    assert target.stat().st_ino != source.stat().st_ino
    target.write_bytes(b"changed")
    assert source.read_bytes() == BYTES
    source.write_bytes(b"damaged")
    with pytest.raises(ArchiveDamaged, match="name"):
        handed_on(source, cloning / "c")


def test_where_nothing_can_be_cloned_files_are_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BYTES)
    way = handed_on(tmp_path / "a", tmp_path / "b")
    assert way in (CopyMethod.COPIED, CopyMethod.CLONED)
    assert (tmp_path / "b").read_bytes() == BYTES
    assert (tmp_path / "b").stat().st_nlink == 1
    assert handed_on(tmp_path / "a", tmp_path / "c", link=True) is CopyMethod.LINKED
    assert (tmp_path / "c").samefile(tmp_path / "a")


def test_a_link_to_another_file_system_is_a_copy(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm") / f"archiver-test-{os.getpid()}"
    if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    (tmp_path / "a").write_bytes(BYTES)
    try:
        assert handed_on(tmp_path / "a", elsewhere, link=True) is CopyMethod.COPIED
        assert elsewhere.read_bytes() == BYTES
    finally:
        elsewhere.unlink()


def test_whoever_edits_a_package_does_not_edit_the_archive(
    archiver: Command, known: Known, tmp_path: Path
) -> None:
    archiver("export", "tsk_1", "--bagit", tmp_path / "bag")
    for path in (tmp_path / "bag").rglob("*"):
        if path.is_file():
            assert path.stat().st_nlink == 1
            path.write_bytes(b"changed")  # that the archive is as it was every test here looks at


def test_links_are_made_where_they_are_asked_for(
    archiver: Command, known: Known, tmp_path: Path
) -> None:
    ran = archiver("export", "tsk_1", "--bagit", tmp_path / "bag", "--link", "--json")
    (package,) = ran.json["packages"]
    assert package["artifacts"] == {"linked": len(known.held.manifest("tsk_1")["artifacts"]) + 1}
    lies = known.held.run("tsk_1") / "r1/recording.webm"
    assert (tmp_path / "bag/data/runs/tsk_1/recording.webm").samefile(lies)
