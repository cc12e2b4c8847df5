"""Redirects: the API's are not followed, the artifacts' are, a little, and without the key."""

import re

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    FOREVER,
    LyingServer,
    Redirect,
    task_run,
)


def test_the_api_is_not_followed_elsewhere(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1"))
    for status in (301, 302, 303, 307, 308):
        server.lie("tsk_1", Redirect(f"{server.storage_url}/v1/runs/tsk_1", status))
        ran = fetch("tsk_1", code=3)
        assert ran.runs == {"asked": 1, "failed": 1}
        assert server.storage_url in ran.reasons[0]
    server.lie("tsk_1", Redirect("/v1/runs/tsk_2"))
    fetch("tsk_1", code=3)
    assert server.count(origin="storage") == 0
    assert server.count("/v1/runs/tsk_2") == 0


def test_artifacts_are_followed_elsewhere_without_the_key(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    file = server.artifact(b"the file", "download")
    server.lie(file, Redirect(server.link(file, "storage"), 307))
    run_id = server.add_run(task_run("tsk_1", downloads=[file]))

    assert fetch(run_id).states == {"verified": 1}
    assert archive.read(run_id, "download 1") == b"the file"
    (elsewhere,) = (request for request in server.requests if request.origin == "storage")
    assert "x-api-key" not in elsewhere.headers
    assert re.fullmatch(r"127\.0\.0\.1:\d+", elsewhere.headers["host"])


@pytest.mark.parametrize(("hops", "state"), [(1, "verified"), (5, "verified"), (6, "failed")])
def test_artifacts_are_followed_five_times_at_most(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, hops: int, state: str
) -> None:
    file = server.artifact(b"the file", "download")
    server.lie(file, Redirect(), times=hops)
    run_id = server.add_run(task_run("tsk_1", downloads=[file]))

    fetch(run_id, code=0 if state == "verified" else 3)
    assert archive.states(run_id) == {"download 1": state}
    assert server.count(f"/v1/artifacts/{file.id}") == min(hops, 5) + 1


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "http://[::1"]
)
def test_artifacts_are_followed_to_http_alone(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, to: str
) -> None:
    file = server.artifact(b"the file", "download")
    server.lie(file, Redirect(to), times=FOREVER)
    run_id = server.add_run(task_run("tsk_1", downloads=[file.entry(checksum=None)]))

    assert fetch(run_id, "--local-artifacts", "/", code=3).states == {"failed": 1}
    assert archive.artifact(run_id, "download 1")["reason"]
