"""What verify is asked for and says: choices, two verdicts, what it remembers."""

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import FOREVER, SERVER_ERROR, LyingServer, png, task_run

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/verify-report.schema.json").read_text())
RUNS = tuple(f"tsk_{number}" for number in range(1, 9))


@pytest.fixture(autouse=True)
def fetched(server: LyingServer, fetch: Fetch) -> None:
    for name in RUNS:
        server.add_run(task_run(name, screenshots=[server.artifact(png(), "screenshot")]))
    fetch(*RUNS)


def checked(archive: ArchiveFolder) -> list[str]:
    return [row["run_id"] for row in archive.rows("checks")]


def harm(archive: ArchiveFolder, run_id: str) -> Path:
    path = archive.run(run_id) / "r1/screenshots/01.png"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    return path


def test_the_report_is_as_its_schema_says(archiver: Command, archive: ArchiveFolder) -> None:
    jsonschema.validate(archiver("verify", "--json").json, SCHEMA)
    path = harm(archive, "tsk_3")
    ran = archiver("verify", "--json", code=4)
    jsonschema.validate(ran.json, SCHEMA)
    (finding,) = ran.json["integrity"]["findings"]
    assert finding["path"] == str(path.relative_to(archive.root))
    assert finding["todo"] == "Restore it from a backup"
    assert "run tsk_3:" in ran.err


def test_what_was_checked_is_remembered(archiver: Command, archive: ArchiveFolder) -> None:
    harm(archive, "tsk_3")
    ran = archiver("verify", "--json", code=4)
    rows = {row["run_id"]: row for row in archive.rows("checks")}
    assert sorted(rows) == sorted(RUNS)
    assert {row["session"] for row in rows.values()} == {ran.json["check"]}
    assert {run: row["outcome"] for run, row in rows.items()} == {
        **dict.fromkeys(RUNS, "intact"), "tsk_3": "damaged",
    }  # fmt: skip
    assert "01.png" in rows["tsk_3"]["findings"][0]
    record = json.loads(max(archive.root.glob("ledger/*.json")).read_bytes())
    assert record["kind"] == "verify"
    assert record["details"]["outcome"] == "damaged"
    assert [one["path"] for one in record["details"]["findings"]] == [
        str((archive.run("tsk_3") / "r1").relative_to(archive.root))
    ]
    assert record["runs"] == {"revisions": 8, "skipped": 0}
    assert archiver("query", "--format", "csv", "SELECT count(*) AS n FROM checks").out == "n\n8\n"
    archiver("reindex")
    assert len(archive.rows("checks")) == 8


def test_quick_reads_nothing_and_compares_sizes(archiver: Command, archive: ArchiveFolder) -> None:
    path = harm(archive, "tsk_3")
    assert archiver("verify", "--quick", "--json").json["bytes"] == 0
    path.write_bytes(b"short")
    assert "instead of" in archiver("verify", "--quick", code=4).err


def test_only_some_runs(archiver: Command, archive: ArchiveFolder) -> None:
    harm(archive, "tsk_3")
    ran = archiver("verify", "--run", "tsk_1", "--run", "tsk_2", "--json")
    assert ran.json["revisions"] == 2
    archiver("verify", "--run", "tsk_3", code=4)
    assert sorted(checked(archive)) == ["tsk_1", "tsk_2", "tsk_3"]


