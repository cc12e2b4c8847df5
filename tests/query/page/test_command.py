"""The command that writes the page: what it takes, what it refuses, and what it leaves behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, child_environment
from tests.query.page.archives import Run, write_archive


@pytest.fixture
def held(tmp_path: Path) -> ArchiveFolder:
    return write_archive(tmp_path / "archive", [Run("tsk_1")])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["overview"], "overview"),
        (["--json"], "--json"),
        (["--by", "day", "--limit", "0"], "--by, --limit"),
        (["failures", "--format", "csv"], "--format"),
    ],
)
def test_what_the_page_does_not_have_is_refused(
    held: ArchiveFolder, tmp_path: Path, arguments: list[str], named: str
) -> None:
    file = tmp_path / "page.html"
    ran = Command()("report", *arguments, "--archive", held.root, "--html", file, code=2)
    assert f"--html cannot be combined with {named}." in ran.err
    assert not file.exists()


def test_the_archive_is_no_place_for_the_page(held: ArchiveFolder) -> None:
    before = held.files()
    ran = Command()("report", "--archive", held.root, "--html", held.root / "page.html", code=2)
    assert "inside the archive" in ran.err
    assert held.files() == before


def test_a_page_that_cannot_be_written_leaves_nothing(held: ArchiveFolder, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    (folder / "page.html").mkdir(parents=True)
    ran = Command()("report", "--archive", held.root, "--html", folder / "page.html", code=2)
    assert "page.html" in ran.err
    missing = tmp_path / "not" / "there" / "page.html"
    assert (
        "cannot write" in Command()("report", "--html", missing, "--archive", held.root, code=2).err
    )
    assert [path.name for path in folder.iterdir()] == ["page.html"]


def test_damaged_tables_are_told_of(held: ArchiveFolder, tmp_path: Path) -> None:
    (table,) = held.table_files("runs")
    table.write_bytes(b"PAR1 no more")
    file = tmp_path / "page.html"
    ran = Command()("report", "--archive", held.root, "--html", file, code=4)
    assert "archiver reindex" in ran.err
    assert not file.exists()


def test_without_the_extra_it_is_said_how_to_get_it(held: ArchiveFolder, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['vl_convert'] = None\n"
        "from archiver.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    arguments = ["report", "--archive", str(held.root), "--html", str(tmp_path / "page.html")]
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=child_environment(),
    )
    assert ended.returncode == 2
    assert "pip install 'skyvern-archiver[html]'" in ended.stderr
    assert "vl_convert" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_result_says_where_the_page_is(held: ArchiveFolder, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    ran = Command()("report", "--archive", held.root, "--html", file)
    assert str(file) in ran.out
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "page.html"}
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
