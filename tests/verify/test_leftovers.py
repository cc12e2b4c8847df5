"""What file systems and programs leave among the archive's files is never read, and no damage."""

import os
import shutil
from pathlib import Path

import pytest

from archiver.store.names import is_own
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, fetching
from tests.lying_server import LyingServer, png, task_run, webm
from tests.store.test_names import LEFT

APPLEDOUBLE = bytes.fromhex("00051607000200004d6163204f5320582020202020202020") + bytes(100)
CONFLICTS = ["{} (1){}", "{}.sync-conflict-20261130-101010-ABCDEFG{}", "._{}{}"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions with a run each; a third run was erased, and a fourth has lost its pictures."""
    root = tmp_path_factory.mktemp("leftovers") / "archive"
    with fetching(root) as (server, fetch):
        for n in (1, 2, 3, 4):
            run = task_run(
                f"tsk_{n}",
                recording=server.artifact(webm(n)),
                screenshots=[server.artifact(png(n), "screenshot")],
                downloads=[server.artifact(b"%PDF-1.7", "download", "invoice (1).pdf")],
            )
            server.add_run(run)
            fetch(f"tsk_{n}")
        fetch.command("erase", "tsk_3", "--reason", "asked", "--yes")
        fetch.command("verify")
    return root


@pytest.fixture
def root(made: Path, archive: ArchiveFolder) -> Path:
    return Path(shutil.copytree(made, archive.root))


def own_folders(root: Path) -> list[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())]


def put_leftovers(root: Path, names: list[str]) -> set[str]:
    """Put files and folders of these names into every folder of the archive."""
    left = set()
    for number, folder in enumerate(own_folders(root)):
        for name in names:
            path = folder / name
            if number % 2 or "." in name[1:]:
                path.write_bytes(APPLEDOUBLE)
            else:
                path.mkdir()
                (path / "inside.parquet").write_bytes(APPLEDOUBLE)
            left.add(path.relative_to(root).as_posix())
    return {path for path in left if not path.startswith("tmp/")}


def put_copies(root: Path, form: str) -> set[str]:
    """Put a copy beside every file and folder of the archive, as programs name them."""
    left = set()
    for path in sorted(root.rglob("*"), reverse=True):
        if path.relative_to(root).parts[0] == "tmp":
            continue
        copy = path.with_name(form.format(path.stem, path.suffix))
        (shutil.copytree if path.is_dir() else shutil.copy)(path, copy)
        left.add(copy.relative_to(root).as_posix())
    return {one for one in left if not any(one.startswith(f"{other}/") for other in left)}


def check_that_nothing_is_read(
    root: Path, left: set[str], archiver: Command, fetch: Fetch, tmp_path: Path
) -> None:
    told = archiver("verify", "--json", code=None).json
    assert told["integrity"]["findings"] == []
    more = [note for note in told["notes"] if "more files and folders" in note]
    named = {note.partition(" is not the archive's")[0] for note in told["notes"]} - set(more)
    assert named <= left if more else named == left
    assert len(named) == min(len(left), 200)
    archiver("verify", "--quick", "--no-record")
    for command in (["reindex"], ["reindex", "--compact"]):
        assert fetch("tsk_1", "tsk_2").runs == {"asked": 2, "unchanged": 2}
        rows = archiver("query", "SELECT run_id, revision FROM run_revisions", "--format", "json")
        assert len(rows.json) == len({tuple(row.values()) for row in rows.json}) == 4
        archiver(*command)
    archiver("export", "tsk_1", "--ro-crate", tmp_path / "crate")
    archiver("prove", "tsk_2")
    archiver("show", "tsk_1")
    assert all(os.path.lexists(root / path) for path in left)
    archiver("verify")


@pytest.mark.parametrize("part", range(2))
def test_leftovers_are_notes_whatever_is_done(
    root: Path, archiver: Command, fetch: Fetch, tmp_path: Path, part: int
) -> None:
    left = put_leftovers(root, LEFT[part::2])
    check_that_nothing_is_read(root, left, archiver, fetch, tmp_path)


@pytest.mark.parametrize("form", CONFLICTS)
def test_copies_are_notes_whatever_is_done(
    root: Path, archiver: Command, fetch: Fetch, tmp_path: Path, form: str
) -> None:
    left = put_copies(root, form)
    check_that_nothing_is_read(root, left, archiver, fetch, tmp_path)


def test_links_among_the_tables_lead_nowhere(root: Path, archiver: Command) -> None:
    (root / "tables/.loop").symlink_to("..")
    (root / "tables/runs/.gone").symlink_to("nowhere")
    archiver("reindex")
    archiver("verify")
    assert (root / "tables/.loop").is_symlink()


def test_what_is_removed_leaves_folders_of_leftovers_and_no_damage(
    root: Path, archiver: Command
) -> None:
    put_leftovers(root, [".DS_Store", "@eaDir"])
    rule = "older-than=1d kind=screenshot,download"
    archiver("prune", "--rule", rule)
    archiver("erase", "tsk_2", "--reason", "asked", "--yes")
    assert {path.name for path in ArchiveFolder(root).run("tsk_2").iterdir()} == {"r2"}
    archiver("verify")


def test_a_volume_with_nothing_but_leftovers_gets_its_archive(
    archive: ArchiveFolder, archiver: Command, server: LyingServer, fetch: Fetch
) -> None:
    archive.root.mkdir()
    for name in LEFT:
        (archive.root / name).mkdir()
    fetch(server.add_run(task_run("tsk_1")))
    archiver("verify")
    assert all(is_own("", path.name) or path.name in LEFT for path in archive.root.iterdir())


def test_what_is_in_the_way_of_a_first_archive_is_named(
    archive: ArchiveFolder, server: LyingServer, fetch: Fetch
) -> None:
    archive.root.mkdir()
    for name in ("holiday.jpg", "notes", ".DS_Store"):
        (archive.root / name).mkdir()
    ran = fetch(server.add_run(task_run("tsk_1")), code=10)
    assert "holiday.jpg, notes" in ran.err
    assert "DS_Store" not in ran.err
    assert {path.name for path in archive.root.iterdir()} == {".DS_Store", "holiday.jpg", "notes"}


@pytest.mark.parametrize("name", ["evil.exe", "._x/../evil.txt", "recording-2.webm", "invoice.pdf"])
def test_a_stray_among_the_runs_stays_a_finding(root: Path, archiver: Command, name: str) -> None:
    folder = ArchiveFolder(root).run("tsk_1") / "r1"
    path = folder / Path(name).name
    path.write_bytes(b"x")
    (found,) = archiver("verify", "--json", "--no-record", code=4).json["integrity"]["findings"]
    assert found["path"] == path.relative_to(root).as_posix()
