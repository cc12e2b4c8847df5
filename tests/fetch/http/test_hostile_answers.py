"""What no honest server sends: bombs, trickles, sizes without end. It costs what it is about."""

import gzip
import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_environment
from tests.fetch.http.raw_server import Answering, raw_server
from tests.lying_server import (
    FOREVER,
    Body,
    Endless,
    Framed,
    Gzip,
    Headers,
    LyingServer,
    Redirect,
    Repeat,
    Status,
    task_run,
    webm,
)

KEY = "key-of-the-lying-server"


def reply(body: bytes, *headers: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


def document(**changes: Any) -> bytes:
    return json.dumps(task_run("tsk_1", **changes)).encode()


def trickle_headers(connection: socket.socket, number: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: 1\r\n")
        threading.Event().wait(0.05)


def trickle_informational(connection: socket.socket, number: int) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        threading.Event().wait(0.05)


def trickle_error(connection: socket.socket, number: int) -> None:
    connection.sendall(b"HTTP/1.1 500 Internal\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        threading.Event().wait(0.05)


@pytest.mark.parametrize("answer", [trickle_headers, trickle_informational, trickle_error])
def test_an_answer_that_trickles_is_given_up_wherever_it_does(
    archiver: Command, monkeypatch: pytest.MonkeyPatch, answer: Answering
) -> None:
    with raw_server(answer) as origin:
        monkeypatch.setenv("SKYVERN_BASE_URL", origin)
        ran = archiver("fetch", "tsk_1", "--attempts", "1", "--stall-timeout", "0.3s", code=3)
    assert "trickled" in ran.err


def test_a_connection_that_was_reset_while_idle_is_replaced_at_once(
    archiver: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        if number == 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise OSError("closed with a reset")
        connection.sendall(reply(b'{"detail":"x"}').replace(b"200 OK", b"404 Not Found"))

    with raw_server(answer) as origin:
        monkeypatch.setenv("SKYVERN_BASE_URL", origin)
        ids = [f"tsk_{number}" for number in range(6)]
        options = ("--attempts", "1", "--api-concurrency", "1", "--json")
        assert archiver("fetch", *ids, *options, code=3).runs == {"asked": 6, "not_found": 6}


@pytest.mark.parametrize(
    "garbage", [b"HELLO x-api-key: {key}\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"]
)
def test_what_is_not_http_has_failed_and_the_key_is_not_quoted(
    archiver: Command, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch, garbage: bytes
) -> None:
    data = garbage.replace(b"{key}", KEY.encode()).replace(b"%s", b"9" * 5000)
    with raw_server(lambda connection, number: connection.sendall(data)) as origin:
        monkeypatch.setenv("SKYVERN_BASE_URL", origin)
        ran = archiver("fetch", "tsk_1", "--attempts", "1", "--stall-timeout", "1s", code=3)
    assert KEY not in ran.err + ran.out + archive.everything()


def test_a_key_in_a_redirect_is_not_shown(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.lie("tsk_1", Redirect(f"http://127.0.0.1:1/{server.key}/x"))
    ran = fetch("tsk_1", code=3)
    assert "redirects" in ran.reasons[0]
    assert server.key not in ran.err + ran.out + archive.everything()


def test_a_media_type_that_is_none_is_not_recorded(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    recording = server.artifact(webm(), "recording")
    server.add_run(task_run("tsk_1", recording=recording))
    server.lie(recording, Headers({"Content-Type": "x?sig=s1gn4ture"}))
    fetch("tsk_1")
    assert archive.artifact("tsk_1", "recording 1")["served_type"] is None


def bomb(layers: int) -> bytes:
    data = b" " * (64 << 20)
    for _ in range(layers):
        data = gzip.compress(data, 9)
    return data


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("status", [200, 500])
def test_a_bomb_does_not_explode_at_the_api(
    server: LyingServer, archive: ArchiveFolder, archiver: Command, layers: int, status: int
) -> None:
    encoding = ", ".join(["gzip"] * layers)
    server.lie("tsk_1", Status(status, bomb(layers), headers={"Content-Encoding": encoding}))
    code, _, used = measured("fetch", "tsk_1", "--attempts", "1", "--max-document-size", "1MB")
    assert code == 3
    assert used < 200 << 20


def test_a_bomb_does_not_explode_on_the_disk(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    recording = server.artifact(webm(), "recording")
    file = server.artifact(b"x" * 500, "download")
    server.add_run(task_run("tsk_1", recording=recording, downloads=[file.entry(checksum=None)]))
    for about in (recording, file):
        server.lie(about, Body(bomb(1)), Headers({"Content-Encoding": "gzip"}), times=FOREVER)
    ran = fetch("tsk_1", "--max-file-size", "10MB", code=3)
    assert archive.states("tsk_1") == {"recording 1": "excluded", "download 1": "failed"}
    assert "500 bytes" in ran.reasons[0]


MEASURED = """
import pathlib, sys
from archiver.cli.main import WithoutUnused, run
sys.meta_path.insert(0, WithoutUnused())
code = run(sys.argv[1:])
sys.stdout.flush()
sys.stderr.write(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


def measured(*arguments: str) -> tuple[int, str, int]:
    """Exit code, output, and peak memory in bytes of the command in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments, "--quiet"],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout, int(ended.stderr.splitlines()[-1]) * 1024


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_endless_body_ends_where_the_api_says_and_the_rest_goes_on(
    server: LyingServer, fetch: Fetch, framing: Any
) -> None:
    file = server.artifact(b"x" * 5000, "download")
    server.lie(file, Endless(framing), times=FOREVER)
    server.add_run(task_run("tsk_1", downloads=[file]))
    server.add_run(task_run("tsk_2"))
    ran = fetch("tsk_1", "tsk_2", code=3)
    assert ran.runs == {"asked": 2, "fetched": 2}
    assert ran.states == {"failed": 1}
    assert ran.json["bytes"]["downloaded"] < 4 << 20


def test_a_recording_larger_than_the_disk_costs_only_itself(
    server: LyingServer, fetch: Fetch
) -> None:
    recording = server.artifact(webm(), "recording")
    server.lie(recording, Endless("length"), times=FOREVER)
    server.add_run(task_run("tsk_1", recording=recording))
    server.add_run(task_run("tsk_2"))
    assert fetch("tsk_1", "tsk_2", code=3).runs == {"asked": 2, "fetched": 2}


@pytest.mark.parametrize(
    "url", ["http://a..b/x", f"http://{'a' * 64}.example/", "file:///" + "%C3%BC" * 200, "", "?x"]
)
def test_an_address_that_leads_nowhere_costs_only_its_artifact(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, url: str, tmp_path: Path
) -> None:
    shot = server.artifact(webm(), "screenshot")
    redirected = server.artifact(webm(), "screenshot")
    server.lie(redirected, Redirect(url or "#"), times=FOREVER)
    server.add_run(
        task_run(
            "tsk_1",
            recording=url,
            screenshots=[shot, redirected],
            downloads=[{"url": url, "filename": "a"}],
        )
    )
    server.add_run(task_run("tsk_2"))
    ran = fetch("tsk_1", "tsk_2", "--local-artifacts", tmp_path, code=3)
    assert ran.runs == {"asked": 2, "fetched": 2}
    assert archive.states("tsk_1")["screenshot 1"] == "unverified"
    assert "unverified" not in {
        state for name, state in archive.states("tsk_1").items() if name != "screenshot 1"
    }
    assert bool(archive.row("runs", run_id="tsk_1")["problems"]) is (url in ("", "?x"))


def test_an_answer_that_is_said_to_be_too_large_is_not_received(
    server: LyingServer, fetch: Fetch
) -> None:
    server.lie("tsk_1", Body(Repeat(b" ", 200 << 20)))
    assert "--max-document-size" in fetch("tsk_1", code=3).reasons[0]
    server.lie("tsk_2", Body(Repeat(b" ", 200 << 20)), Framed("chunked"))
    code, out, used = measured("fetch", "tsk_2", "--json", "--max-document-size", "20MB")
    assert code == 3
    assert "--max-document-size" in out
    assert used < 250 << 20


def test_an_answer_that_is_compressed_is_read(server: LyingServer, fetch: Fetch) -> None:
    server.add_run(task_run("tsk_1"))
    server.lie("tsk_1", Gzip())
    assert fetch("tsk_1").runs == {"asked": 1, "fetched": 1}
