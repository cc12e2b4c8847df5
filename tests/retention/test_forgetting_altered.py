"""Prune and erase go by what the archive vouches for, not by what somebody has changed in it."""

import itertools
import shutil
from pathlib import Path

import pytest

from archiver.store.archive_file import open_archive
from archiver.verify.verify import find_damage
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, fetching
from tests.commands.test_redaction import everything
from tests.lying_server import FOREVER, Blob, Cut, LyingServer, Status, png, task_run, webm
from tests.retention.test_deciding import OLD

MARK = "Marker4711"
ERASE = ("erase", "--reason", "asked for", "--yes")
PRUNE = ("prune", "--rule", "older-than=1y kind=screenshot")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with two runs of two revisions, of which ``tsk_3`` is on hold."""
    root = tmp_path_factory.mktemp("made") / "archive"
    with fetching(root) as (server, fetch):
        for run_id, number in itertools.product(("tsk_1", "tsk_3"), (1, 2)):
            server.add_run(
                task_run(
                    run_id,
                    title=f"{MARK} {run_id}",
                    recording=server.artifact(webm(seed=number)),
                    screenshots=[server.artifact(png(), "screenshot")],
                    **OLD,
                )
            )
            fetch(run_id, "--refresh")
        fetch.command("hold", "tsk_3", "--reason", "case")
    return root


@pytest.fixture
def folder(made: Path, archive: ArchiveFolder) -> Path:
    """The folder of ``tsk_1``."""
    shutil.copytree(made, archive.root)
    return archive.run("tsk_1")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("command", [(*ERASE, "tsk_1"), ("prune", "--older-than", "1y")])
@pytest.mark.parametrize(
    ("old", "new"),
    [('"tsk_1"', '"tsk_3"'), ('"revision": 2', '"revision": 7'), ('"completed"', '"canceled"')],
)
def test_what_an_altered_manifest_says_counts_for_nothing(
    archiver: Command,
    archive: ArchiveFolder,
    folder: Path,
    command: tuple[str, ...],
    old: str,
    new: str,
) -> None:
    rows = archive.rows("artifacts", run_id="tsk_3")
    change(folder / "r2/manifest.json", old, new)
    archiver(*command)
    assert archive.rows("artifacts", run_id="tsk_3") == rows
    assert archive.row("runs", run_id="tsk_3", revision=2)["removed"] is None
    assert archive.row("runs", run_id="tsk_1")["removed"]
    assert f"{MARK} tsk_1" not in everything(archive.root)
    assert find_damage(open_archive(archive.root)) == []


def test_no_file_is_pruned_that_an_altered_manifest_names(
    archiver: Command, archive: ArchiveFolder, folder: Path
) -> None:
    path = archive.artifact("tsk_1", "screenshot 1", 2)["path"]
    change(folder / "r2/manifest.json", path, "r1/run.json")
    before = archive.files()
    assert "not what was committed" in archiver(*PRUNE, code=4).err
    assert archive.files() == before


def test_a_hold_lasts_when_the_run_itself_is_gone(
    archiver: Command, archive: ArchiveFolder, folder: Path
) -> None:
    shutil.rmtree(archive.run("tsk_3"))
    archiver("reindex")
    assert "tsk_3 (case)" in archiver(*ERASE, "tsk_3", code=3).err


def test_a_run_that_only_the_ledger_knows_gets_its_tombstone(
    archiver: Command, archive: ArchiveFolder, folder: Path
) -> None:
    shutil.rmtree(folder)
    archiver("reindex")
    archiver(*ERASE, "tsk_1")
    assert archive.row("runs", run_id="tsk_1")["removed"] == "erased"
    assert find_damage(open_archive(archive.root)) == []
    assert "nothing to do" in archiver(*ERASE, "tsk_1").out


def test_what_nothing_lists_of_an_erased_run_goes_too(
    archiver: Command, archive: ArchiveFolder, folder: Path
) -> None:
    (folder / "notes.txt").write_text(f"{MARK} tsk_1")
    (folder / "r01").mkdir()
    shutil.copytree(folder, folder.parents[1] / "02/tsk_1")
    (archive.root / "tmp/tsk_1-recording-1.part").write_text(f"{MARK} tsk_1")
    archiver(*ERASE, "tsk_1")
    assert f"{MARK} tsk_1" not in everything(archive.root)
    assert [path.name for path in folder.iterdir()] == ["r3"]
    assert find_damage(open_archive(archive.root)) == []


def test_a_download_of_a_run_that_was_never_committed_is_erased(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    recording = server.artifact(Blob(4 << 20, 1), "recording")
    server.lie(recording, Cut(3 << 20))
    server.add_run(task_run("tsk_1", recording=recording))
    fetch("tsk_1", code=3)
    # As a session leaves it that is killed before it commits the run.
    for left in (archive.root / "tmp").glob("tsk_1-*"):
        left.rename(left.with_name(left.name.replace("tsk_1", "tsk_big")))
    assert len(list((archive.root / "tmp").glob("tsk_big-*"))) == 2
    assert "tsk_big" in archiver(*ERASE, "tsk_big", "--json").json["asked"]
    assert not list((archive.root / "tmp").glob("tsk_big-*"))


def test_a_rule_under_which_nothing_is_left_to_go_leaves_no_record(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder, folder: Path
) -> None:
    broken = server.artifact(webm(seed=3))
    server.lie(broken, Status(500), times=FOREVER)
    server.add_run(task_run("tsk_1", recording=broken, **OLD))
    fetch("tsk_1", "--refresh", code=3)
    rule = ("prune", "--rule", "older-than=1y kind=recording")
    archiver(*rule)
    records = len(list(archive.root.glob("ledger/*.json")))
    assert "nothing to do" in archiver(*rule).out
    assert "0 files" in archiver(*rule, "--dry-run").out
    assert len(list(archive.root.glob("ledger/*.json"))) == records


def test_what_is_done_is_told_where_the_tables_cannot_be_written_anew(
    archiver: Command, archive: ArchiveFolder, folder: Path
) -> None:
    documents, *_ = archive.table_files("documents")
    documents.write_bytes(b"PAR1")
    ran = archiver(*ERASE, "tsk_1", code=4)
    assert "the files of 1 runs are erased, their rows are still in the tables" in ran.err
    assert "archiver reindex" in ran.err
    archiver("reindex")
    assert f"{MARK} tsk_1" not in everything(archive.root)
    assert find_damage(open_archive(archive.root)) == []
