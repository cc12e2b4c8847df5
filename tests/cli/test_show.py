"""Show says all about one run, and where its artifacts lie."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import GONE, LyingServer, Status, png, task_run, webm


@pytest.fixture
def run_id(server: LyingServer, fetch: Fetch) -> str:
    """A failed run with an artifact of each kind, one of them gone."""
    shot = server.artifact(png(), "screenshot")
    server.lie(shot, GONE)
    file = server.artifact(b"%PDF-1.7", "download")
    run_id = server.add_run(
        task_run(
            "tsk_1",
            "failed",
            recording=server.artifact(webm()),
            screenshots=[shot],
            downloads=[file.entry(filename="../für\x1b[31m.pdf")],
            failure_reason="No\x1b[31m login\nform",
            errors=[{"error_code": "LOGIN", "reasoning": "no \x1b[0m form"}],
        )
    )
    fetch(run_id)
    return run_id


def test_show_tells_people(archiver: Command, archive: ArchiveFolder, run_id: str) -> None:
    out = archiver("show", run_id).out
    for text in ("tsk_1", "failed", "revision 1", "LOGIN", "410", "verified", "unverified", "gone"):
        assert text in out
    for name in ("recording 1", "download 1"):
        place = archive.run(run_id) / archive.artifact(run_id, name)["path"]
        assert str(place) in out
    assert "\x1b" not in out


def test_show_tells_machines(archiver: Command, archive: ArchiveFolder, run_id: str) -> None:
    shown = archiver("show", run_id, "--json").json
    assert shown["run"]["status"] == "failed"
    assert shown["run"]["failure_reason"] == "No\x1b[31m login\nform"
    assert datetime.fromisoformat(shown["run"]["created_at"]).tzinfo is not None
    assert [(a["kind"], a["state"]) for a in shown["artifacts"]] == [
        ("recording", "unverified"),
        ("screenshot", "gone"),
        ("download", "verified"),
    ]
    assert [error["error_code"] for error in shown["errors"]] == ["LOGIN"]
    assert len(shown["location"]) == 2
    for artifact in shown["artifacts"]:
        if artifact["path"]:
            data = Path(shown["location"][artifact["path"]]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == artifact["sha256"]


def test_show_tells_of_the_latest_revision(
    server: LyingServer, fetch: Fetch, archiver: Command
) -> None:
    created = "2026-01-01T00:00:00"
    server.add_run(
        task_run("tsk_1", "running", created_at=created), task_run("tsk_1", created_at=created)
    )
    fetch("tsk_1")
    assert archiver("show", "tsk_1", "--json").json["run"]["status"] == "running"
    assert "none" in archiver("show", "tsk_1").out
    fetch("tsk_1")
    run = archiver("show", "tsk_1", "--json").json["run"]
    assert (run["status"], run["revision"]) == ("completed", 2)


def test_a_run_that_is_not_held_is_told(archiver: Command, run_id: str) -> None:
    ran = archiver("show", "tsk_2", code=3)
    assert ran.out == ""
    assert "tsk_2. `archiver fetch tsk_2` fetches it" in ran.err


def test_json_is_utf8_and_whole(server: LyingServer, fetch: Fetch, archiver: Command) -> None:
    server.add_run(task_run("tsk_1", title="\u2028 «Grüße» 🧾 \x00"))
    fetch("tsk_1")
    out = archiver("show", "tsk_1", "--json").stdout
    assert "«Grüße» 🧾".encode() in out
    assert json.loads(out)["run"]["title"] == "\u2028 «Grüße» 🧾 \x00"


def test_problems_name_run_and_artifact(server: LyingServer, archiver: Command) -> None:
    shot = server.artifact(png(), "screenshot")
    server.lie(shot, Status(500))
    server.add_run(task_run("tsk_1", screenshots=[shot]))
    ran = archiver("fetch", "tsk_1", "--attempts", "1", "--quiet", code=3)
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert "tsk_1 screenshot 1: " in line
    assert "500" in line


def test_an_id_that_the_api_did_not_know_is_told_from_one_that_was_never_asked_for(
    archiver: Command, fetch: Fetch, server: LyingServer
) -> None:
    fetch(server.add_run(task_run("tsk_1")), "tsk_404", code=3)
    assert "the API did not know it" in archiver("show", "tsk_404", code=3).err
    never = archiver("show", "tsk_405", code=3).err
    assert "`archiver fetch tsk_405` fetches it" in never
