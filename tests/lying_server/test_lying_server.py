"""The server lies as it was told to, and tells the truth the rest of the time."""

import gzip
import hashlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.lying_server import (
    EXPIRED,
    EXPIRED_S3,
    FOREVER,
    HTML_PAGE,
    SERVER_ERROR,
    Blob,
    Body,
    Corrupt,
    Cut,
    Endless,
    ETag,
    Extra,
    Fields,
    Framed,
    Gzip,
    GzipBomb,
    HangUp,
    HugeOutput,
    Lie,
    LyingServer,
    NestedOutput,
    Plain,
    RangeIgnored,
    RangeRefused,
    Recoded,
    Redirect,
    Reset,
    Stall,
    Trickle,
    WrongLength,
    WrongRange,
    digest,
    png,
    read,
    task_run,
    throttled,
    webm,
    workflow_run,
)

BYTES = bytes(range(256)) * 40
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with LyingServer() as server:
        yield server


@pytest.fixture
def client(server: LyingServer) -> Iterator[httpx.Client]:
    headers = {"x-api-key": server.key}
    with httpx.Client(
        base_url=server.base_url, headers=headers, trust_env=False, verify=False
    ) as client:
        yield client


@pytest.fixture
def anyone() -> Iterator[httpx.Client]:
    """A client without the key, as for links."""
    with httpx.Client(trust_env=False, verify=False) as client:
        yield client


def ranged(client: httpx.Client, url: str, what: str, **headers: str) -> httpx.Response:
    return client.get(url, headers={"Range": f"bytes={what}", **headers})


def test_a_blob_is_the_same_from_wherever_it_is_read() -> None:
    blob = Blob(700_001, seed=3, prefix=b"%PDF")
    whole = read(blob)

    assert len(whole) == blob.size
    assert whole.startswith(b"%PDF")
    assert b"".join(blob.pieces(262_000, 600_000)) == whole[262_000:600_000]
    assert blob.sha256() == hashlib.sha256(whole).hexdigest()
    assert digest(Blob(700_001, seed=4)) != digest(Blob(700_001, seed=3))


def test_a_run_is_served_with_links_that_work(
    server: LyingServer, client: httpx.Client, anyone: httpx.Client
) -> None:
    recording = server.artifact(webm(), "recording")
    shot = server.artifact(png(), "screenshot", in_storage=True)
    file = server.artifact(BYTES, "download", "facture été.pdf")
    run = server.add_run(
        task_run("tsk_1", recording=recording, screenshots=[shot], downloads=[file])
    )

    first, second = (client.get(f"/v1/runs/{run}").json() for _ in range(2))

    [entry] = first["downloaded_files"]
    assert entry["checksum"] == hashlib.sha256(BYTES).hexdigest()
    assert entry["file_size"] == len(BYTES)
    downloaded = anyone.get(entry["url"])
    assert downloaded.content == BYTES
    assert downloaded.headers["content-disposition"] == 'attachment; filename="facture__t_.pdf"'
    assert anyone.get(first["recording_url"]).headers["content-type"] == ("video/webm")
    assert first["screenshot_urls"][0].startswith(server.storage_url)
    assert anyone.get(second["screenshot_urls"][0]).content == read(png())
    assert server.count("/v1/runs/") == 2
    assert server.count(origin="storage") == 1
    assert "x-api-key" not in server.requests[-1].headers


def test_builders_give_every_field_of_the_api() -> None:
    task, workflow = task_run("tsk_1", "failed"), workflow_run("wr_1", "running", title="x")

    assert (len(task), len(task["run_request"])) == (22, 23)
    assert task["failure_reason"]
    assert (len(workflow), len(workflow["run_request"])) == (31 + 1, 21)
    assert workflow["finished_at"] is None


@pytest.mark.parametrize(
    ("key", "detail"),
    [(None, "Invalid credentials"), ("wrong", "Could not validate credentials")],
)
def test_the_key_is_asked_for(
    server: LyingServer, key: str | None, detail: str, anyone: httpx.Client
) -> None:
    headers = {"x-api-key": key} if key else {}
    answer = anyone.get(f"{server.base_url}/v1/runs/tsk_1", headers=headers)

    assert (answer.status_code, answer.json()) == (403, {"detail": detail})


