"""Holds keep runs from being removed; accepted gaps are not asked for any more."""

import json
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import FOREVER, LyingServer, Status, png, task_run

OLD: dict[str, Any] = {
    "created_at": "2018-01-01T00:00:00",
    "finished_at": "2018-01-01T01:00:00",
    "modified_at": "2018-01-01T01:00:00",
    "queued_at": None,
    "started_at": None,
}


@pytest.fixture
def runs(server: LyingServer, fetch: Fetch) -> list[str]:
    for run_id in ("tsk_1", "tsk_2"):
        server.add_run(task_run(run_id, **OLD))
    fetch("tsk_1", "tsk_2")
    return ["tsk_1", "tsk_2"]


def test_what_is_on_hold_is_not_removed(
    archiver: Command, archive: ArchiveFolder, runs: list[str]
) -> None:
    ran = archiver("hold", "tsk_1", "--reason", "case 7", "--json").json
    assert ran["runs"] == ["tsk_1"]
    assert archiver("hold", "--list", "--json").json["runs"][0]["reason"] == "case 7"
    assert "on hold since" in archiver("show", "tsk_1").out
    told = archiver("erase", "--where", "true", "--reason", "x", "--yes", code=3).err
    assert "tsk_1 (case 7)" in told
    assert archive.run("tsk_2").joinpath("r1/run.json").exists()
    dry = archiver("prune", "--older-than", "1y", "--dry-run", "--json").json
    assert (dry["runs"], dry["on_hold"][0]["run_id"]) == (["tsk_2"], "tsk_1")
    pruned = archiver("prune", "--older-than", "1y", "--json").json
    assert (pruned["runs"], pruned["on_hold"]) == (["tsk_2"], ["tsk_1"])
    archiver("release", "tsk_1", "--reason", "closed")
    assert archiver("hold", "--list").out == "there are none\n"
    assert archiver("show", "tsk_1", "--json").json["hold"] is None
    assert archiver("prune", "--older-than", "1y", "--json").json["runs"] == ["tsk_1"]
    archiver("verify")
    kinds = [one["kind"] for one in archiver("ledger", "--json").json["records"]]
    assert kinds[:5] == ["fetch", "hold", "prune", "release", "prune"]


def test_runs_on_hold_are_chosen_by_a_condition(archiver: Command, runs: list[str]) -> None:
    assert archiver("hold", "--where", "run_id > 'tsk_1'", "--reason", "x", "--json").json[
        "runs"
    ] == ["tsk_2"]
    (record,) = archiver("ledger", "--limit", "1", "--json").json["records"]
    assert record["by"]["options"]["where"] == "(not kept)"
    assert (record["ids_asked"], record["details"]) == (1, {"reason": "x"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("hold", "tsk_1"),
        ("hold", "tsk_1", "--reason", "  "),
        ("hold", "--reason", "x"),
        ("hold", "tsk_99", "--reason", "x"),
        ("hold", "../x", "--reason", "x"),
        ("hold", "tsk_1", "--where", "true", "--reason", "x"),
        ("hold", "--where", "read_text('/etc/passwd') <> ''", "--reason", "x"),
        ("release", "tsk_1", "--reason", "x"),
        ("accept", "tsk_1"),
    ],
)
def test_what_is_not_clear_is_not_decided(
    archiver: Command, archive: ArchiveFolder, runs: list[str], arguments: tuple[str, ...]
) -> None:
    before = archive.files()
    assert "Error: " in archiver(*arguments, code=2).err
    assert archive.files() == before


def test_nothing_is_removed_as_long_as_holds_cannot_be_told(
    archiver: Command, archive: ArchiveFolder, runs: list[str]
) -> None:
    archiver("hold", "tsk_1", "--reason", "x")
    (ids,) = archive.root.glob("ledger/*.ids")
    ids.write_text("tsk_2\n")
    assert "ids" in archiver("prune", "--older-than", "1y", code=4).err
    ids.unlink()
    archiver("prune", "--older-than", "1y", code=4)
    assert archive.run("tsk_2").joinpath("r1/run.json").exists()


def test_what_was_never_asked_for_is_not_accepted(
    archiver: Command, fetch: Fetch, runs: list[str]
) -> None:
    fetch("tsk_404", code=3)
    before = archiver("ledger", "--json").json["head"]
    told = archiver("accept", "tsk_1", "tsk_404", "tsk_11", "--reason", "x", code=2).err
    assert "never asked for: tsk_11; nothing was accepted" in told
    assert archiver("ledger", "--json").json["head"] == before
    archiver("accept", "tsk_1", "tsk_404", "--reason", "x")


def test_accepted_gaps_do_not_fail_the_night(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    broken = server.artifact(png(), "download", "a.png")
    server.lie(broken, Status(500), times=FOREVER)
    server.add_run(task_run("tsk_1", downloads=[broken]))
    fetch("tsk_1", "tsk_404", code=3)
    fetch("tsk_1", "tsk_404", code=3)
    archiver("accept", "tsk_1", "tsk_404", "--reason", "lost in the move")
    ran = fetch("tsk_1", "tsk_404").json
    assert (ran["runs"]["unchanged"], ran["accepted"], ran["problems"]) == (2, 2, [])
    assert "accepted as it is" in archiver("show", "tsk_1").out
    assert {one["run_id"] for one in archiver("accept", "--list", "--json").json["runs"]} == {
        "tsk_1",
        "tsk_404",
    }
    fetch("tsk_1", "tsk_404", "--refresh", code=3)
    record = json.loads(max(archive.root.glob("ledger/*.json")).read_text())
    assert record["kind"] == "fetch"
