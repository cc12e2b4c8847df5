"""Progress: bars on a terminal, lines for logs, JSON for machines, nothing when asked so."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from datetime import datetime

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, child_command, child_environment
from tests.lying_server import (
    FORBIDDEN,
    FOREVER,
    SERVER_ERROR,
    LyingServer,
    Status,
    Trickle,
    task_run,
    webm,
)


@pytest.fixture
def ids(server: LyingServer) -> list[str]:
    """A dozen runs; of one the recording cannot be had, one is not known."""
    ids = [
        server.add_run(task_run(f"tsk_{n}", recording=server.artifact(webm(200_000, n))))
        for n in range(12)
    ]
    broken = server.artifact(webm(), "recording")
    server.lie(broken, SERVER_ERROR, times=FOREVER)
    return [*ids, server.add_run(task_run("tsk_broken", recording=broken)), "tsk_unknown"]


def test_plain_lines_where_there_is_no_terminal(archiver: Command, ids: list[str]) -> None:
    ran = archiver("fetch", *ids, "--attempts", "1", code=3)

    assert "\x1b" not in ran.err
    assert "\r" not in ran.err
    lines = ran.err.splitlines()
    assert "14 runs" in lines[0]
    assert len([line for line in lines if line.startswith("warning: tsk_")]) == 2
    (summary,) = ran.out.splitlines()
    for text in ("14 runs asked for", "13 fetched", "1 not found", "12 unverified", "1 failed"):
        assert text in summary
    assert "2.4 MB" in summary


def test_json_lines_for_machines(archiver: Command, ids: list[str]) -> None:
    ran = archiver("fetch", *ids, "--attempts", "1", "--log-format", "json", "--json", code=3)

    events = [json.loads(line) for line in ran.err.splitlines()]
    for event in events:
        assert datetime.fromisoformat(event["at"]).tzinfo is not None
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1]) == ("session_started", "session_finished")
    assert kinds.count("run_finished") == len(ids)
    finished = {e["asked_id"]: e for e in events if e["event"] == "run_finished"}
    assert finished["tsk_0"]["bytes"] == 200_000
    assert finished["tsk_broken"]["problems"][0]["kind"] == "recording"
    assert finished["tsk_unknown"]["outcome"] == "not_found"
    assert events[-1]["runs"] == ran.json["runs"]
    assert ran.json["runs"]["asked"] == 14


@pytest.mark.parametrize("log_format", ["auto", "text"])
def test_quiet_says_nothing_but_what_could_not_be_had(
    archiver: Command, ids: list[str], log_format: str
) -> None:
    ran = archiver("fetch", *ids[:12], "--quiet", "--log-format", log_format)
    assert (ran.out, ran.err) == ("", "")
    ran = archiver("fetch", *ids, "--quiet", "--attempts", "1", "--refresh", code=3)
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 2


def test_quiet_json_lines_are_what_could_not_be_had(archiver: Command, ids: list[str]) -> None:
    options = ("--attempts", "1", "--log-format", "json", "--quiet")
    events = [
        json.loads(line) for line in archiver("fetch", *ids, *options, code=3).err.splitlines()
    ]
    assert sorted(event["asked_id"] for event in events) == ["tsk_broken", "tsk_unknown"]


def test_what_ends_a_session_is_a_json_line_too(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, ids: list[str]
) -> None:
    server.lie("tsk_0", FORBIDDEN, times=FOREVER)
    *_, last = archiver("fetch", "tsk_0", "--log-format", "json", code=12).err.splitlines()
    assert json.loads(last)["event"] == "error"
    assert json.loads(last)["exit_code"] == 12
    (archive.root / "archive.json").write_text("{}")
    (line,) = archiver("fetch", "tsk_0", "--log-format", "json", code=10).err.splitlines()
    assert json.loads(line)["exit_code"] == 10


def test_what_a_server_says_moves_no_cursor(
    server: LyingServer, archiver: Command, ids: list[str]
) -> None:
    server.add_run(task_run("tsk_odd", title="\x1b]0;evil\x07", failure_reason="\x1b[2J"))
    server.lie("tsk_1", Status(418, b"\x1b]0;evil\x07"), times=FOREVER)
    ran = archiver("fetch", "tsk_odd", "tsk_1", code=3)
    shown = archiver("show", "tsk_odd")
    assert "evil" in ran.err
    assert "evil" in shown.out
    assert "\x1b" not in ran.err + ran.out + shown.out


def test_json_alone_on_standard_output(archiver: Command, ids: list[str]) -> None:
    ran = archiver("fetch", *ids, "--attempts", "1", "--json", "--quiet", code=3)
    assert set(ran.json) == {
        *("session", "head", "runs", "artifacts", "bytes", "redacted", "accepted"),
        *("seconds", "problems"),
    }
    assert set(ran.json["runs"]) == {
        *("asked", "fetched", "unchanged", "unfinished", "not_found", "failed")
    }
    assert set(ran.json["artifacts"]) == {
        *("verified", "unverified", "mismatch", "gone", "failed", "excluded")
    }
    assert re.fullmatch(r"\d{8}T\d{6}(?:\.?\d+)?Z-[0-9a-f]+", ran.json["session"])
    assert ran.json["runs"]["asked"] == sum(ran.json["runs"].values()) / 2


def on_terminal(*arguments: str, columns: int = 100) -> tuple[int, str, str]:
    """Run the command with a terminal as standard error: code, output, what the terminal got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        child_command(*arguments),
        env=child_environment(TERM="xterm-256color", COLUMNS=str(columns)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal ends with the process
        while piece := os.read(master, 65536):
            shown += piece
    os.close(master)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out.decode(), shown.decode()


def test_bars_on_a_terminal(server: LyingServer, archiver: Command, ids: list[str]) -> None:
    # Slow enough for a bar to be drawn on the way: 200 kB in 0.5 s.
    server.lie("/v1/artifacts/*", Trickle(40_000, 0.1))
    code, out, shown = on_terminal("fetch", *ids, "--attempts", "1")

    assert code == 3
    assert "14 runs asked for" in out
    assert "\x1b" not in out
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"runs .*\d+/14", plain)
    assert re.search(r"bytes .*MB", plain)
    assert "/s" in plain
    assert "left" in plain
    assert "warning: tsk_unknown" in plain


@pytest.mark.parametrize(
    "options", [["--quiet"], ["--log-format", "text"], ["--log-format", "json"]]
)
def test_no_bars_where_something_else_was_asked_for(
    archiver: Command, ids: list[str], options: list[str]
) -> None:
    code, _, shown = on_terminal("fetch", *ids[:2], *options)
    assert code == 0
    assert "\x1b" not in shown
