"""Runs that have not settled keep their metadata; their artifacts wait, unless asked at once."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    Artifact,
    Fields,
    LyingServer,
    task_run,
    workflow_run,
)

DATA = b"%PDF-1.7 " + bytes(range(200))


@pytest.fixture
def file(server: LyingServer) -> Artifact:
    return server.artifact(DATA, "download")


def test_of_a_run_that_is_not_settled_the_metadata_is_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    now = datetime.now(UTC)
    # Documents are an hour old at `now`: this one finished a minute ago.
    fresh = task_run("tsk_1", now=now + timedelta(minutes=59), downloads=[file])
    server.add_run(fresh)
    ran = fetch("tsk_1")

    assert ran.runs == {"asked": 1, "unfinished": 1}
    assert ran.states == {"excluded": 1}
    assert "settled" in archive.artifact("tsk_1", "download 1")["reason"]
    manifest = archive.manifest("tsk_1")
    assert (manifest["is_final"], manifest["is_settled"], manifest["is_complete"]) == (
        *(True, False, False),
    )
    assert archive.document("tsk_1")["status"] == "completed"


@pytest.mark.parametrize("settle", ["0", "30s"])
def test_a_shorter_time_to_settle_takes_artifacts_at_once(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact, settle: str
) -> None:
    now = datetime.now(UTC) + timedelta(minutes=59)
    server.add_run(task_run("tsk_1", now=now, downloads=[file]))

    assert fetch("tsk_1", "--settle", settle).states == {"verified": 1}
    assert archive.manifest("tsk_1")["is_complete"] is True


def test_settle_zero_takes_what_a_running_run_has(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    server.add_run(task_run("tsk_1", "running", downloads=[file]))
    ran = fetch("tsk_1", "--settle", "0")

    assert (ran.runs, ran.states) == ({"asked": 1, "unfinished": 1}, {"verified": 1})
    assert archive.manifest("tsk_1")["is_complete"] is False


@pytest.mark.parametrize("settle", ["1000000d", "99999999999999d", "tomorrow", "-5m"])
def test_a_time_to_settle_is_taken_or_refused(
    server: LyingServer, fetch: Fetch, file: Artifact, settle: str
) -> None:
    server.add_run(task_run("tsk_1", downloads=[file]))
    assert fetch("tsk_1", "--settle", settle, code=None).code in (0, 2)


@pytest.mark.parametrize(
    "status",
    ["created", "queued", "running", "paused", "retrying", "Completed"],
)
def test_runs_that_are_not_final_are_unfinished_whatever_their_status(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, status: str
) -> None:
    server.add_run(task_run("tsk_1", status, finished_at=None))
    assert fetch("tsk_1").runs == {"asked": 1, "unfinished": 1}
    row = archive.row("runs", run_id="tsk_1")
    assert (row["status"], row["is_final"], row["is_settled"]) == (status, False, False)


@pytest.mark.parametrize("status", ["completed", "failed", "terminated", "canceled", "timed_out"])
def test_runs_of_final_statuses_are_complete(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, status: str
) -> None:
    server.add_run(workflow_run("wr_1", status))
    assert fetch("wr_1").runs == {"asked": 1, "fetched": 1}
    row = archive.row("runs", run_id="wr_1")
    assert (row["status"], row["is_final"], row["is_complete"]) == (status, True, True)


def test_without_a_finishing_time_the_modification_decides(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    server.add_run(task_run("tsk_1", finished_at=None, modified_at=now.isoformat()))
    server.add_run(task_run("tsk_2", finished_at=None))
    server.lie("tsk_2", Fields({"modified_at": (now - timedelta(minutes=11)).isoformat()}))

    assert fetch("tsk_1", "tsk_2").runs == {"asked": 2, "unfinished": 1, "fetched": 1}
    assert archive.manifest("tsk_2")["is_settled"] is True
