"""The process ends before a change of the file system, of every kind: nothing is lost.

With ``ARCHIVER_TEST_KILLS=all`` it ends before every single one.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.crash.invariants import assert_intact, assert_tidy, manifests, rows, summary
from tests.crash.killer import FETCH, Killer
from tests.crash.points import kill_points
from tests.crash.zygote import KILLED
from tests.lying_server import LyingServer, task_run, webm

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")

SHARES = 2
"""Every change is somebody's: the kills are shared out, so that they can run side by side."""


def every_kill(
    killer: Killer, share: int, prepare: Callable[[], Path], *arguments: str, step: int = 3
) -> Iterator[tuple[int, Path]]:
    """Kills the command before the changes that are in this share; at last it gets through."""
    archive = prepare()
    record = archive.parent / "events"
    *points, unkilled = kill_points(killer, archive, record, *arguments, step=step)
    assert len(points) > SHARES
    for number in (*points[share - 1 :: SHARES], unkilled):
        shutil.rmtree(archive, ignore_errors=True)
        archive = prepare()
        ended = killer.run(archive, *arguments, die_before=number)
        if ended.code != KILLED or number == unkilled:
            assert ended.code == 0, number
            # Threads take turns: one time there is a change less than another time.
            assert number == unkilled or ended.changes < number
        yield number, archive


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_a_fetch_that_is_killed_anywhere_loses_nothing(
    share: int, killer: Killer, server: LyingServer, tmp_path: Path
) -> None:
    points = 0
    for number, archive in every_kill(killer, share, lambda: tmp_path / "archive", *FETCH, step=2):
        assert_intact(archive)
        before = manifests(archive)
        server.clear_requests()
        ended = killer.run(archive, *FETCH)
        assert ended.code == 0, number
        assert_intact(archive)
        assert_tidy(archive)
        after = manifests(archive)
        assert before.items() <= after.items(), "what was committed was changed"
        assert sum("tsk_" in path for path in after) == 3
        committed = sum(json.loads(data)["status"] == "completed" for data in before.values())
        asked = {r.path for r in server.requests if r.path.startswith("/v1/runs/")}
        assert len(asked) == 3 - committed, "a committed run was asked for again"
        points += 1
    assert points > 10 // SHARES


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_a_second_fetch_that_is_killed_anywhere_keeps_the_first(
    share: int, killer: Killer, server: LyingServer, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    assert killer.run(made, *FETCH).code == 0
    first = manifests(made)
    server.add_run(
        task_run("tsk_3", recording=server.artifact(webm(2_000, 3), "recording")), run_id="tsk_3"
    )

    def prepare() -> Path:
        return Path(shutil.copytree(made, tmp_path / "archive"))

    try:
        for number, archive in every_kill(killer, share, prepare, *FETCH):
            assert_intact(archive)
            assert killer.run(archive, *FETCH).code == 0, number
            assert_intact(archive)
            assert_tidy(archive)
            assert first.items() <= manifests(archive).items()
            assert len(manifests(archive)) == len(first) + 1
    finally:
        server.add_run(task_run("tsk_3", status="running"), run_id="tsk_3")


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_a_reindex_that_is_killed_anywhere_leaves_whole_tables(
    share: int, killer: Killer, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    assert killer.run(made, *FETCH).code == 0

    def prepare() -> Path:
        return Path(shutil.copytree(made, tmp_path / "archive"))

    for number, archive in every_kill(killer, share, prepare, "reindex"):
        assert_intact(archive)
        assert len(rows(archive, "runs", "run_id")) == 3, number
        assert killer.run(archive, "reindex").code == 0
        assert_tidy(archive)
    assert_intact(archive)


@pytest.fixture(scope="module")
def unmerged(killer: Killer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with two flushes of a month that is over, to be merged by the next session."""
    archive = tmp_path_factory.mktemp("unmerged") / "archive"
    for run_id in ("tsk_1", "tsk_2"):
        assert killer.run(archive, "fetch", run_id, "--without", "download", "--quiet").code == 0
    for month in archive.glob("tables/*/fetched=*"):
        month.rename(month.with_name("fetched=2020-01"))
    return archive


def counted(archive: Path) -> list[int]:
    """How many rows each table has, and how many files of the month that is over."""
    tables = ("runs", "documents", "artifacts", "fetches")
    files = archive.glob("tables/*/fetched=2020-01/*")
    filled = [file for file in files if pq.read_metadata(file).num_rows]
    return [*(len(rows(archive, table, "run_id")) for table in tables), len(filled)]


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_merging_that_is_killed_anywhere_leaves_all_rows_once(
    share: int, killer: Killer, unmerged: Path, tmp_path: Path
) -> None:
    def prepare() -> Path:
        return Path(shutil.copytree(unmerged, tmp_path / "archive"))

    merge = ("reindex", "--compact")
    for number, archive in every_kill(killer, share, prepare, *merge):
        assert counted(archive) in ([2, 2, 4, 2, 8], [2, 2, 4, 2, 4]), number
        assert killer.run(archive, *merge).code == 0
        assert counted(archive) == [2, 2, 4, 2, 4]
        assert_tidy(archive)
    assert_intact(archive)


def test_a_session_that_is_killed_while_it_merges_is_over(
    killer: Killer, unmerged: Path, tmp_path: Path
) -> None:
    archive, record = tmp_path.resolve() / "archive", tmp_path / "events.json"
    shutil.copytree(unmerged, archive)
    session = ("fetch", "tsk_3", "--quiet")
    assert killer.run(archive, *session, record=record).code == 0
    assert counted(archive) == [3, 3, 4, 3, 4]
    changes = [e for e in json.loads(record.read_text()) if e[0] not in ("fsync", "syncfs")]
    merging = [n for n, e in enumerate(changes, 1) if any("/tmp/tables/" in p for p in e[1:])]
    for number in (merging[0], merging[len(merging) // 2], merging[-1]):
        shutil.rmtree(archive)
        shutil.copytree(unmerged, archive)
        assert killer.run(archive, *session, die_before=number).code == KILLED
        assert counted(archive) in ([3, 3, 4, 3, 8], [3, 3, 4, 3, 4])
        assert len(list(archive.glob("ledger/*.json"))) == 3
        assert killer.run(archive, "fetch", "tsk_1", "--quiet", "--json").code == 0
        assert_intact(archive)
        assert_tidy(archive)


def test_a_verify_changes_nothing(killer: Killer, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    assert killer.run(archive, *FETCH).code == 0
    assert summary(killer.output)["runs"] == {
        "asked": 3, "fetched": 2, "unchanged": 0, "unfinished": 1, "not_found": 0, "failed": 0,
    }  # fmt: skip
    before = {path: path.stat() for path in archive.rglob("*")}
    assert killer.run(archive, "verify", "--no-record").code == 0
    after = {path: path.stat() for path in archive.rglob("*")}
    assert {p: (s.st_ino, s.st_mtime_ns) for p, s in after.items()} == {
        p: (s.st_ino, s.st_mtime_ns) for p, s in before.items()
    }


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_a_verify_that_is_killed_anywhere_harms_nothing(
    share: int, killer: Killer, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    assert killer.run(made, *FETCH).code == 0

    def prepare() -> Path:
        return Path(shutil.copytree(made, tmp_path / "archive"))

    points = 0
    for number, archive in every_kill(killer, share, prepare, "verify", "--quiet"):
        assert_intact(archive)
        assert killer.run(archive, "verify", "--quiet").code == 0, number
        assert_intact(archive)
        assert_tidy(archive)
        points += 1
    assert points > 3 // SHARES