def test_what_is_not_there_is_refused(server: LyingServer, client: httpx.Client) -> None:
    missing = client.get("/v1/runs/tsk_9")

    assert missing.status_code == 404
    assert missing.json() == {"detail": "Task run not found tsk_9"}
    assert client.get("/v1/else").status_code == 404
    assert client.head("/v1/runs/tsk_9").status_code == 405
    assert client.post("/v1/runs/tsk_9", json={"a": 1}).status_code == 405
    assert len({request.client_port for request in server.requests}) == 1


def test_ranges_are_obeyed(server: LyingServer, client: httpx.Client) -> None:
    url = server.artifact(BYTES).url

    middle = ranged(client, url, "100-199")
    assert (middle.status_code, middle.content) == (206, BYTES[100:200])
    assert middle.headers["content-range"] == f"bytes 100-199/{len(BYTES)}"
    assert ranged(client, url, "10000-").content == BYTES[10000:]
    assert ranged(client, url, "-10", **{"If-Range": '"x"'}).content == BYTES[-10:]
    assert ranged(client, url, "0-1,5-6").status_code == 200
    beyond = ranged(client, url, f"{len(BYTES)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(BYTES)}")
    assert ranged(client, server.artifact(b"").url, "0-").status_code == 416


def test_links_expire(server: LyingServer, client: httpx.Client, anyone: httpx.Client) -> None:
    recording = server.artifact(BYTES)
    shot = server.artifact(BYTES, "screenshot", in_storage=True)
    run = server.add_run(task_run("tsk_1", recording=recording, screenshots=[shot]))

    server.expire_now()
    old = anyone.get(recording.url)
    assert (old.status_code, old.content) == (403, EXPIRED.body)
    assert anyone.get(shot.url).content == EXPIRED_S3.body
    fresh = client.get(f"/v1/runs/{run}").json()
    assert anyone.get(fresh["recording_url"]).content == BYTES
    assert anyone.get(fresh["screenshot_urls"][0]).content == BYTES
    forged = fresh["screenshot_urls"][0] + "0"
    assert "SignatureDoesNotMatch" in anyone.get(forged).text

    server.expire_links_after(0)
    aged = client.get(f"/v1/runs/{run}").json()
    for url in (aged["recording_url"], *aged["screenshot_urls"]):
        assert anyone.get(url).status_code == 403


def test_documents_come_in_turn(server: LyingServer, client: httpx.Client) -> None:
    run = server.add_run(task_run("tsk_1", "running"), task_run("tsk_1"), b"[not json")
    counted = server.add_run(lambda nth: task_run("tsk_2", step_count=nth), run_id="tsk_2")

    assert client.get(f"/v1/runs/{run}").json()["status"] == "running"
    assert client.get(f"/v1/runs/{run}").json()["status"] == "completed"
    assert [client.get(f"/v1/runs/{run}").content for _ in range(2)] == [b"[not json"] * 2
    assert [client.get(f"/v1/runs/{counted}").json()["step_count"] for _ in range(2)] == [1, 2]


def test_counted_lies_wait_for_each_other(server: LyingServer, client: httpx.Client) -> None:
    url = server.artifact(BYTES).url
    server.lie("/v1/artifacts/*", SERVER_ERROR, times=2)
    server.lie("/v1/artifacts/*", EXPIRED, after=1)
    server.lie("/v1/artifacts/*", ETag(("a", "b")), times=FOREVER)

    answers = [client.get(url) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [500, 500, 200, 403, 200]
    assert [answer.headers.get("etag") for answer in answers] == [None, None, "b", None, "b"]
    server.stop_lying()
    assert "etag" not in client.get(url).headers


def test_retry_after(server: LyingServer, client: httpx.Client) -> None:
    server.lie("tsk_1", throttled(7))
    server.lie("tsk_1", throttled(datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC), 503))

    assert client.get("/v1/runs/tsk_1").headers["retry-after"] == "7"
    assert client.get("/v1/runs/tsk_1").headers["retry-after"] == "Mon, 23 Nov 2026 01:02:03 GMT"


