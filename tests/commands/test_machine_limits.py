"""Limits of the machine are named, with what to do; where fewer threads are enough, they are."""

import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from archiver.errors import SystemLimit
from archiver.query.sql import Limits, run_query
from archiver.store.archive_file import open_archive
from archiver.system.limits import LEAST_ADDRESS_SPACE
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_command, child_environment
from tests.lying_server import Blob, LyingServer, task_run

SLOW = (
    "SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b WHERE hash(a.range, b.range) = 7"
)


@pytest.fixture
def ids(server: LyingServer) -> list[str]:
    return [
        server.add_run(
            task_run(
                f"tsk_{n}",
                recording=server.artifact(Blob(6 << 20, n), "recording"),
                downloads=[server.artifact(Blob(1_000, n), "download", "a.bin")],
            )
        )
        for n in range(4)
    ]


def at_most(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let no more threads start than so many at once, but those of the server and of pytest."""
    start, own = threading.Thread.start, set(threading.enumerate())

    def refuse(thread: threading.Thread) -> None:
        served = "process_request" in repr(thread) or "serve" in repr(thread)
        mine = [
            t for t in threading.enumerate() if t not in own and "process_request" not in t.name
        ]
        if not served and len(mine) >= count:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_with_fewer_threads_all_goes_on_or_is_said(
    archiver: Command, fetch: Fetch, ids: list[str], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    with monkeypatch.context() as limited:
        at_most(limited, count)
        ran = fetch(*ids, "--workers", "1", code=None)
        assert ran.code in (0, 3), ran.err
        if ran.code:
            assert "no more threads" in ran.err + ran.out
            assert "--workers 1" in ran.err + ran.out
    fetch(*ids)
    archiver("verify")


def test_a_query_goes_on_without_a_thread_of_its_own(
    archiver: Command, fetch: Fetch, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(*ids)
    at_most(monkeypatch, 0)
    (row,) = archiver("query", "SELECT count(*) AS n FROM runs", "--format", "json").json
    assert row == {"n": 4}


@pytest.mark.parametrize("command", [["query", "FROM runs"], ["verify"], ["fetch", "tsk_1"]])
def test_too_little_address_space_is_named(
    server: LyingServer, archive: ArchiveFolder, fetch: Fetch, command: list[str]
) -> None:
    fetch(server.add_run(task_run("tsk_1")))
    limit = LEAST_ADDRESS_SPACE // 2
    ended = subprocess.run(
        child_command(*command),
        env=child_environment(),
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert ended.returncode == 3
    assert b"RLIMIT_AS" in ended.stderr
    assert b"ulimit -v" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_memory_that_does_not_suffice_is_no_damage(
    archiver: Command, fetch: Fetch, ids: list[str]
) -> None:
    fetch(*ids)
    big = "SELECT list(range) FROM range(50_000_000)"
    ran = archiver("query", big, "--memory", "20MB", code=3)
    assert "not enough memory" in ran.err
    assert "reindex" not in ran.err
    archiver("query", "FROM runs", "--memory", "200MB", "--timeout", "1m")


def test_a_query_that_takes_too_long_is_ended(
    archiver: Command, fetch: Fetch, ids: list[str], archive: ArchiveFolder
) -> None:
    fetch(ids[0])
    ran = archiver("query", SLOW, "--timeout", "1s", code=3)
    assert "takes longer than 1 s" in ran.err
    result = run_query(open_archive(archive.root), "FROM range(5)", limits=Limits(seconds=60))
    assert sum(batch.num_rows for batch in result.batches) == 5
    with pytest.raises(SystemLimit):
        run_query(open_archive(archive.root), SLOW, limits=Limits(seconds=0.2))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("MemoryError()", "not enough memory"),
        ('RuntimeError("can\'t start new thread")', "no more threads"),
        ('ImportError("libarrow.so: failed to map segment from shared object")', "enough memory"),
    ],
)
def test_what_only_python_says_is_said_in_words(tmp_path: Path, raised: str, said: str) -> None:
    code = f"""
import sys
import archiver.cli.main as main
def fail(*_, **__):
    raise {raised}
main.cli.main = fail
sys.exit(main.run(["ledger"]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, cwd=tmp_path
    )
    assert (ended.returncode, b"Traceback" in ended.stderr) == (3, False)
    assert said in ended.stderr.decode()
