"""Several processes at one session come to the same as one, whatever happens to any of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.fetch.answer import RunOptions
from archiver.fetch.options import FetchOptions
from archiver.fetch.plan import Selection
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Ran, child_environment
from tests.crash.invariants import assert_intact, assert_tidy
from tests.lying_server import (
    FOREVER,
    UNAUTHORIZED,
    Blob,
    LyingServer,
    Stall,
    Status,
    png,
    task_run,
    throttled,
    workflow_run,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

FEW = Path(__file__).with_name("few.py")
OPTIONS = ("--json", "--workers", "3", "--attempts", "1")


EXECUTORS = {
    "threads": """
import contextlib, concurrent.futures, archiver.system.processes as processes
processes.worker_processes = lambda count, stop: concurrent.futures.ThreadPoolExecutor(count)
""",
    "forkserver": """
import concurrent.futures, multiprocessing, archiver.system.processes as processes
processes.worker_processes = lambda count, stop: concurrent.futures.ProcessPoolExecutor(
    count, multiprocessing.get_context("forkserver")
)
""",
}


def start(*arguments: str | Path, group: bool = False) -> subprocess.Popen[bytes]:
    """``group``: it and its processes get signals of their own."""
    return subprocess.Popen(
        [sys.executable, str(FEW), "fetch", *OPTIONS, *map(str, arguments)],
        env=child_environment(),
        start_new_session=group,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes], code: int = 0) -> Ran:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err
    assert b"resource_tracker" not in err
    return Ran(process.returncode, out, err.decode())


def fill(server: LyingServer, count: int, first: int = 1) -> list[str]:
    return [
        server.add_run(
            task_run(
                f"tsk_{number}",
                screenshots=[server.artifact(png(number), "screenshot")],
                downloads=[server.artifact(Blob(3_000, number), "download", "a.bin")],
            )
        )
        for number in range(first, first + count)
    ]


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    # Another process of Python's own tidies up behind them.
    return [int(pid) for pid in listed.split() if "resource_tracker" not in command_of(pid)]


def command_of(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(workers: Sequence[int]) -> None:
    """They have been killed; the system takes a moment to be done with them."""
    given_up = time.monotonic() + 10
    while any(map(is_alive, workers)):
        assert time.monotonic() < given_up


def until(process: subprocess.Popen[bytes], holds: Callable[[], object]) -> None:
    while not holds():
        assert process.poll() is None, process.communicate()[1].decode()


def committed(archive: ArchiveFolder) -> int:
    return len(list(archive.root.glob("runs/**/manifest.json")))


def stalled(server: LyingServer, ids: Sequence[str]) -> None:
    """These runs get no answer for as long as the test may take."""
    for run_id in ids:
        server.lie(run_id, Stall(10), times=FOREVER)


def halfway(
    server: LyingServer, archive: ArchiveFolder, *, group: bool = False
) -> tuple[list[str], subprocess.Popen[bytes]]:
    """A session of 60 runs that has committed some, and waits for others until it is ended."""
    ids = fill(server, 60)
    stalled(server, ids[10::20])
    process = start(*ids, "--api-concurrency", "9", group=group)
    until(process, lambda: committed(archive) >= 20)
    return ids, process


def test_three_processes_come_to_the_same_as_one(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, tmp_path: Path
) -> None:
    ids = fill(server, 60)
    ran = finish(start(*ids))
    assert ran.runs == {"asked": 60, "fetched": 60}
    assert ran.states == {"verified": 60, "unverified": 60}
    assert_intact(archive.root)
    assert_tidy(archive.root)
    (record,) = archive.root.glob("ledger/*.json")
    assert json.loads(record.read_bytes())["manifests"] == 60

    other = ArchiveFolder(tmp_path / "other")
    archiver("fetch", *ids, "--archive", other.root, "--workers", "1")
    for path in other.root.glob("runs/**/*"):
        if path.is_file() and path.name != "manifest.json":
            twin = archive.root / path.relative_to(other.root)
            assert twin.read_bytes() == path.read_bytes()
    assert len(archive.rows("fetches")) == len(other.rows("fetches")) == 60
    server.clear_requests()
    assert finish(start(*ids)).runs == {"asked": 60, "unchanged": 60}
    assert not server.requests


def test_runs_that_changed_get_their_next_revision(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids = fill(server, 30)
    finish(start(*ids))
    for run_id in ids:
        server.add_run(task_run(run_id, "failed", failure_reason="changed"), run_id=run_id)
    assert finish(start(*ids, "--refresh")).runs == {"asked": 30, "fetched": 30}
    assert_intact(archive.root)
    assert_tidy(archive.root)
    assert all(archive.manifest(run_id, 2)["revision"] == 2 for run_id in ids)


def test_a_run_that_is_asked_for_under_two_ids_is_archived_by_one_process(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids = fill(server, 30)
    for number in range(8):
        shot = server.artifact(png(number), "screenshot")
        run = workflow_run(f"tsk_v2_{number}", run_type="task_v2", screenshots=[shot])
        ids.insert(3 * number, server.add_run(run))
        ids.append(server.add_run(run, run_id=f"wr_{number}"))
    ran = finish(start(*ids))
    assert sum(ran.runs.values()) == 2 * len(ids)
    assert "failed" not in ran.runs
    assert_intact(archive.root)
    assert_tidy(archive.root)
    assert {row["run_id"] for row in archive.rows("runs")} == {
        run_id for run_id in ids if not run_id.startswith("wr_")
    }


def test_very_large_artifacts_are_left_to_the_sessions_own_process(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids = fill(server, 40)
    recordings = {f"tsk_{900 + n}": Blob(150_000, n) for n in range(3)}
    for place, (run_id, content) in enumerate(recordings.items()):
        recording = server.artifact(content, "recording")
        ids.insert(7 * place, server.add_run(task_run(run_id, recording=recording)))
    assert finish(start(*ids)).runs == {"asked": 43, "fetched": 43}
    assert_intact(archive.root)
    assert_tidy(archive.root)
    for run_id in recordings:
        (row,) = [row for row in archive.rows("artifacts") if row["run_id"] == run_id]
        assert row["size"] == 150_000


def test_a_refused_key_ends_all_of_them(server: LyingServer, archiver: Command) -> None:
    ids = fill(server, 200)
    server.lie("/v1/runs/*", UNAUTHORIZED, times=FOREVER)
    ran = finish(start(*ids), 12)
    assert ran.err.count("refused the key") == 1
    assert len(server.requests) < 60


def test_an_api_that_is_down_ends_all_of_them(server: LyingServer, archiver: Command) -> None:
    ids = fill(server, 400)
    server.lie("/v1/runs/*", Status(503), times=FOREVER)
    ran = finish(start(*ids), 3)
    assert ran.err.count("is down") == 1
    assert len(server.requests) < 150


@pytest.mark.usefixtures("archiver")
def test_pauses_are_those_of_the_session_not_of_each_batch(server: LyingServer) -> None:
    for number in range(60):
        file = server.artifact(png(number), "screenshot", in_storage=True)
        server.lie(file, throttled(1, 503), times=FOREVER)
        server.add_run(task_run(f"tsk_{number}", screenshots=[file]))
    finish(start(*server.run_ids), 3)
    # In each batch that began before another was done, one is asked for again after the pause.
    assert server.count("/", origin="storage") <= 60 + 6


def test_an_interrupted_session_ends_soon_and_is_gone_on_with(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids, process = halfway(server, archive)
    workers = workers_of(process)
    assert len(workers) == 3
    process.send_signal(signal.SIGINT)
    ran = finish(process, 130)
    assert ran.err.count("stopping") == 1
    wait_for_end(workers)
    assert_intact(archive.root)
    server.stop_lying()
    before = committed(archive)
    server.clear_requests()
    assert finish(start(*ids)).runs["asked"] == 60
    assert committed(archive) == 60
    assert server.count("/v1/runs/") <= 60 - before + 3
    assert_intact(archive.root)
    assert_tidy(archive.root)


def test_killed_the_session_takes_its_workers_along_and_loses_nothing(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids, process = halfway(server, archive)
    workers = workers_of(process)
    process.kill()
    process.communicate()
    server.stop_lying()
    # Whoever comes next waits a moment for them, if it must.
    ran = finish(start(*ids))
    wait_for_end(workers)
    assert sum(ran.runs.values()) == 120
    assert_intact(archive.root)
    assert_tidy(archive.root)
    assert committed(archive) == 60


def test_a_worker_that_is_killed_ends_the_session_with_one_line(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids, process = halfway(server, archive)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    ran = finish(process, 3)
    assert "--workers 1 does without" in ran.err
    assert_intact(archive.root)
    server.stop_lying()
    finish(start(*ids))
    assert_intact(archive.root)
    assert_tidy(archive.root)
    assert committed(archive) == 60


def test_a_signal_to_all_of_them_interrupts(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    _, process = halfway(server, archive, group=True)
    os.killpg(process.pid, signal.SIGTERM)
    ran = finish(process, 130)
    assert sum(ran.runs.values()) >= 60 + 20
    assert_intact(archive.root)


def test_an_archive_that_vanishes_ends_the_session_with_its_summary(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    ids, process = halfway(server, archive)
    moved = archive.root.rename(archive.root.with_name("moved"))
    server.stop_lying()
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (3, 130)
    assert b"Traceback" not in err
    assert json.loads(out)["runs"]["asked"] == 60
    moved.rename(archive.root)
    finish(start(*ids))
    assert_intact(archive.root)
    assert_tidy(archive.root)


@pytest.mark.parametrize("kind", ["threads", "forkserver"])
def test_any_executor_will_do(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, kind: str
) -> None:
    ids = fill(server, 60)
    code = FEW.read_text().replace("if __name__", f"{EXECUTORS[kind]}\nif __name__")
    ended = subprocess.run(
        [sys.executable, "-c", code, "fetch", *OPTIONS, *ids],
        env=child_environment(),
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert json.loads(ended.stdout)["runs"]["fetched"] == 60
    assert_intact(archive.root)
    assert_tidy(archive.root)


def test_each_process_has_a_part_of_every_limit() -> None:
    options = FetchOptions(
        Path("archive"),
        "http://127.0.0.1",
        "key",
        RunOptions(Selection(frozenset(), None), timedelta(0), ()),
        api_concurrency=5,
        download_concurrency=2,
        workers=4,
        max_bandwidth=100.0,
    )
    part = options.for_one_of(options.processes)
    assert options.processes == 2
    assert (part.api_concurrency, part.download_concurrency, part.max_bandwidth) == (2, 1, 50.0)
    assert part.most_failures == 50
    assert options.for_one_of(64).most_failures == 20