@pytest.mark.parametrize(
    ("lie", "received", "error"),
    [
        (Cut(1000), BYTES[:1000], httpx.RemoteProtocolError),
        (Cut(1000, "chunked"), BYTES[:1000], httpx.RemoteProtocolError),
        (Cut(1000, "close"), BYTES[:1000], None),
        (Reset(), b"", httpx.ReadError),
        (Reset(1000), None, httpx.ReadError),
        (Stall(), b"", httpx.ReadTimeout),
        (Stall(1000), BYTES[:1000], httpx.ReadTimeout),
        (HangUp(), b"", httpx.RemoteProtocolError),
        (WrongLength(+5), BYTES, httpx.RemoteProtocolError),
        (WrongLength(-5), BYTES[:-5], None),
        (Framed("chunked"), BYTES, None),
        (Framed("close"), BYTES, None),
        (Trickle(1 << 12, 0.0001), BYTES, None),
        (Corrupt(5), BYTES[:5] + b"\xfa" + BYTES[6:], None),
        (Extra(b"more"), BYTES + b"more", None),
        (Body(b""), b"", None),
        (Gzip(), gzip.compress(BYTES, mtime=0), None),
    ],
    ids=lambda value: str(value) if hasattr(value, "tell") else "",
)
def test_bodies(
    server: LyingServer,
    lie: Lie,
    received: bytes | None,
    error: type[Exception] | None,
    anyone: httpx.Client,
) -> None:
    artifact = server.artifact(BYTES)
    server.lie(artifact, lie)
    patience = 0.15 if error is httpx.ReadTimeout else 5.0
    got = b""

    def get() -> None:
        nonlocal got
        with anyone.stream("GET", artifact.url, timeout=patience) as answer:
            for piece in answer.iter_raw():
                got += piece

    if error is None:
        get()
    else:
        with pytest.raises(error):
            get()
    # A reset may overtake what was sent before it.
    assert BYTES[:1000].startswith(got) if received is None else got == received
    # Over a new connection: the old one may be about to end.
    assert ranged_bytes(artifact.url, "bytes=0-") == BYTES


def test_an_endless_body_goes_on(server: LyingServer, anyone: httpx.Client) -> None:
    artifact = server.artifact(BYTES)
    server.lie(artifact, Endless(), times=FOREVER)
    got = 0
    with anyone.stream("GET", artifact.url) as answer:
        for piece in answer.iter_raw():
            got += len(piece)
            if got > 2_000_000:
                break
    assert "content-length" not in answer.headers


def test_lies_about_ranges(server: LyingServer, client: httpx.Client) -> None:
    def tell(*lies: Lie) -> Callable[..., httpx.Response]:
        artifact = server.artifact(BYTES)
        server.lie(artifact, *lies, times=FOREVER)
        return lambda what, **headers: ranged(client, artifact.url, what, **headers)

    ignored = tell(RangeIgnored())("5-")
    assert (ignored.status_code, ignored.content) == (200, BYTES)
    assert "content-range" not in ignored.headers
    assert tell(RangeRefused())("5-").status_code == 416
    shifted = tell(WrongRange(shift=1))("5-8")
    assert (shifted.content, shifted.headers["content-range"][:9]) == (BYTES[6:10], "bytes 5-8")
    assert tell(WrongRange(header="bytes 0-3/4"))("5-8").headers["content-range"] == "bytes 0-3/4"
    assert tell(Corrupt(7))("5-8").content == b"\x05\x06\xf8\x08"
    assert tell(Body(b"other"))("3-").content == b"er"
    tagged = tell(ETag(('"a"', '"b"'), honoured=True))
    assert tagged("5-8").headers["etag"] == '"a"'
    assert tagged("5-8", **{"If-Range": '"a"'}).content == BYTES
    assert tagged("5-8", **{"If-Range": '"b"'}).content == BYTES[5:9]


