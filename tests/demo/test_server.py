"""The demo server answers like the real one, over real sockets; its runs are what they promise."""

import hashlib
import http.client
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from archiver.demo.runs import demo_runs
from archiver.demo.server import DemoServer

NOW = datetime(2030, 11, 23, 4, 5, 6, 789, tzinfo=UTC)
KEY = "demo-key"
FULL = "tsk_600323869411061120"
WORKFLOW = "wr_600323882295963128"
QUEUED = "wr_600330145572634624"


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = NOW.timestamp()

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def all_runs() -> Any:
    return demo_runs(NOW)


@pytest.fixture
def server(clock: Clock, all_runs: Any) -> Iterator[DemoServer]:
    with DemoServer(all_runs, api_key=KEY, signing_secret=b"s", clock=clock) as running:
        yield running


@pytest.fixture
def connection(server: DemoServer) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection, url: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection.request(method, target, headers=headers)
    response = connection.getresponse()
    return response, response.read()


def run(connection: http.client.HTTPConnection, run_id: str) -> dict[str, Any]:
    response, body = ask(connection, f"/v1/runs/{run_id}", **{"x-api-key": KEY})
    assert response.status == 200
    answer: dict[str, Any] = json.loads(body)
    return answer


def urls_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(urls_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(urls_in, value))
    return {value} if isinstance(value, str) and "/content?" in value else set()


def test_a_run_needs_the_key(connection: http.client.HTTPConnection) -> None:
    for headers in ({}, {"x-api-key": "wrong"}, {"x-api-key": ""}, {"x-api-key": "é"}):
        response, body = ask(connection, f"/v1/runs/{FULL}", **headers)
        assert response.status == 403
        assert json.loads(body) == {"detail": "Invalid credentials"}


def test_an_unknown_run_is_404(connection: http.client.HTTPConnection) -> None:
    response, body = ask(connection, "/v1/runs/tsk_1", **{"x-api-key": KEY})
    assert response.status == 404
    assert json.loads(body) == {"detail": "Task run not found tsk_1"}


@pytest.mark.parametrize("path", ["/", "/v1/runs", "/v1/runs/a/b", "/v1/artifacts/a_1"])
def test_other_paths_are_404(connection: http.client.HTTPConnection, path: str) -> None:
    assert ask(connection, path, **{"x-api-key": KEY})[0].status == 404


def test_every_file_has_the_size_and_checksum_of_the_answer(
    server: DemoServer, connection: http.client.HTTPConnection
) -> None:
    checked = 0
    for run_id in server.run_ids:
        for file in run(connection, run_id)["downloaded_files"] or []:
            response, body = ask(connection, file["url"])
            assert response.status == 200
            assert response.headers["Content-Type"] == "application/octet-stream"
            assert response.headers["Content-Disposition"].startswith("attachment; filename=")
            assert len(body) == int(response.headers["Content-Length"]) == file["file_size"]
            assert hashlib.sha256(body).hexdigest() == file["checksum"]
            checked += 1
    assert checked == 9


def test_recordings_and_screenshots_are_what_they_are_called(
    server: DemoServer, connection: http.client.HTTPConnection
) -> None:
    for run_id in server.run_ids:
        answer = run(connection, run_id)
        if answer["recording_url"] is not None:
            response, body = ask(connection, answer["recording_url"])
            assert response.headers["Content-Type"] == "video/webm"
            assert body.startswith(b"\x1a\x45\xdf\xa3")
        for url in answer["screenshot_urls"] or []:
            response, body = ask(connection, url)
            assert response.headers["Content-Type"] == "image/png"
            assert body.startswith(b"\x89PNG")


def test_one_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    run(connection, FULL)
    first = connection.sock
    run(connection, WORKFLOW)
    assert ask(connection, "/v1/runs/tsk_1")[0].status == 403
    assert connection.sock is first is not None


def test_urls_are_minted_anew_and_expire(
    connection: http.client.HTTPConnection, clock: Clock
) -> None:
    old = run(connection, FULL)
    video, file = old["recording_url"], old["downloaded_files"][0]["url"]
    assert f"expiry={int(clock()) + 3600}&" in video
    assert f"expiry={int(clock()) + 12 * 3600}&" in file
    clock.seconds += 3600
    response, body = ask(connection, video)
    assert response.status == 403
    assert json.loads(body) == {"detail": "Invalid or expired artifact URL"}
    assert ask(connection, file)[0].status == 200
    fresh = run(connection, FULL)["recording_url"]
    assert fresh != video
    assert ask(connection, fresh)[0].status == 200


def test_urls_deep_inside_the_output_work_too(connection: http.client.HTTPConnection) -> None:
    answer = run(connection, WORKFLOW)
    deep = urls_in(answer["output"])
    assert len(deep) == 5
    assert answer["downloaded_files"][0]["url"] in deep
    assert all(ask(connection, url)[0].status == 200 for url in deep)


