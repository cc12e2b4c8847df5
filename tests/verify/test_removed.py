"""What was removed stays removed: what is there again is found, and what is at work is no harm."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.store.storage import LocalStorage
from archiver.verify.findings import Scope
from archiver.verify.verify import Checking, find_damage, verify
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, fetching
from tests.commands.test_redaction import everything
from tests.lying_server import task_run, webm
from tests.retention.test_deciding import OLD

MARK = "Marker4711"
ERASE = ("erase", "tsk_1", "--reason", "asked for", "--yes")
PRUNE = ("prune", "--older-than", "1y")
OF_KIND = ("prune", "--rule", "older-than=1y kind=recording")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a run of two revisions with different recordings, and another run."""
    root = tmp_path_factory.mktemp("made") / "archive"
    with fetching(root) as (server, fetch):
        server.add_run(task_run("tsk_2"))
        for number in (1, 2):
            recording = server.artifact(webm(seed=number))
            server.add_run(task_run("tsk_1", title=MARK, recording=recording, **OLD))
            fetch("tsk_1", "tsk_2", "--refresh")
    return root


@pytest.fixture
def run(made: Path, archive: ArchiveFolder) -> Path:
    """The folder of the run with two revisions."""
    shutil.copytree(made, archive.root)
    return archive.run("tsk_1")


def paths(run: Path) -> list[str]:
    """Of what was found, in the run's folder where it is there."""
    root = run.parents[4]
    folder = f"{run.relative_to(root)}/"
    return [one.path.removeprefix(folder) for one in find_damage(LocalStorage(root))]


def whole(earlier: Path) -> None:
    """All of it, as a backup has it."""


def without_manifest(earlier: Path) -> None:
    (earlier / "manifest.json").unlink()


def emptied(earlier: Path) -> None:
    shutil.rmtree(earlier)
    earlier.mkdir()


@pytest.mark.parametrize("command", [ERASE, PRUNE])
@pytest.mark.parametrize("state", [whole, without_manifest, emptied])
def test_a_revision_that_was_put_back_is_found_and_comes_into_no_table(
    archiver: Command,
    archive: ArchiveFolder,
    run: Path,
    tmp_path: Path,
    command: tuple[str, ...],
    state: Callable[[Path], None],
) -> None:
    kept = Path(shutil.copytree(run / "r1", tmp_path / "kept"))
    archiver(*command)
    state(Path(shutil.copytree(kept, run / "r1")))
    assert paths(run) == ["r1"]
    for scope in (Scope(quick=True), Scope(run_ids=frozenset(["tsk_1"]))):
        (found,) = verify(LocalStorage(archive.root), scope).findings
        assert (found.run_id, found.revision) == ("tsk_1", 1)
    archiver("reindex", code=4 if state is whole else 0)
    assert paths(run) == ["r1"]
    assert archive.row("runs", run_id="tsk_1")["revision"] == 3
    archiver(*ERASE)
    assert paths(run) == []
    assert MARK not in everything(archive.root)
    removed = archive.manifest("tsk_1", 4)["removed"]["revisions"]
    assert [one["manifest"].split("/")[-2] for one in removed] == ["r1", "r2", "r3"]


@pytest.mark.parametrize("command", [ERASE, PRUNE, OF_KIND])
@pytest.mark.parametrize("is_there", [True, False])
def test_harm_to_what_says_what_was_removed_is_one_finding(
    archiver: Command, archive: ArchiveFolder, run: Path, command: tuple[str, ...], is_there: bool
) -> None:
    archiver(*command)
    manifest = run / "r3/manifest.json"
    manifest.unlink()
    if is_there:
        manifest.write_text("{}")
    assert paths(run) == ["r3/manifest.json"]
    (found,) = find_damage(LocalStorage(archive.root))
    assert "must not come back" in found.todo


@pytest.mark.parametrize("command", [ERASE, PRUNE, OF_KIND])
@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_in_place_of_what_says_what_was_removed_is_one_finding(
    archiver: Command, run: Path, command: tuple[str, ...], put: Callable[[Path], None]
) -> None:
    archiver(*command)
    (run / "r3/manifest.json").unlink()
    put(run / "r3/manifest.json")
    assert paths(run) == ["r3/manifest.json"]


@pytest.mark.parametrize("command", [ERASE, PRUNE])
def test_a_run_as_it_was_before_it_was_removed_is_no_reason_to_reindex(
    archiver: Command, run: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    kept = Path(shutil.copytree(run, tmp_path / "kept"))
    archiver(*command)
    shutil.rmtree(run)
    shutil.copytree(kept, run)
    assert paths(run) == ["r3/manifest.json"]


@pytest.mark.parametrize("command", [ERASE, PRUNE])
@pytest.mark.parametrize("has_files", [True, False])
def test_what_is_about_to_be_removed_is_no_finding(
    archiver: Command, archive: ArchiveFolder, run: Path, command: tuple[str, ...], has_files: bool
) -> None:
    """As it is when the session is at work, or was killed: tombstone and journal are there."""
    before = Path(shutil.copytree(archive.root, archive.root.with_name("before")))
    archiver(*command)
    tombstone = run / "r3"
    shutil.copytree(tombstone, before / tombstone.relative_to(archive.root))
    if not has_files:
        for earlier in ("r1", "r2"):
            shutil.rmtree(before / run.relative_to(archive.root) / earlier)
    session = json.loads((tombstone / "manifest.json").read_text())["session"]
    journal = before / "ledger" / f"{session}.journal"
    journal.write_text(f"{tombstone.relative_to(archive.root)}\n")
    report = verify(LocalStorage(before))
    assert report.findings == []
    assert "committed 1 revisions that the ledger does not list yet" in report.notes[0]
    archiver("verify", "--archive", before)
    archiver("reindex", "--archive", before)
    assert find_damage(LocalStorage(before)) == []
    assert MARK not in everything(before)


def test_what_is_removed_while_it_is_checked_is_no_finding(
    archiver: Command, archive: ArchiveFolder, run: Path
) -> None:
    """The run is erased when its revisions were read, and the tables were not."""
    said: list[str] = []

    def erase(*_: object) -> None:
        if not said:
            said.append(archiver(*ERASE).out)

    report = verify(LocalStorage(archive.root), how=Checking(looked_at=erase))
    assert said
    assert report.findings == []


def test_a_forged_revision_excuses_no_file_that_is_gone(archive: ArchiveFolder, run: Path) -> None:
    manifest = archive.manifest("tsk_1", 2)
    (entry,) = manifest["artifacts"]
    lost = {name: entry[name] for name in ("path", "kind", "size", "sha256")}
    at = manifest["fetched_at"]
    manifest["pruned"] = {"at": at, "user": None, "host": None, "reason": "x", "files": [lost]}
    entry |= {"state": "excluded", "path": None, "pruned_at": at}
    manifest["revision"] = 3
    (run / "r3").mkdir()
    (run / "r3/manifest.json").write_text(json.dumps(manifest))
    recording = run / lost["path"]
    recording.unlink()
    assert {"r3/manifest.json", lost["path"]} <= set(paths(run))


def test_a_quick_check_sees_that_the_tables_are_gone(archive: ArchiveFolder, run: Path) -> None:
    shutil.rmtree(archive.root / "tables")
    report = verify(LocalStorage(archive.root), Scope(quick=True))
    assert [one.path for one in report.findings] == ["tables/runs"]
