"""The process ends before its n-th change of the file system, for every n: nothing is lost."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.invariants import assert_intact, assert_tidy, manifests, summary
from tests.crash.killer import FETCH, Ended, Killer
from tests.crash.zygote import KILLED
from tests.lying_server import LyingServer, task_run, webm

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")

SHARES = 4
"""Every change is somebody's: the kills are shared out, so that they can run side by side."""


def every_kill(
    killer: Killer, share: int, prepare: Callable[[], Path], *arguments: str
) -> Iterator[tuple[int, Path]]:
    """Kills the command before every change that is in this share, until it gets through."""
    for number in range(share, 2_000, SHARES):
        archive = prepare()
        ended = killer.run(archive, *arguments, die_before=number)
        yield number, archive
        if ended.code != KILLED:
            return
        shutil.rmtree(archive, ignore_errors=True)
    raise AssertionError("the command makes no end of changing things")


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_a_fetch_that_is_killed_anywhere_loses_nothing(
    share: int, killer: Killer, server: LyingServer, tmp_path: Path
) -> None:
    points = 0
    for number, archive in every_kill(killer, share, lambda: tmp_path / "archive", *FETCH):
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
        points = number
    assert points > 40


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
        assert killer.run(archive, "query", "FROM runs", "--format", "json").code == 0
        assert len(json.loads(killer.output.read_text())) == 3, number
        assert killer.run(archive, "reindex").code == 0
        assert_intact(archive)
        assert_tidy(archive)


def test_a_verify_changes_nothing(killer: Killer, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    assert killer.run(archive, *FETCH).code == 0
    assert summary(killer.output)["runs"] == {
        "asked": 3, "fetched": 2, "unchanged": 0, "unfinished": 1, "not_found": 0, "failed": 0,
    }  # fmt: skip
    assert killer.run(archive, "verify") == Ended(0, 0)
