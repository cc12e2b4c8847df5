"""The raising of an archive's format is killed anywhere: it is of one format or the other."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from archiver.store.archive_file import open_archive
from archiver.verify.verify import find_damage
from tests.crash.killer import Killer
from tests.crash.zygote import KILLED

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")

FORMAT_1 = Path(__file__).parents[1] / "data/archives/format-1"
HOLD = ("hold", "wr_3", "--reason", "Later.")


def told(archive: Path) -> list[Any]:
    """The format, and the kinds of all records."""
    records = [json.loads(path.read_bytes()) for path in sorted(archive.glob("ledger/*.json"))]
    begin = json.loads((archive / "archive.json").read_bytes())
    return [begin["format"], *(record["kind"] for record in records)]


@pytest.mark.parametrize("name", ["signed", "killed"])
def test_an_upgrade_that_is_killed_anywhere_is_finished(
    name: str, killer: Killer, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    _, *before = told(FORMAT_1 / name)
    states: list[list[Any]] = []
    for number in range(1, 200):
        shutil.copytree(FORMAT_1 / name, archive)
        ended = killer.run(archive, *HOLD, die_before=number)
        state = told(archive)
        if state not in states:
            states.append(state)
            assert find_damage(open_archive(archive)) == [], number
            assert killer.run(archive, *HOLD).code == 0, number
            again = ["hold"] if state[-1] == "hold" and len(state) == len(before) + 3 else []
            assert told(archive) == [2, *before, "upgrade", "hold", *again], number
            assert find_damage(open_archive(archive)) == [], number
        shutil.rmtree(archive)
        if ended.code != KILLED:
            break
    assert ended.code == 0
    assert states == [
        [1, *before],
        [1, *before, "upgrade"],
        [2, *before, "upgrade"],
        [2, *before, "upgrade", "hold"],
    ]
