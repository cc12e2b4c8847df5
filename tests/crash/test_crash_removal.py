"""An erase that is killed anywhere: the run is whole, or the next writer leaves nothing of it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from archiver.store.archive_file import open_archive
from archiver.verify.verify import find_damage
from tests.commands.test_redaction import everything
from tests.crash.killer import Killer
from tests.crash.zygote import KILLED
from tests.lying_server import LyingServer, task_run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")

MARK = "Marker4711"
ERASE = ("erase", "tsk_9", "--reason", "asked for", "--yes")
SHARES = 2
STEP = int(os.environ.get("ARCHIVER_TEST_KILL_STEP", "12"))
"""Every how manyth change somebody is killed before; 2 are all of them, in a minute."""


@pytest.fixture(scope="module")
def made(killer: Killer, server: LyingServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a run that has two revisions and a mark, and another without."""
    archive = tmp_path_factory.mktemp("made") / "archive"
    for title in (MARK, f"{MARK} again"):
        download = server.artifact(f"{title} in a file".encode(), "download", f"{MARK}.txt")
        server.add_run(task_run("tsk_9", title=title, downloads=[download]))
        assert killer.run(archive, "fetch", "tsk_9", "tsk_1", "--refresh", "--quiet").code == 0
    assert MARK in everything(archive)
    return archive


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_an_erase_that_is_killed_anywhere_leaves_all_or_nothing(
    share: int, killer: Killer, made: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    begun = whole = 0
    for number in range(share * STEP // SHARES, 2_000, STEP):
        shutil.copytree(made, archive)
        ended = killer.run(archive, *ERASE, die_before=number)
        is_committed = (next(archive.glob("runs/**/tsk_9")) / "r3/manifest.json").exists()
        assert killer.run(archive, "fetch", "tsk_1", "--quiet").code == 0, number
        assert find_damage(open_archive(archive)) == [], number
        assert (MARK not in everything(archive)) is is_committed, number
        begun += is_committed
        whole += not is_committed
        shutil.rmtree(archive)
        if ended.code != KILLED:
            break
    assert ended.code == 0
    assert begun > 3
    assert whole > 0


def test_a_prune_of_a_kind_that_is_killed_anywhere_is_finished_or_never_was(
    killer: Killer, made: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    rule = ("--rule", "older-than=10m kind=download")
    begun = whole = 0
    for number in range(max(1, STEP // 2), 2_000, STEP):
        shutil.copytree(made, archive)
        ended = killer.run(archive, "prune", *rule, die_before=number)
        run = next(archive.glob("runs/**/tsk_9"))
        is_committed = (run / "r3/manifest.json").exists()
        begun += is_committed
        whole += not is_committed
        assert find_damage(open_archive(archive)) == [], number
        assert killer.run(archive, "fetch", "tsk_1", "--quiet").code == 0, number
        assert find_damage(open_archive(archive)) == [], number
        assert bool(list(run.glob("r*/downloads/*"))) is not is_committed, number
        shutil.rmtree(archive)
        if ended.code != KILLED:
            break
    assert ended.code == 0
    assert begun > 3
    assert whole > 0


def test_a_reindex_after_an_erase_that_was_killed_leaves_nothing(
    killer: Killer, made: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    begun = 0
    for number in range(STEP, 2_000, 2 * STEP):
        shutil.copytree(made, archive)
        ended = killer.run(archive, *ERASE, die_before=number)
        if (next(archive.glob("runs/**/tsk_9")) / "r3/manifest.json").exists():
            begun += 1
            assert killer.run(archive, "reindex").code == 0, number
            assert MARK not in everything(archive), number
        shutil.rmtree(archive)
        if ended.code != KILLED:
            break
    assert ended.code == 0
    assert begun > 2


def test_an_erase_by_a_condition_that_is_killed_is_finished_by_the_same_command(
    killer: Killer, made: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    erase = ("erase", "--where", f"title LIKE '{MARK}%'", "--reason", "asked for", "--yes")
    begun = 0
    for number in range(max(1, STEP // 2), 2_000, STEP):
        shutil.copytree(made, archive)
        ended = killer.run(archive, *erase, die_before=number)
        is_begun = (next(archive.glob("runs/**/tsk_9")) / "r3/manifest.json").exists()
        begun += is_begun
        shown = killer.run(archive, "show", "tsk_9").code
        assert shown in ({0, 3} if is_begun else {0}), number
        if is_begun:
            assert MARK not in killer.output.read_text(), number
        if ended.code == KILLED:
            assert killer.run(archive, *erase).code == 0, number
        assert find_damage(open_archive(archive)) == [], number
        assert MARK not in everything(archive), number
        records = [json.loads(path.read_bytes()) for path in archive.glob("ledger/*.json")]
        of_erases = [record for record in records if record["kind"] == "erase"]
        # One that was killed behind its record leaves another to tidy up, which is about nothing.
        (erased,) = [record for record in of_erases if record["ids_asked"]]
        assert (archive / f"ledger/{erased['session']}.ids").read_text() == "tsk_9\n", number
        assert erased["details"]["reason"] == "asked for"
        shutil.rmtree(archive)
        if ended.code != KILLED:
            break
    assert ended.code == 0
    assert begun > 3