def test_content_wants_the_signature_and_nothing_else(
    connection: http.client.HTTPConnection,
) -> None:
    answer = run(connection, FULL)
    url, other = answer["screenshot_urls"][:2]
    altered = (
        url.partition("?")[0],
        re.sub("sig=.", "sig=", url),
        re.sub(r"expiry=\d", "expiry=9", url),
        re.sub(r"expiry=\d+", "expiry=never", url),
        f"{other.partition('?')[0]}?{url.partition('?')[2]}",
        re.sub(r"a_\d+", "a_1", url),
    )
    for wrong in altered:
        response, body = ask(connection, wrong, **{"x-api-key": KEY})
        assert response.status == 403
        assert json.loads(body) == {"detail": "Invalid or expired artifact URL"}


@pytest.mark.parametrize(
    ("wanted", "status", "start", "stop"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, None),
        ("bytes=-10", 206, -10, None),
        ("bytes=-99999999", 206, 0, None),
        ("bytes=5-99999999", 206, 5, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("bytes=-0", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=9-5", 416, 0, 0),
    ],
)
def test_ranges(
    connection: http.client.HTTPConnection,
    wanted: str,
    status: int,
    start: int,
    stop: int | None,
) -> None:
    url = run(connection, FULL)["recording_url"]
    whole = ask(connection, url)[1]
    response, body = ask(connection, url, Range=wanted)
    assert response.status == status
    assert response.headers["Accept-Ranges"] == "bytes"
    assert body == whole[start:stop]
    first = start % len(whole)
    expected = {
        200: None,
        206: f"bytes {first}-{first + len(body) - 1}/{len(whole)}",
        416: f"bytes */{len(whole)}",
    }
    assert response.headers["Content-Range"] == expected[status]


def test_head_is_405_and_keeps_the_connection(connection: http.client.HTTPConnection) -> None:
    answer = run(connection, FULL)
    for url in (f"/v1/runs/{FULL}", answer["recording_url"]):
        response, body = ask(connection, url, "HEAD", **{"x-api-key": KEY})
        assert (response.status, body) == (405, b"")
    assert run(connection, FULL)["run_id"] == FULL


def test_a_client_that_hangs_up_leaves_no_traceback(
    server: DemoServer,
    connection: http.client.HTTPConnection,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address = urlsplit(server.base_url)
    url = run(connection, "wr_600328455520331904")["recording_url"]
    target = url.removeprefix(server.base_url)
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port), timeout=5) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            rude.recv(10)
    run(connection, FULL)
    connection.close()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(5)
    assert capfd.readouterr() == ("", "")


def test_after_the_block_nobody_listens(all_runs: Any, clock: Clock) -> None:
    with DemoServer(all_runs, api_key=KEY, signing_secret=b"s", clock=clock) as server:
        address = urlsplit(server.base_url)
        assert server.api_key == KEY
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), timeout=5).close()


def test_the_runs_are_a_varied_dozen(
    server: DemoServer, connection: http.client.HTTPConnection
) -> None:
    answers = [run(connection, run_id) for run_id in server.run_ids]
    assert len(answers) == 12
    assert {a["run_type"] for a in answers} == {"task_v1", "task_v2", "workflow_run", "openai_cua"}
    assert sorted(a["status"] for a in answers if a["status"] != "completed") == [
        "canceled",
        "failed",
        "queued",
        "running",
        "terminated",
        "timed_out",
    ]
    ids = [a["artifact_id"] for r in answers for a in r["downloaded_files"] or []]
    assert len(set(ids)) == len(ids)


def test_the_runs_lie_in_the_last_ten_days_and_are_settled(
    server: DemoServer, connection: http.client.HTTPConnection
) -> None:
    naive_now = NOW.replace(tzinfo=None)
    for run_id in server.run_ids:
        answer = run(connection, run_id)
        assert timedelta(0) < naive_now - datetime.fromisoformat(answer["created_at"])
        assert naive_now - datetime.fromisoformat(answer["created_at"]) < timedelta(days=10)
        if answer["status"] in {"running", "queued"}:
            assert answer["finished_at"] is None
        else:
            finished = datetime.fromisoformat(answer["finished_at"])
            assert naive_now - finished >= timedelta(hours=1)
            assert answer["modified_at"] == answer["finished_at"]


def test_times_are_written_as_the_api_writes_them(connection: http.client.HTTPConnection) -> None:
    assert run(connection, QUEUED)["created_at"] == "2030-11-23T04:03:06"
    assert run(connection, FULL)["created_at"] == "2030-11-16T02:05:05.693161"


def test_a_run_now_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        demo_runs(datetime.fromisoformat("2030-01-01T00:00:00"))