def test_only_what_was_fetched_since(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    ran = archiver("verify", "--since", "1h", "--json")
    assert (ran.json["revisions"], ran.json["skipped"]) == (8, 0)
    ran = archiver("verify", "--since", datetime.now(UTC).isoformat(), "--json")
    assert (ran.json["revisions"], ran.json["skipped"]) == (0, 8)
    assert "8 revisions were fetched before --since" in ran.err
    assert "in the future" in archiver("verify", "--since", "2999-01-01", code=2).err


def test_a_sample_can_be_taken_again(archiver: Command, archive: ArchiveFolder) -> None:
    ran = archiver("verify", "--sample", "50%", "--seed", "7", "--json")
    first = sorted(checked(archive))
    assert 0 < len(first) < 8
    assert ran.json["skipped"] == 8 - len(first)
    assert "--seed 7" in ran.err
    archiver("verify", "--sample", "50%", "--seed", "7")
    assert sorted(checked(archive)) == sorted(first * 2)


def test_rotating_reads_all_before_anything_again(
    archiver: Command, archive: ArchiveFolder
) -> None:
    for _ in range(8):
        archiver("verify", "--rotate", "30d")
    assert sorted(checked(archive)) == sorted(RUNS)
    archiver("verify", "--rotate", "30d")
    assert len(checked(archive)) == 9


def test_completeness_is_a_verdict_of_its_own(
    archiver: Command, server: LyingServer, fetch: Fetch
) -> None:
    lost = server.artifact(png(), "screenshot")
    server.add_run(task_run("tsk_20", screenshots=[lost]))
    server.add_run(task_run("tsk_21", "running"))
    server.lie(lost, SERVER_ERROR, times=FOREVER)
    fetch("tsk_20", "tsk_21", "tsk_22", code=3)
    ran = archiver("verify", "--json")
    assert ran.json["integrity"]["intact"]
    assert not ran.json["completeness"]["complete"]
    assert {gap["kind"]: gap["id"] for gap in ran.json["completeness"]["gaps"]} == {
        "artifact": "tsk_20", "unfinished": "tsk_21", "never_had": "tsk_22",
    }  # fmt: skip
    archiver("verify", "--require-complete", code=3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_archive_that_cannot_be_written_gets_its_verdict(
    archiver: Command, archive: ArchiveFolder
) -> None:
    for folder in ("tmp", "ledger", "tables"):
        (archive.root / folder).chmod(0o500)
    assert "could not be recorded" in archiver("verify").err


def test_a_writer_that_holds_the_archive_is_no_hindrance(
    archiver: Command, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr("archiver.verify.history._PATIENCE", 0.0)
    with FileLock(archive.root / "tmp/lock"):
        ran = archiver("verify")
    assert "could not be recorded" in ran.err
    assert "all intact" in ran.out


@pytest.mark.parametrize(
    "options",
    [
        ["--sample", "0%"], ["--sample", "5"], ["--rotate", "0"], ["--rotate", "30d", "--quick"],
        ["--rotate", "30d", "--no-record"], ["--seed", "1"], ["--run", "../x"], ["--run", "tsk_99"],
        ["--rotate", "30d", "--resume"],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said(archiver: Command, options: list[str]) -> None:
    archiver("verify", *options, code=2)


def test_a_check_that_was_interrupted_goes_on(
    archiver: Command, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is not read again; what is harmed meanwhile and was not read is found."""
    from archiver.verify import walk as verify_walk
    from archiver.verify.history import CheckLog

    monkeypatch.setattr(verify_walk, "_BATCH", 3)
    monkeypatch.setattr(verify_walk, "_SPREAD", 1)
    take = CheckLog.take

    def interrupted(self: CheckLog, *what: Any) -> None:
        take(self, *what)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(CheckLog, "take", interrupted)
        ran = archiver("verify", "--json", code=130)
    assert ran.json["interrupted"]
    assert "--resume" in ran.err
    before = checked(archive)
    assert before == ["tsk_1", "tsk_2", "tsk_3"]
    assert not archiver("verify", "--json", "--resume", code=0).json["interrupted"]
    rows = [(row["run_id"], row["depth"]) for row in archive.rows("checks")]
    assert sorted(run for run, depth in rows if depth == "bytes") == sorted(RUNS)
    assert sorted(run for run, depth in rows if depth == "rows") == before
    assert len({row["session"] for row in archive.rows("checks")}) == 1
    assert "begins anew" in archiver("verify", "--resume").err
