"""A time stamp authority may answer as slowly as it likes: it holds no archive, and no signal."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_command, child_environment
from tests.lying_server import LyingServer, task_run

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n"
ANSWERS = {
    "silence": b"",
    "head": HEAD + b"X-More: " + b"x" * 10_000,
    "body": HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 10_000,
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000,
}


class SlowAuthority:
    """Takes requests, and answers by a byte in 20 ms, or not at all."""

    def __init__(self, answer: bytes) -> None:
        self.asked = threading.Event()
        self._answer = answer
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/stamp"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken = self._listening.accept()[0]
                thread = threading.Thread(target=self._trickle, args=(taken,))
                self._threads.append(thread)
                thread.start()

    def _trickle(self, taken: socket.socket) -> None:
        with taken, contextlib.suppress(OSError):
            taken.recv(65_536)
            self.asked.set()
            for byte in self._answer:
                if self._over.wait(0.02):
                    return
                taken.sendall(bytes([byte]))
            self._over.wait(60)

    def close(self) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=ANSWERS)
def authority(request: pytest.FixtureRequest) -> Iterator[SlowAuthority]:
    slow = SlowAuthority(ANSWERS[request.param])
    yield slow
    slow.close()


@pytest.fixture
def run_id(server: LyingServer) -> str:
    return server.add_run(task_run("tsk_1"))


def test_the_whole_exchange_has_a_limit(
    fetch: Fetch, archive: ArchiveFolder, run_id: str, authority: SlowAuthority
) -> None:
    began = time.monotonic()
    ran = fetch(run_id, "--tsa-url", authority.url, "--tsa-timeout", "0.5s", code=3)
    assert "gave no time stamp within 0.5 s" in ran.err
    assert time.monotonic() - began < 8  # a busy machine's; without the limit it were minutes
    assert ran.json["head"] is not None
    assert not list(archive.root.glob("ledger/*.tsr"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "command",
    [
        lambda run_id: ("fetch", "--refresh", run_id),
        lambda run_id: ("verify",),
        lambda run_id: ("hold", run_id, "--reason", "case 7"),
    ],
    ids=["fetch", "verify", "hold"],
)
def test_a_signal_is_heard_meanwhile(
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    run_id: str,
    authority: SlowAuthority,
    number: signal.Signals,
    command: Callable[[str], tuple[str, ...]],
) -> None:
    fetch(run_id)
    records = len(list(archive.root.glob("ledger/*.json")))
    with subprocess.Popen(
        child_command(*command(run_id), "--tsa-url", authority.url),
        env=child_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert authority.asked.wait(30)
        began = time.monotonic()
        os.kill(child.pid, number)
        _, err = child.communicate(timeout=20)
        assert time.monotonic() - began < 5
    # What verify found is true without a time stamp: that is a note.
    assert (child.returncode == 0) == (command(run_id) == ("verify",))
    assert b"Traceback" not in err
    assert len(list(archive.root.glob("ledger/*.json"))) == records + 1
    archiver("verify")


@pytest.mark.parametrize("seconds", ["0", "0s", "later"])
def test_a_limit_that_is_none_is_refused(fetch: Fetch, run_id: str, seconds: str) -> None:
    fetch(run_id, "--tsa-url", "http://127.0.0.1:1/", "--tsa-timeout", seconds, code=2)


def test_the_limit_may_stand_above_all_tables_of_the_config_file(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    config = archive.root.parent / "night.toml"
    slow = SlowAuthority(b"")
    try:
        config.write_text(f'tsa-url = "{slow.url}"\ntsa-timeout = "0.2s"\n')
        assert "within 0.2 s" in fetch(run_id, "--config", config, code=3).err
    finally:
        slow.close()
