"""The format's specification is enough: a checker written by it alone finds what verify finds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.archives.checker import Checker
from tests.archives.test_format_1 import EVERY, FORMAT_1
from tests.cli.running import Command

CHECKER = Path(__file__).with_name("checker.py")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_it_is_short_and_imports_nothing_of_the_tool() -> None:
    text = CHECKER.read_text()
    assert len(text.splitlines()) <= 200
    assert "archiver import" not in text
    assert "import archiver" not in text


@EVERY
def test_it_calls_what_version_1_wrote_intact(name: str) -> None:
    assert Checker(FORMAT_1 / name).check() == []


@pytest.mark.parametrize("name", ["plain", "signed", "pruned", "erased", "killed", "killed-erase"])
def test_it_calls_what_was_raised_intact(
    name: str, archiver: Command, archive: ArchiveFolder
) -> None:
    shutil.copytree(FORMAT_1 / name, archive.root)
    archiver("hold", "wr_3", "--reason", "Later.")
    archiver("verify", "--quiet")
    assert Checker(archive.root).check() == []
    (archive.root / "archive.json").write_bytes((FORMAT_1 / name / "archive.json").read_bytes())
    assert Checker(archive.root).check() == ["archive.json: altered"]


Harm = Callable[[Path], object]
HARMS: dict[str, Harm] = {
    "a document": lambda root: flip(next(root.glob("runs/**/tsk_1/r1/run.json"))),
    "an artifact": lambda root: flip(next(root.glob("runs/**/tsk_1/r1/screenshots/01.png"))),
    "an artifact is gone": lambda root: next(root.glob("runs/**/recording.webm")).unlink(),
    "a manifest": lambda root: flip(next(root.glob("runs/**/tsk_4/r2/manifest.json"))),
    "a manifest is gone": lambda root: next(root.glob("runs/**/r2/manifest.json")).unlink(),
    "the sums": lambda root: flip(next(root.glob("runs/**/tsk_1/r1/SHA256SUMS"))),
    "a run is gone": lambda root: shutil.rmtree(next(root.glob("runs/**/tsk_2"))),
    "a run twice": lambda root: shutil.copytree(
        next(root.glob("runs/**/tsk_1")), root / "runs/2020/01/01/tsk_1"
    ),
    "a file too many": lambda root: (
        next(root.glob("runs/**/r1/run.json")).with_name("more.txt").write_text("x")
    ),
    "a file at the top": lambda root: (root / "more.txt").write_text("x"),
    "the first record": lambda root: flip(min(root.glob("ledger/*.json"))),
    "the last record": lambda root: flip(max(root.glob("ledger/*.json"))),
    "a record is gone": lambda root: sorted(root.glob("ledger/*.json"))[1].unlink(),
    "a list": lambda root: flip(min(root.glob("ledger/*.sha256"))),
    "a list is gone": lambda root: min(root.glob("ledger/*.sha256")).unlink(),
    "a head file": lambda root: flip(min(root.glob("ledger/*.head"))),
    "a signature": lambda root: flip(min(root.glob("ledger/*.sig"))),
    "the ids of a hold": lambda root: flip(next(root.glob("ledger/*.ids"))),
    "archive.json": lambda root: (root / "archive.json").write_bytes(
        (root / "archive.json").read_bytes().replace(b"2026", b"2025")
    ),
    "README.txt": lambda root: flip(root / "README.txt"),
    "a table file": lambda root: flip(next(root.glob("tables/runs/*/*.parquet"))),
    "a table file is gone": lambda root: next(root.glob("tables/artifacts/*/*.parquet")).unlink(),
    "fetches are gone": lambda root: next(root.glob("tables/fetches/*/*.parquet")).unlink(),
    "rows twice": lambda root: shutil.copy(
        file := next(root.glob("tables/runs/*/*.parquet")), file.with_name("again.parquet")
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_it_finds_every_harm_that_verify_finds(
    harm: str, archiver: Command, archive: ArchiveFolder
) -> None:
    name = "signed" if harm in ("a signature", "the ids of a hold", "rows twice") else "plain"
    shutil.copytree(FORMAT_1 / name, archive.root)
    HARMS[harm](archive.root)
    try:
        found = Checker(archive.root).check()
    except (KeyError, ValueError) as error:  # what is no such file at all ends it, and is found
        found = [repr(error)]
    assert found
    archiver("verify", "--no-record", "--quiet", code=4)