def test_redirects_go_where_they_are_told(server: LyingServer, client: httpx.Client) -> None:
    artifact = server.artifact(BYTES)
    elsewhere = server.link(artifact, "storage")
    server.lie(artifact, Redirect(elsewhere))
    assert client.get(artifact.url, follow_redirects=True).content == BYTES
    # httpx itself lets the key travel: this is what the server is there to show.
    assert server.requests[-1].origin == "storage"
    assert server.requests[-1].headers["x-api-key"] == server.key

    server.lie(artifact, Redirect("file:///etc/passwd", 307))
    assert client.get(artifact.url).headers["location"] == "file:///etc/passwd"

    server.lie(artifact, Redirect(), times=FOREVER)
    with pytest.raises(httpx.TooManyRedirects):
        client.get(artifact.url, follow_redirects=True)


def test_a_kept_connection_may_end_between_requests(server: LyingServer) -> None:
    run = server.add_run(task_run("tsk_1"))
    server.lie(run, HangUp(answered=True))
    host = server.base_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    try:
        connection.request("GET", f"/v1/runs/{run}", headers={"x-api-key": server.key})
        answer = connection.getresponse()
        assert answer.read().startswith(b'{"run_id":"tsk_1"')
        assert answer.headers["connection"] is None
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""
    finally:
        connection.close()


def test_lies_about_documents(server: LyingServer, client: httpx.Client) -> None:
    run = server.add_run(task_run("tsk_1", failure_reason="für"))

    def get(*lies: Lie) -> httpx.Response:
        server.lie(run, *lies)
        return client.get(f"/v1/runs/{run}")

    assert get(Fields({"run_id": "tsk_2"}, without=("status",))).json()["run_id"] == "tsk_2"
    assert "status" not in get(Fields(without=("status",))).json()
    assert get(HTML_PAGE).headers["content-type"] == "text/html"
    assert "für".encode("latin-1") in get(Recoded()).content
    assert len(get(HugeOutput(3_000_000)).json()["output"]) == 3_000_000
    assert b"[" * 50_000 + b"]" * 50_000 in get(NestedOutput(50_000)).content
    bomb = get(GzipBomb(5 << 20))
    assert bomb.json()["output"] == "x" * (5 << 20)
    assert int(bomb.headers["content-length"]) < 10_000
    assert get(Extra(b"}")).text.endswith("}}")


def test_a_body_may_be_larger_than_memory(server: LyingServer) -> None:
    artifact = server.artifact(Blob(1 << 40, seed=1))
    last = ranged_bytes(artifact.url, f"bytes={(1 << 40) - 10}-")
    assert last == b"".join(Blob(1 << 40, seed=1).pieces((1 << 40) - 10, 1 << 40))

    large = server.artifact(Blob(64 << 20))
    assert len(ranged_bytes(large.url, "bytes=0-")) == 64 << 20


def ranged_bytes(url: str, what: str) -> bytes:
    target = httpx.URL(url)
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        connection.request("GET", target.raw_path.decode(), headers={"Range": what})
        return connection.getresponse().read()
    finally:
        connection.close()


def test_closing_waits_for_nobody() -> None:
    with LyingServer() as server:
        artifact = server.artifact(Plain(BYTES))
        server.lie(artifact, Stall(10))
        server.lie(artifact, Trickle(1, 3600.0))
        server.lie(artifact, Endless())
        target = httpx.URL(artifact.url)
        connections = []
        for number in range(4):
            connection = socket.create_connection((target.host, target.port or 0))
            connections.append(connection)
            if number < 3:
                connection.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target.raw_path)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    for connection in connections:
        connection.close()


def test_ipv6(anyone: httpx.Client) -> None:
    try:
        server = LyingServer(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert server.base_url.startswith("http://[::1]:")
        assert anyone.get(server.artifact(BYTES).url).content == BYTES


def test_it_runs_as_a_process(anyone: httpx.Client) -> None:
    command = [sys.executable, "-m", "tests.lying_server", "--runs", "3", "--size", "5000"]
    with subprocess.Popen([*command, "--lies"], stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            run = anyone.get(
                f"{told['base_url']}/v1/runs/{told['runs'][0]}",
                headers={"x-api-key": told["key"]},
            ).json()
            recording = anyone.get(run["recording_url"]).content
        finally:
            process.terminate()
    assert process.returncode == 0
    truth = told["artifacts"][0]
    assert (truth["kind"], truth["ordinal"]) == ("recording", 1)
    assert hashlib.sha256(recording).hexdigest() == truth["sha256"]
