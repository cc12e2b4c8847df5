"""Verify finds whatever is not as it was stored, and nothing where all is well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, png, task_run, webm

FILES = [
    *("run.json", "recording.webm", "screenshots/01.png", "downloads/invoice.pdf", "SHA256SUMS"),
]


@pytest.fixture
def folder(server: LyingServer, fetch: Fetch, archive: ArchiveFolder) -> Path:
    """The folder of a revision in an archive that is intact."""
    server.add_run(
        task_run(
            "tsk_1",
            recording=server.artifact(webm()),
            screenshots=[server.artifact(png(), "screenshot")],
            downloads=[server.artifact(b"%PDF-1.7", "download")],
        )
    )
    server.add_run(task_run("tsk_2"))
    fetch("tsk_1", "tsk_2")
    return archive.run("tsk_1") / "r1"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def add_to(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_an_intact_archive_is_intact(
    archiver: Command, archive: ArchiveFolder, folder: Path
) -> None:
    assert "all intact" in archiver("verify").out
    ran = archiver("verify", "--json")
    assert (ran.json["revisions"], ran.json["files"]) == (2, 5)
    assert ran.json["integrity"] == {"intact": True, "findings": []}
    sizes = [path.stat().st_size for path in archive.root.glob("runs/**/*") if path.is_file()]
    assert 0 < ran.json["bytes"] < sum(sizes)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [flip, cut, add_to, Path.unlink, make_folder])
def test_whatever_happened_to_a_file_is_found(
    archiver: Command, archive: ArchiveFolder, folder: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(folder / name)
    ran = archiver("verify", "--json", code=4)

    (finding,) = ran.json["integrity"]["findings"]
    assert finding["path"] == str((folder / name).relative_to(archive.root))
    assert finding["problem"]
    assert finding["path"] in ran.err


def test_how_much_is_damaged_is_said(archiver: Command, folder: Path) -> None:
    flip(folder / FILES[0])
    assert "1 damaged" in archiver("verify", code=4).out


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path: Path) -> None:
    path.write_text(path.read_text().replace('"completed"', '"canceled"'))


@pytest.mark.parametrize("harm", [cut_in_half, make_folder, Path.unlink, alter])
def test_whatever_happened_to_a_manifest_is_found(
    archiver: Command, folder: Path, harm: Callable[[Path], None]
) -> None:
    harm(folder / "manifest.json")
    assert "tsk_1" in archiver("verify", code=4).err


def test_a_run_that_is_gone_as_a_whole_is_found(archiver: Command, folder: Path) -> None:
    folder.parent.rename(folder.parents[4] / "tsk_1")
    assert "tsk_1" in archiver("verify", code=4).err


def test_verify_changes_nothing(archiver: Command, archive: ArchiveFolder, folder: Path) -> None:
    flip(folder / "recording.webm")
    before = archive.files()
    archiver("verify", "--no-record", code=4)
    assert archive.files() == before


def test_a_damaged_manifest_costs_only_its_run(
    server: LyingServer, fetch: Fetch, folder: Path
) -> None:
    (folder / "manifest.json").write_bytes(b"{")
    ran = fetch("tsk_1", "tsk_2", "--refresh", code=3)
    assert ran.runs == {"asked": 2, "unchanged": 1, "failed": 1}
    assert "manifest" in ran.reasons[0]
