"""Copies of an archive that were made while a session was at work heal with the next session."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.store.storage import LocalStorage
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_command, child_environment
from tests.lying_server import FOREVER, Blob, LyingServer, Stall, task_run

FORMAT_1 = Path(__file__).parents[1] / "data/archives/format-1"


@pytest.fixture
def running(
    server: LyingServer, archive: ArchiveFolder, archiver: Command, fetch: Fetch
) -> Iterator[Callable[[], None]]:
    """A fetch that has committed tsk_2 and tsk_3 behind the session of tsk_1, and still works."""
    for n in (1, 2, 3):
        server.add_run(task_run(f"tsk_{n}", downloads=[server.artifact(Blob(100, n), "download")]))
    slow = server.artifact(Blob(100_000, 9), "recording")
    server.add_run(task_run("tsk_9", recording=slow))
    fetch("tsk_1")
    server.lie(slow, Stall(50_000), times=FOREVER)
    process = subprocess.Popen(
        child_command("fetch", "tsk_2", "tsk_3", "tsk_9", "--stall-timeout", "60s"),
        env=child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def kill() -> None:
        process.kill()
        process.wait()
        server.stop_lying()

    try:
        while len(list(archive.root.glob("runs/**/manifest.json"))) < 3:
            assert process.poll() is None
        yield kill
    finally:
        kill()


def without_journals(root: Path) -> None:
    for path in root.glob("ledger/*.journal"):
        path.unlink()


def without_lock(root: Path) -> None:
    shutil.rmtree(root / "tmp", ignore_errors=True)


def with_half_a_revision(root: Path) -> None:
    folder = ArchiveFolder(root).run("tsk_3")
    (folder / "r1/manifest.json").unlink()


def with_a_part_of_the_journal(root: Path) -> None:
    (journal,) = root.glob("ledger/*.journal")
    journal.write_text(journal.read_text().partition("\n")[0] + "\n")


COPIES: list[list[Callable[[Path], None]]] = [
    [],
    [without_journals],
    [without_journals, without_lock],
    [with_a_part_of_the_journal],
    [without_journals, with_half_a_revision],
]


def records(root: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(root.glob("ledger/*.json"))]


@pytest.mark.parametrize("changes", COPIES, ids=lambda c: " ".join(one.__name__ for one in c))
def test_a_copy_of_a_running_fetch_without_tmp_heals_with_the_next_fetch(
    running: Callable[[], None],
    archive: ArchiveFolder,
    archiver: Command,
    server: LyingServer,
    tmp_path: Path,
    changes: list[Callable[[Path], None]],
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(archive.root, copy, ignore=shutil.ignore_patterns("tmp"))
    running()
    for change in changes:
        change(copy)
    of = ("--archive", copy)
    server.add_run(task_run("tsk_4"))
    archiver("fetch", "tsk_4", *of)
    archiver("verify", "--quick", "--no-record", *of)
    told = archiver("verify", "--json", *of).json
    runs = {one["run_id"] for one in ArchiveFolder(copy).rows("runs")}
    half = with_half_a_revision in changes
    assert runs == {"tsk_1", "tsk_2", "tsk_4"} | (set() if half else {"tsk_3"})
    listed = "".join(path.read_text() for path in copy.glob("ledger/*.sha256"))
    assert {run for run in ("tsk_1", "tsk_2", "tsk_3", "tsk_4") if f"/{run}/" in listed} == runs
    adopted = [one["details"]["adopted"] for one in records(copy) if "adopted" in one["details"]]
    is_adopted = any("took in" in note for note in told["notes"])
    assert is_adopted == bool(adopted) == (changes != [])
    assert sum(one["manifests"] for one in adopted) <= 2
    shown = archiver("ledger", *of).out
    assert ("took in" in shown) == is_adopted
    assert ("recovered what was killed" in shown) == (without_journals not in changes)
    ((session,),) = [{one["session"] for one in records(copy) if one["recovered"]} or {"-"}]
    assert (session != "-") == (without_journals not in changes)
    archiver("fetch", "tsk_2", "tsk_3", "tsk_9", *of)
    archiver("verify", *of)
    assert len([one for one in records(copy) if "adopted" in one["details"]]) == len(adopted)


def test_tmp_may_be_removed_after_a_kill(
    running: Callable[[], None], archive: ArchiveFolder, archiver: Command
) -> None:
    running()
    shutil.rmtree(archive.root / "tmp")
    archiver("fetch", "tsk_2", "tsk_3", "tsk_9")
    archiver("verify")
    assert len(archive.rows("runs")) == 4


def test_removing_tmp_lets_no_second_writer_in_and_ends_no_fetch(
    running: Callable[[], None], archive: ArchiveFolder, archiver: Command, server: LyingServer
) -> None:
    shutil.rmtree(archive.root / "tmp")
    for command in (["fetch", "tsk_1"], ["hold", "tsk_1", "--reason", "x"]):
        assert "another writer holds" in archiver(*command, code=11).err


def test_what_is_staged_makes_tmp_anew(archive: ArchiveFolder, fetch: Fetch) -> None:
    fetch("tsk_1", code=3)
    storage = LocalStorage(archive.root)
    storage.accept_root()
    shutil.rmtree(archive.root / "tmp")
    storage.put("ledger/x", b"x")
    shutil.rmtree(archive.root / "tmp")
    storage.stage("y").discard()
    assert (archive.root / "ledger/x").read_bytes() == b"x"


def test_a_revision_that_somebody_put_there_is_adopted_by_nobody(
    server: LyingServer, archive: ArchiveFolder, archiver: Command, fetch: Fetch
) -> None:
    """Its session has a record, or is before the last one that would have listed it."""
    for n in (1, 2):
        server.add_run(task_run(f"tsk_{n}"))
        fetch(f"tsk_{n}")
    folder = archive.run("tsk_1")
    for n, session in enumerate(
        [records(archive.root)[1]["session"], "20200101T000000.000Z-0a0a0a0a"], 2
    ):
        shutil.copytree(folder / "r1", folder / f"r{n}")
        manifest = folder / f"r{n}/manifest.json"
        of = json.loads(manifest.read_bytes()) | {"revision": n, "session": session}
        manifest.write_text(json.dumps(of))
    shutil.rmtree(archive.root / "tmp")
    fetch("tsk_2", "tsk_404", code=3)
    found = archiver("verify", "--json", code=4).json["integrity"]["findings"]
    assert {one["path"] for one in found} >= {
        (folder / "r2/manifest.json").relative_to(archive.root).as_posix(),
        "ledger/20200101T000000.000Z-0a0a0a0a.json",
    }
    assert all("adopted" not in one["details"] for one in records(archive.root))
    assert len(archive.rows("runs", run_id="tsk_1")) == 1


def test_only_a_copy_is_looked_through(
    server: LyingServer, archive: ArchiveFolder, fetch: Fetch
) -> None:
    """Else a night would take as long as there are runs."""
    for n in (1, 2, 3):
        server.add_run(task_run(f"tsk_{n}"))
    fetch("tsk_1")
    uncommitted = archive.root / "runs/2026/01/01/tsk_7/r1"
    uncommitted.mkdir(parents=True)
    fetch("tsk_2")
    fetch("--refresh", "tsk_2")
    assert uncommitted.exists()
    shutil.copytree(archive.root, archive.root.with_name("copy"))
    shutil.rmtree(archive.root)
    archive.root.with_name("copy").rename(archive.root)
    fetch("tsk_3")
    assert not uncommitted.exists()


@pytest.mark.parametrize("is_newer", [True, False], ids=["newer", "older"])
def test_tables_of_another_moment_are_brought_level_in_a_copy(
    server: LyingServer,
    archive: ArchiveFolder,
    archiver: Command,
    fetch: Fetch,
    tmp_path: Path,
    is_newer: bool,
) -> None:
    for n in (1, 2):
        server.add_run(task_run(f"tsk_{n}"))
    fetch("tsk_1")
    copy = Path(shutil.copytree(archive.root, tmp_path / "copy"))
    fetch("tsk_2")
    to, of = (copy, archive.root) if is_newer else (archive.root, copy)
    shutil.rmtree(to / "tables")
    shutil.copytree(of / "tables", to / "tables")
    shutil.rmtree(to / "tmp")
    ran = fetch("tsk_1", "tsk_2", "--archive", to)
    assert ran.runs.get("fetched", 0) == is_newer
    assert {one["run_id"] for one in ArchiveFolder(to).rows("runs")} == {"tsk_1", "tsk_2"}
    assert len(ArchiveFolder(to).rows("runs")) == 2
    if is_newer:
        archiver("verify", "--archive", to)


def test_an_archive_of_format_1_whose_tmp_is_gone_heals(
    archive: ArchiveFolder, archiver: Command
) -> None:
    """Its journals lay there."""
    shutil.copytree(FORMAT_1 / "killed", archive.root)
    assert list((archive.root / "tmp").glob("*.journal"))
    shutil.rmtree(archive.root / "tmp")
    archiver("hold", "wr_3", "--reason", "later")
    told = archiver("verify", "--json").json
    assert any("took in" in note for note in told["notes"])
    paths = {row["path"] for row in archive.rows("runs")}
    committed = archive.root.glob("runs/**/manifest.json")
    assert paths == {path.parent.relative_to(archive.root).as_posix() for path in committed}
