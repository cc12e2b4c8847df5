"""An API that fails for a moment is asked again; one that is down is not asked a million times."""

from datetime import UTC, datetime

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    FOREVER,
    SERVER_ERROR,
    Body,
    Cut,
    HangUp,
    Lie,
    LyingServer,
    Reset,
    Status,
    task_run,
    throttled,
)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "lie",
    [
        *(SERVER_ERROR, Status(501), Status(507), Status(521), Status(408), throttled(0)),
        *(throttled(datetime(2026, 1, 1, tzinfo=UTC), 503), throttled("soon")),
        *(HangUp(), Reset(), Reset(100), Cut(100), Cut(100, "chunked"), Cut(100, "close")),
    ],
    ids=str,
)
def test_what_passes_is_asked_again(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Lie
) -> None:
    server.lie(server.add_run(task_run("tsk_1")), lie)
    assert fetch("tsk_1", "--attempts", "2").runs == {"asked": 1, "fetched": 1}
    row = archive.row("fetches", run_id="tsk_1")
    assert (row["requests"], row["retries"]) == (2, 1)


@pytest.mark.parametrize(
    "lie", [Status(400), Status(418), Body(b"not JSON"), Status(302, headers={"Location": "/x"})]
)
def test_what_does_not_pass_is_not_asked_again(server: LyingServer, fetch: Fetch, lie: Lie) -> None:
    server.lie(server.add_run(task_run("tsk_1")), lie, times=FOREVER)
    assert fetch("tsk_1", "--attempts", "5", code=3).runs == {"asked": 1, "failed": 1}
    assert len(server.requests) == 1


def test_an_api_that_is_down_ends_the_batch_with_one_line(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.lie("/v1/runs/*", Status(503), times=FOREVER)
    ids = [f"tsk_{number}" for number in range(2_000)]
    ran = fetch(*ids, code=3)
    assert len(server.requests) < 130
    *warnings, last = ran.err.splitlines()[1:]
    assert last.startswith("Error: the API at")
    assert "Run the same command again" in last
    assert len(warnings) <= 20
    assert "Traceback" not in ran.err


def test_runs_that_fail_for_ever_do_not_keep_the_others_from_their_turn(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    bad = [server.add_run(task_run(f"tsk_bad{number}")) for number in range(130)]
    good = [server.add_run(task_run(f"tsk_good{number}")) for number in range(3)]
    for run_id in bad:
        server.lie(run_id, SERVER_ERROR, times=FOREVER)
    fetch(*bad, *good, code=3)
    assert archive.rows("runs") == []
    fetch(*bad, *good, code=3)
    assert {row["run_id"] for row in archive.rows("runs")} == set(good)


def test_an_api_that_comes_back_is_asked_as_before(server: LyingServer, fetch: Fetch) -> None:
    ids = [server.add_run(task_run(f"tsk_{number}")) for number in range(60)]
    for run_id in ids[:40]:
        server.lie(run_id, SERVER_ERROR, times=FOREVER)
    ran = fetch(*ids, code=3)
    assert ran.runs == {"asked": 60, "fetched": 20, "failed": 40}


def test_links_about_to_end_are_renewed_before_they_are_used(
    server: LyingServer, fetch: Fetch
) -> None:
    server.expire_links_after(5)
    file = server.artifact(b"x", "download")
    server.add_run(task_run("tsk_1", downloads=[file]))
    assert fetch("tsk_1").states == {"verified": 1}
    assert server.count("/v1/runs/tsk_1") == 2
    assert server.count("/v1/artifacts/") == 1
