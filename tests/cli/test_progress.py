"""Progress: bars on a terminal, lines for logs, JSON for machines, nothing when asked so."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from datetime import datetime

import pyte
import pytest

from archiver.cli.output.progress import Amount, Lines
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


def on_terminal(
    *arguments: str,
    columns: int = 100,
    interrupt_after: str | None = None,
    answer: str | None = None,
    all_of_it: bool = False,
) -> tuple[int, str, str]:
    """Run the command with a terminal as standard error: code, output, what the terminal got.

    SIGINT comes once the terminal shows ``interrupt_after``. With an ``answer`` standard input is
    the terminal, too; with ``all_of_it`` standard output is.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        child_command(*arguments),
        env=child_environment(TERM="xterm-256color", COLUMNS=str(columns)),
        stdin=subprocess.DEVNULL if answer is None else slave,
        stdout=slave if all_of_it else subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    if answer is not None:
        os.write(master, answer.encode())
    shown = b""
    with contextlib.suppress(OSError):  # the terminal ends with the process
        while piece := os.read(master, 65536):
            shown += piece
            if interrupt_after is not None and interrupt_after in plain(shown.decode()):
                interrupt_after = None
                process.send_signal(signal.SIGINT)
    os.close(master)
    out, _ = process.communicate(timeout=20)
    return process.returncode, (out or b"").decode(), shown.decode()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def screen(shown: str, columns: int = 100) -> list[str]:
    """The lines that a terminal has at the end."""
    terminal = pyte.Screen(columns, 100)
    pyte.Stream(terminal).feed(shown)
    return [line.rstrip() for line in terminal.display if line.strip()]


def test_a_long_file_has_a_line_of_its_own(server: LyingServer, archiver: Command) -> None:
    recording = server.artifact(webm(9_000_000))
    server.add_run(task_run("tsk_1", recording=recording))
    server.lie(recording, Trickle(1_000_000, 0.1))
    _, _, shown = on_terminal("fetch", "tsk_1", columns=140)
    assert re.search(r"tsk_1 recording 1 .*\d MB of 9.0 MB", plain(shown))
    assert screen(shown) == []


def test_a_notice_at_an_interruption_stays_and_no_bar_does(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    recording = server.artifact(webm(9_000_000))
    server.add_run(task_run("tsk_1", recording=recording))
    server.lie(recording, Trickle(1_000_000, 0.2), times=FOREVER)
    code, _, shown = on_terminal(
        "fetch", "tsk_1", columns=140, interrupt_after="MB of 9.0 MB", all_of_it=True
    )
    assert code == 130
    lines = screen(shown, 140)
    assert lines[0].startswith("stopping: ")
    assert not [line for line in lines if "━" in line]
    assert re.fullmatch(r"Runs +1 run asked for: 1 not dealt with", lines[1])
    assert re.search(r"1 unfinished file \(\d\.\d MB\) will be gone on with", lines[-1])
    assert 4 <= len(lines[1:]) <= 6
    server.stop_lying()
    assert archiver("fetch", "tsk_1", "--json").runs == {"asked": 1, "fetched": 1}


def test_on_a_terminal_the_summary_is_a_few_aligned_lines(
    server: LyingServer, archiver: Command
) -> None:
    server.add_run(task_run("tsk_1", recording=server.artifact(webm(1_000))))
    _, _, shown = on_terminal("fetch", "tsk_1", all_of_it=True)
    lines = screen(shown)
    names = ["Runs", "Artifacts", "Bytes", "Session", "Ledger head"]
    assert [line[:13].rstrip() for line in lines] == names
    assert {line[11:13] for line in lines} == {"  "}


@pytest.mark.parametrize("answer", ["n\n", "no\n", "\n"])
def test_a_no_is_no_interruption(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, answer: str
) -> None:
    server.add_run(task_run("tsk_1"))
    archiver("fetch", "tsk_1")
    code, _, shown = on_terminal("erase", "tsk_1", "--reason", "asked", answer=answer)
    assert code == 3
    assert "nothing was erased" in shown
    assert "interrupted" not in shown
    assert archive.run("tsk_1")


def test_logs_hear_that_the_work_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic() - 31
    for shown in (lines := Lines(quiet=False), Lines(quiet=True)):
        shown.start(Amount("runs", total=2, bytes=5_000_000, started=started))
        shown.beat()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("runs: 0/2, bytes 5.0 MB")
    lines.beat()  # not twice
    assert capsys.readouterr().err == ""


def test_bars_on_a_terminal(server: LyingServer, archiver: Command, ids: list[str]) -> None:
    # Slow enough for a bar to be drawn on the way: 200 kB in 0.5 s.
    server.lie("/v1/artifacts/*", Trickle(40_000, 0.1))
    code, out, shown = on_terminal("fetch", *ids, "--attempts", "1")

    assert code == 3
    assert "14 runs asked for" in out
    assert "\x1b" not in out
    assert "\x1b[" in shown
    text = plain(shown)
    assert re.search(r"runs .*\d+/14", text)
    assert re.search(r"bytes .*MB", text)
    assert "/s" in text
    assert "left" in text
    assert "warning: tsk_unknown" in text


@pytest.mark.parametrize(
    "options", [["--quiet"], ["--log-format", "text"], ["--log-format", "json"]]
)
def test_no_bars_where_something_else_was_asked_for(
    archiver: Command, ids: list[str], options: list[str]
) -> None:
    code, _, shown = on_terminal("fetch", *ids[:2], *options)
    assert code == 0
    assert "\x1b" not in shown
