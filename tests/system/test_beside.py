"""What is written outside the archive is there as a whole, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.system.atomic import work_folder
from tests.cli.running import child_environment

INTERRUPTED = """
import sys
from pathlib import Path
from archiver.system.atomic import atomic_folder

left = [int(sys.argv[2])]

def interrupt(event, arguments):
    if event in ("os.remove", "os.rmdir"):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

sys.addaudithook(interrupt)
with atomic_folder(Path(sys.argv[1]), overwrite=False) as folder:
    for name in ("a", "b", "c/d"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    raise KeyboardInterrupt
"""
"""Ctrl-C, and once more while what was written is removed: the audit hook comes in between."""


@pytest.mark.parametrize("removals", [0, 1, 2, 3, 4, 5, 6])
def test_ctrl_c_while_cleaning_up_leaves_nothing(tmp_path: Path, removals: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "out"), str(removals)],
        env=child_environment(),
        capture_output=True,
        text=True,
    )
    assert ended.stderr.endswith("KeyboardInterrupt\n")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_as_soon_as_the_folder_is_there_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = os.mkdir

    def interrupted(path: Path, mode: int) -> None:
        make(path, mode)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    with work_folder(tmp_path / "out") as folder:
        assert folder.stat().st_mode & 0o077 == 0
