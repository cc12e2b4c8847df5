"""Fetching again: what is complete is not asked for, what changed becomes a new revision."""

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import (
    FOREVER,
    NOT_FOUND,
    SERVER_ERROR,
    Artifact,
    Body,
    LyingServer,
    png,
    read,
    task_run,
    webm,
    workflow_run,
)

FILE = b"%PDF-1.7 first"


@pytest.fixture
def file(server: LyingServer) -> Artifact:
    return server.artifact(FILE, "download")


def test_the_second_fetch_asks_nothing_and_says_so(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, file: Artifact
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}", downloads=[file])) for n in range(5)]
    archiver("fetch", *ids)
    before = archive.files()
    server.clear_requests()

    again = archiver("fetch", *ids)

    assert server.requests == []
    assert "5 unchanged" in again.out
    assert "not asked" in again.out
    after = archive.files()
    assert {
        name for name in after.keys() - before.keys() if not name.startswith("ledger/")
    } == set()
    assert before.items() <= after.items()


def test_refresh_asks_but_commits_nothing_that_is_not_new(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    run_id = server.add_run(
        task_run("tsk_1", recording=server.artifact(webm(), in_storage=True), downloads=[file])
    )
    fetch(run_id)
    server.clear_requests()

    assert fetch(run_id, "--refresh").runs == {"asked": 1, "unchanged": 1}
    assert [request.path for request in server.requests] == [f"/v1/runs/{run_id}"]
    assert archive.revisions(run_id) == ["r1"]
    assert len(archive.rows("runs")) == 1


def test_refresh_keeps_what_changed_as_a_new_revision(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    kept = server.artifact(webm())
    then = datetime.now(UTC)
    server.add_run(
        task_run("tsk_1", now=then, recording=kept, downloads=[file]),
        task_run("tsk_1", now=then, recording=kept, downloads=[file], title="renamed"),
    )
    fetch("tsk_1")
    first = archive.files()
    assert fetch("tsk_1", "--refresh").runs == {"asked": 1, "fetched": 1}

    assert archive.revisions("tsk_1") == ["r1", "r2"]
    assert archive.document_path("tsk_1", 2) == "r2/run.json"
    assert archive.document("tsk_1", 2)["title"] == "renamed"
    paths = [entry["path"] for entry in archive.artifacts("tsk_1", 2).values()]
    assert paths == ["r1/recording.webm", "r1/downloads/invoice.pdf"]
    assert first.items() <= archive.files().items()


def test_a_run_that_became_final_gets_revision_2(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    late = server.artifact(b"late", "download", "late.txt")
    server.add_run(
        task_run("tsk_1", "running", downloads=[file]),
        task_run("tsk_1", downloads=[file, late]),
    )
    assert fetch("tsk_1", "--settle", "0").runs == {"asked": 1, "unfinished": 1}
    server.clear_requests()
    assert fetch("tsk_1").runs == {"asked": 1, "fetched": 1}

    assert archive.revisions("tsk_1") == ["r1", "r2"]
    assert archive.document("tsk_1", 1)["status"] == "running"
    assert archive.document("tsk_1", 2)["status"] == "completed"
    assert archive.artifact("tsk_1", "download 1", 2)["path"] == "r1/downloads/invoice.pdf"
    assert archive.artifact("tsk_1", "download 2", 2)["path"] == "r2/downloads/late.txt"
    assert archive.read("tsk_1", "download 2", 2) == b"late"
    # What is verified already is not fetched again.
    assert server.count(f"/v1/artifacts/{file.id}") == 0
    for revision in ("r1", "r2"):
        ended = subprocess.run(
            ["sha256sum", "--strict", "-c", f"{revision}/SHA256SUMS"],
            cwd=archive.run("tsk_1"),
            capture_output=True,
        )
        assert ended.returncode == 0
    sums = (archive.run("tsk_1") / "r2/SHA256SUMS").read_text()
    assert "  r1/downloads/invoice.pdf\n" in sums
    assert fetch("tsk_1").runs == {"asked": 1, "unchanged": 1}


def test_a_recording_taken_early_is_fetched_again_once_when_the_run_settles(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    early, late = server.artifact(webm(seed=1)), webm(5000, seed=2)
    server.add_run(
        task_run("tsk_1", "running", recording=early), task_run("tsk_1", recording=early)
    )
    fetch("tsk_1", "--settle", "0")
    # The same link, other bytes: the service replaced the recording.
    server.lie(early, Body(late), times=FOREVER)
    fetch("tsk_1")

    assert archive.read("tsk_1", "recording 1", 1) == read(webm(seed=1))
    assert archive.read("tsk_1", "recording 1", 2) == read(late)
    assert archive.artifact("tsk_1", "recording 1", 2)["path"] == "r2/recording.webm"


def test_an_early_copy_stays_when_it_cannot_be_had_again(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    early = server.artifact(webm(seed=1))
    server.add_run(
        task_run("tsk_1", "running", recording=early), task_run("tsk_1", recording=early)
    )
    fetch("tsk_1", "--settle", "0")
    server.lie(early, SERVER_ERROR)
    server.lie(early, NOT_FOUND)

    ran = fetch("tsk_1", code=3)
    assert (ran.states, len(ran.reasons)) == ({"unverified": 1}, 1)
    assert archive.read("tsk_1", "recording 1", 2) == read(webm(seed=1))
    assert fetch("tsk_1").states == {"unverified": 1}
    assert archive.artifact("tsk_1", "recording 1", 3)["path"] == "r1/recording.webm"
    assert fetch("tsk_1").runs == {"asked": 1, "unchanged": 1}


def test_a_run_is_fetched_when_it_has_settled(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    now = datetime.now(UTC)
    created = (now - timedelta(hours=2)).isoformat()
    server.add_run(
        task_run("tsk_1", now=now + timedelta(minutes=55), downloads=[file], created_at=created),
        task_run("tsk_1", now=now, downloads=[file], created_at=created),
    )
    assert fetch("tsk_1").states == {"excluded": 1}
    assert fetch("tsk_1").states == {"verified": 1}
    assert archive.read("tsk_1", "download 1", 2) == FILE


def test_an_unfinished_run_that_did_not_change_gets_no_revision(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1", "running"))
    for _ in range(3):
        assert fetch("tsk_1").runs == {"asked": 1, "unfinished": 1}
    assert archive.revisions("tsk_1") == ["r1"]
    assert len(archive.rows("runs")) == 1
    assert len(archive.rows("fetches")) == 3


def test_what_the_service_lists_no_more_stays(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    shot = server.artifact(png(), "screenshot")
    server.add_run(
        task_run("tsk_1", recording=server.artifact(webm()), screenshots=[shot], downloads=[file]),
        task_run("tsk_1", recording_archived=True),
    )
    fetch("tsk_1")
    fetch("tsk_1", "--refresh")

    assert archive.read("tsk_1", "recording 1", 2) == read(webm())
    assert archive.read("tsk_1", "download 1", 2) == FILE
    assert archive.read("tsk_1", "screenshot 1", 2) == read(png())


def test_a_gap_stays_a_gap_without_a_new_revision(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    run_id = server.add_run(task_run("tsk_1", downloads=[file]))
    server.lie(file, SERVER_ERROR, times=FOREVER)
    fetch(run_id, code=3)
    ran = fetch(run_id, code=3)

    assert ran.runs == {"asked": 1, "unchanged": 1}
    assert ran.states == {"failed": 1}
    assert len(ran.reasons) == 1
    assert archive.revisions(run_id) == ["r1"]


def test_a_workflow_runs_id_that_a_task_answers_for(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, file: Artifact
) -> None:
    server.add_run(task_run("tsk_v2_9", run_type="task_v2", downloads=[file]), run_id="wr_7")
    session = fetch("wr_7").json["session"]

    assert archive.run("tsk_v2_9").name == "tsk_v2_9"
    assert not list(archive.root.glob("runs/**/wr_7"))
    manifest = archive.manifest("tsk_v2_9")
    assert (manifest["run_id"], manifest["asked_id"]) == ("tsk_v2_9", "wr_7")
    row = archive.row("fetches", session=session)
    assert (row["asked_id"], row["run_id"], row["outcome"]) == ("wr_7", "tsk_v2_9", "fetched")
    server.clear_requests()
    assert fetch("wr_7").runs == {"asked": 1, "unchanged": 1}
    assert fetch("tsk_v2_9").runs == {"asked": 1, "unchanged": 1}
    assert server.requests == []
    assert archiver("show", "wr_7", "--json").json["run"]["run_id"] == "tsk_v2_9"


def test_two_ids_of_one_run_in_one_session_make_one_revision(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    document = task_run("tsk_v2_9", downloads=[file])
    server.add_run(document, run_id="wr_7")
    server.add_run(document)
    ran = fetch("wr_7", "tsk_v2_9")

    assert ran.runs == {"asked": 2, "fetched": 1, "unchanged": 1}
    assert archive.revisions("tsk_v2_9") == ["r1"]
    assert len(archive.rows("runs")) == 1


def test_a_creation_time_that_becomes_known_makes_no_second_run(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    now = datetime.now(UTC)
    server.add_run(
        task_run("tsk_1", "created", now=now, created_at=None), task_run("tsk_1", now=now)
    )
    fetch("tsk_1")
    fetch("tsk_1")

    assert [row["revision"] for row in archive.rows("runs")] == [1, 2]
    assert archive.revisions("tsk_1") == ["r1", "r2"]


def test_workflow_runs_are_held_too(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(workflow_run("wr_1", recording=server.artifact(webm())))
    assert fetch("wr_1").states == {"unverified": 1}
    assert archive.read("wr_1", "recording 1") == read(webm())
    assert json.loads(archive.row("runs", run_id="wr_1")["attempts"])[0]["attempt_number"] == 1
    server.clear_requests()
    assert fetch("wr_1").runs == {"asked": 1, "unchanged": 1}
    assert server.requests == []
