"""Prune and erase: what is removed is gone, what is to stay stays, and proofs still hold."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.commands.test_redaction import everything
from tests.lying_server import LyingServer, png, task_run, webm

MARK = "Marker4711"


def marked(server: LyingServer, run_id: str, **changes: object) -> str:
    """A run with a mark wherever the API may have one, and in the bytes of its file."""
    document = task_run(
        run_id,
        "failed",
        title=MARK,
        failure_reason=f"{MARK} was not found",
        output={"name": MARK},
        errors=[{"error_code": MARK, "reasoning": MARK, "confidence_float": 0.5}],
        app_url=f"https://app.example.com/{MARK}",
        request={"prompt": MARK, "url": f"https://example.com/{MARK}"},
        recording=server.artifact(webm()),
        screenshots=[server.artifact(png(), "screenshot")],
        downloads=[server.artifact(MARK.encode() * 9, "download", f"{MARK}.txt")],
    )
    return server.add_run({**document, **changes})


@pytest.fixture
def runs(server: LyingServer, fetch: Fetch) -> list[str]:
    """Two runs, the first with two revisions and a mark, and another that has none."""
    marked(server, "tsk_1")
    server.add_run(task_run("tsk_2", screenshots=[server.artifact(png(2), "screenshot")]))
    fetch("tsk_1", "tsk_2")
    marked(server, "tsk_1", title=f"{MARK} again")
    fetch("tsk_1", "--refresh")
    return ["tsk_1", "tsk_2"]


def test_nothing_of_an_erased_run_is_left(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder, runs: list[str]
) -> None:
    assert MARK in everything(archive.root)
    size = len(list((archive.run("tsk_2") / "r1").rglob("*")))
    ran = archiver(
        "erase", "--where", f"title LIKE '%{MARK}%'", "--reason", "asked for", "--yes", "--json"
    )
    assert ran.json["runs"] == ["tsk_1"]
    assert MARK not in everything(archive.root)
    assert [p.name for p in archive.run("tsk_1").iterdir()] == ["r3"]
    assert len(list((archive.run("tsk_2") / "r1").rglob("*"))) == size
    archiver("verify")
    archiver("reindex")
    archiver("verify")
    assert MARK not in everything(archive.root)
    record = archiver("ledger", "--json").json["records"]
    (erased,) = [one for one in record if one["kind"] == "erase"]
    assert erased["details"]["reason"] == "asked for"
    assert erased["by"]["options"]["where"] == "(not kept)"


def test_a_tombstone_says_what_there_was(
    archiver: Command, archive: ArchiveFolder, runs: list[str]
) -> None:
    folder = archive.run("tsk_1")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    archiver("erase", "tsk_1", "--reason", "asked for", "--yes")
    tombstone = json.loads((folder / "r3/manifest.json").read_text())
    removed = tombstone["removed"]
    assert (removed["kind"], removed["reason"]) == ("erased", "asked for")
    assert (tombstone["status"], tombstone["document"], tombstone["artifacts"]) == (
        "failed",
        None,
        [],
    )
    assert [one["manifest"].rsplit("/", 2)[1] for one in removed["revisions"]] == ["r1", "r2"]
    digests = {one["sha256"] for one in removed["revisions"]}
    digests |= {file["sha256"] for one in removed["revisions"] for file in one["files"]}
    for path, data in before.items():
        if path.name != "SHA256SUMS":
            assert hashlib.sha256(data).hexdigest() in digests
    row = archiver("query", "SELECT * FROM runs WHERE run_id = 'tsk_1'", "--format", "json").json[0]
    assert (row["removed"], row["status"], row["title"], row["is_complete"]) == (
        "erased",
        "failed",
        None,
        True,
    )
    assert row["run_seconds"] is not None
    counts = "SELECT count(*) AS n FROM {} WHERE run_id = 'tsk_1'"
    for view, count in (("run_revisions", 1), ("document_revisions", 0), ("artifacts", 0)):
        asked = archiver("query", counts.format(view), "--format", "json").json
        assert asked == [{"n": count}], view
    shown = archiver("show", "tsk_1", "--json").json["removal"]
    assert (shown["kind"], shown["reason"]) == ("erased", "asked for")
    assert "erased 20" in archiver("show", "tsk_1").out
    assert [path.name for path in (folder / "r3").iterdir()] == ["manifest.json"]
    for report in ("overview", "durations", "failures", "artifacts"):
        archiver("report", report)


def test_old_proofs_hold_and_the_tombstone_has_its_own(
    archiver: Command, fetch: Fetch, runs: list[str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    archiver("prove", "tsk_1", "--output", old)
    head = archiver("ledger", "--json").json["head"]
    archiver("erase", "tsk_1", "--reason", "asked for", "--yes")
    archiver("prove", "tsk_1", "--output", new)
    archiver("check-proof", old, "--head", head)
    assert archiver("check-proof", new, "--json").json["revision"] == 3


def test_a_removed_run_is_not_fetched_again(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder, runs: list[str]
) -> None:
    archiver("erase", "tsk_1", "--reason", "asked for", "--yes")
    for options in ((), ("--refresh",)):
        assert fetch("tsk_1", *options).runs == {"asked": 1, "unchanged": 1}
    assert [p.name for p in archive.run("tsk_1").iterdir()] == ["r3"]
    assert MARK not in everything(archive.root)
    again = archiver("erase", "tsk_1", "--reason", "again", "--yes", "--json").json
    assert again["runs"] == []


def test_prune_takes_what_is_old_enough(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    old = {"created_at": "2018-01-01T00:00:00", "queued_at": None, "started_at": None}
    ended = {"finished_at": "2018-01-01T01:00:00", "modified_at": "2018-01-01T01:00:00"}
    for run in ("tsk_1", "tsk_2"):
        marked(server, run, **{**old, **ended})
    marked(server, "tsk_3")
    fetch("tsk_1", "tsk_2", "tsk_3")
    before = archive.files()
    dry = archiver("prune", "--older-than", "7y", "--dry-run", "--json").json
    assert dry["runs"] == ["tsk_1", "tsk_2"]
    assert archive.files() == before
    rule = ("--rule", "older-than=90d status=failed workflow=none")
    assert archiver("prune", *rule).out == "no run is old enough\n"
    ran = archiver("prune", "--rule", "older-than=90d status=failed run-type=task_v1", "--json")
    assert ran.json["runs"] == ["tsk_1", "tsk_2"]
    assert ran.json["files"] == 12
    states = archiver(
        "query", "SELECT run_id, removed FROM runs ORDER BY ALL", "--format", "json"
    ).json
    assert [row["removed"] for row in states] == ["pruned", "pruned", None]
    assert archiver("prune", "--older-than", "7y").out == "no run is old enough\n"
    archiver("verify")


@pytest.mark.parametrize(
    "arguments",
    [
        ("prune",),
        ("prune", "--rule", "status=failed"),
        ("prune", "--rule", "older-than=soon"),
        ("prune", "--rule", "older-than=1d color=red"),
        ("prune", "--rule", "older-than=1d status=faild"),
        ("prune", "--rule", "older-than=1d older-than=2d"),
        ("prune", "--older-than", "0s"),
        ("erase", "tsk_1", "--yes"),
        ("erase", "tsk_1", "--reason", " ", "--yes"),
        ("erase", "tsk_1", "--reason", "x"),
        ("erase", "--reason", "x", "--yes"),
        ("erase", "tsk_1", "--where", "true", "--reason", "x", "--yes"),
        ("erase", "tsk_99", "--reason", "x", "--yes"),
        ("erase", "--where", "1; drop", "--reason", "x", "--yes"),
    ],
)
def test_nothing_is_removed_where_it_is_not_clear(
    archiver: Command, archive: ArchiveFolder, runs: list[str], arguments: tuple[str, ...]
) -> None:
    before = archive.files()
    assert "Error: " in archiver(*arguments, code=2).err
    assert archive.files() == before


def test_sha256sum_says_what_a_list_lacks(
    archiver: Command, archive: ArchiveFolder, runs: list[str]
) -> None:
    archiver("erase", "tsk_1", "--reason", "x", "--yes")
    last = max(archive.root.glob("ledger/*.sha256"))
    command = ["sha256sum", "--strict", "-c", str(last.relative_to(archive.root))]
    assert subprocess.run(command, cwd=archive.root, capture_output=True).returncode == 0
