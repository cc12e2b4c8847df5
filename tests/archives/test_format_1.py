"""Archives of format 1, as version 0.1.0 wrote them, are read and carried on."""

import shutil
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run, workflow_run

FORMAT_1 = Path(__file__).parents[1] / "data/archives/format-1"
KEY = ("--public-key", FORMAT_1 / "key.pub")
COMPLETED, FAILED, RUNNING = "completed", "failed", "running"
USUAL = {"tsk_1": COMPLETED, "tsk_2": FAILED, "tsk_4": COMPLETED, "wr_3": COMPLETED}
STATES: dict[str, dict[str, str]] = {
    "plain": USUAL | {"tsk_5": COMPLETED},
    "signed": {"tsk_1": COMPLETED, "tsk_2": FAILED, "wr_3": COMPLETED},
    "pruned": USUAL,
    "erased": USUAL,
    "held": USUAL | {"tsk_4": RUNNING},
    "accepted": {"tsk_1": COMPLETED, "tsk_6": COMPLETED},
    "compacted": USUAL | {"tsk_4": RUNNING},
    "killed": {"wr_3": COMPLETED},
    "killed-erase": USUAL | {"tsk_4": RUNNING},
}
"""Each archive's runs, and how they ended, as its tables say."""
REMOVED = {"pruned": {"tsk_2"}, "erased": {"tsk_4"}, "killed-erase": {"tsk_1"}}
"""Whose content is gone, or is to go when somebody writes again."""
EVERY = pytest.mark.parametrize("name", STATES)


def key_of(name: str) -> tuple[str | Path, ...]:
    return KEY if name == "signed" else ()


def copied(name: str, archive: ArchiveFolder) -> None:
    shutil.copytree(FORMAT_1 / name, archive.root)


def states(archiver: Command, archive: Path) -> dict[str, str]:
    """The runs by the tables, and how they ended."""
    sql = "SELECT run_id, status FROM runs"
    rows = archiver("query", sql, "--format", "json", "--archive", archive).json
    return {row["run_id"]: row["status"] for row in rows}


def assert_intact(archiver: Command, archive: Path, *options: str | Path) -> None:
    ran = archiver("verify", "--json", "--no-record", "--archive", archive, *options)
    assert ran.json["integrity"] == {"intact": True, "findings": []}


def test_every_archive_is_tried() -> None:
    assert {path.name for path in FORMAT_1.iterdir() if path.is_dir()} == STATES.keys()


@EVERY
def test_it_is_read_as_it_lies_there(name: str, archiver: Command, tmp_path: Path) -> None:
    archive = ArchiveFolder(FORMAT_1 / name)
    before = archive.files()
    there = ("--archive", archive.root)
    assert_intact(archiver, archive.root, *key_of(name))
    assert states(archiver, archive.root) == STATES[name]
    for run_id, status in STATES[name].items():
        if not (run_id in REMOVED.get(name, ()) and name == "killed-erase"):
            assert archiver("show", run_id, "--json", *there).json["run"]["status"] == status
    archiver("report", *there)
    archiver("ledger", *there)
    archiver("export", "--csv", tmp_path / "tables", *there)
    archiver("export", "wr_3" if "wr_3" in STATES[name] else "tsk_1", "--bagit", tmp_path / "bag",
             *there)  # fmt: skip
    assert archive.files() == before, "reading has changed it"


@EVERY
def test_it_is_carried_on(
    name: str, archiver: Command, fetch: Fetch, archive: ArchiveFolder, server: LyingServer
) -> None:
    copied(name, archive)
    kept = {p: d for p, d in archive.files().items() if p.startswith("ledger/") or "README" in p}
    for run_id in ("tsk_1", "tsk_2", "tsk_4", "tsk_5", "tsk_6", "tsk_7"):
        server.add_run(task_run(run_id))
    server.add_run(workflow_run("wr_3"))
    # What is there and settled is not asked for again, also where it was removed.
    server.clear_requests()
    asked = fetch("tsk_7", *STATES[name]).json["runs"]
    running = sum(status == RUNNING for status in STATES[name].values())
    assert asked["fetched"] == 1 + running
    assert_intact(archiver, archive.root, *key_of(name))
    archiver("hold", "tsk_7", "--reason", "Later.")
    archiver("verify", "--quiet")
    ended = {run_id: COMPLETED if s == RUNNING else s for run_id, s in STATES[name].items()}
    if name == "killed":
        ended |= {"tsk_1": COMPLETED}
    assert states(archiver, archive.root) == ended | {"tsk_7": COMPLETED}
    archiver("reindex")
    assert states(archiver, archive.root) == ended | {"tsk_7": COMPLETED}
    archiver("reindex", "--compact")
    assert_intact(archiver, archive.root, *key_of(name))
    assert kept.items() <= archive.files().items(), "what was written stays as it is"


def test_what_a_killed_fetch_left_is_recovered(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder, server: LyingServer
) -> None:
    copied("killed", archive)
    assert not (archive.run("tsk_2") / "r1/manifest.json").exists()
    server.add_run(task_run("tsk_2"))
    ran = fetch("tsk_1", "tsk_2")
    assert ran.runs == {"asked": 2, "fetched": 1, "unchanged": 1}
    assert archive.row("runs", run_id="tsk_1")["status"] == COMPLETED
    record = (archive.root / f"ledger/{ran.json['session']}.sha256").read_text()
    assert "tsk_1/r1/manifest.json" in record
    assert not list(archive.root.rglob("*.journal"))
    assert archiver("verify", "--json").json["notes"] == []


@pytest.mark.parametrize("command", [("fetch", "wr_3"), ("reindex",)])
def test_an_erase_that_was_killed_is_finished(
    command: tuple[str, ...], archiver: Command, archive: ArchiveFolder
) -> None:
    copied("killed-erase", archive)
    assert list(archive.run("tsk_1").glob("r1/*"))
    archiver(*command)
    assert [path.name for path in archive.run("tsk_1").iterdir()] == ["r2"]
    assert "Invoice" not in str(archive.rows("artifacts", run_id="tsk_1"))
    assert_intact(archiver, archive.root)


def test_decisions_and_gaps_are_known(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder
) -> None:
    copied("held", archive)
    held = archiver("hold", "--list", "--json").json
    assert {one["run_id"] for one in held["runs"]} == {"tsk_1", "tsk_2"}
    archiver("erase", "tsk_1", "--reason", "No.", "--yes", code=3)
    shutil.rmtree(archive.root)
    copied("accepted", archive)
    gaps = archiver("verify", "--json", "--require-complete").json["completeness"]["gaps"]
    assert [(gap["id"], gap["accepted"]) for gap in gaps] == [("tsk_6", True)]
