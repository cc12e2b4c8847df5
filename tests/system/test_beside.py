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


KILLED = """
import os, sys
from pathlib import Path
from archiver.system.atomic import work_folder

with work_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("data")
    print("there", flush=True)
    sys.stdin.read()
"""


def begin(target: Path) -> "subprocess.Popen[bytes]":
    """Begin to write for a target, in a process that waits for its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    return process


def end(process: "subprocess.Popen[bytes]", *, is_killed: bool) -> None:
    if is_killed:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("name", ["out.zip", "ö" * 120, "x" * 255, "a [b] *.zip"])
def test_what_a_killed_process_left_is_removed_by_the_next_for_the_same_place(
    tmp_path: Path, name: str
) -> None:
    target, other = tmp_path / name[:127], tmp_path / "another"
    for place in (target, other):
        end(begin(place), is_killed=True)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2
    assert all(len(os.fsencode(part)) <= 143 for part in left)
    running = begin(target)
    with work_folder(target):
        mine = [path for path in tmp_path.iterdir() if f".{os.getpid()}-" in path.name]
        with work_folder(target):
            pass
        assert len(mine) == 1
        assert mine[0].is_dir()
        assert len(list(tmp_path.iterdir())) == 3  # of another, of who is at work, and this one
    end(running, is_killed=False)
    (last,) = tmp_path.iterdir()
    assert last.name.startswith(".another.")


def test_a_process_of_the_same_number_is_not_who_was_killed(tmp_path: Path) -> None:
    """As in containers, where each is the first."""
    end(begin(tmp_path / "out"), is_killed=True)
    (left,) = tmp_path.iterdir()
    name, _, rest = left.name.rpartition("-")
    left.rename(tmp_path / f"{name.rpartition('.')[0]}.{os.getpid()}-{rest}")
    with work_folder(tmp_path / "out") as folder:
        assert list(tmp_path.iterdir()) == [folder]
