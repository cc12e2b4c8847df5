"""What is said while a package is made."""

from pathlib import Path

from tests.cli.running import Command
from tests.cli.terminals import terminal
from tests.export.conftest import Known


def test_a_terminal_is_shown_a_bar(known: Known, tmp_path: Path) -> None:
    at = ("--archive", known.held.root)
    with terminal("export", "tsk_1", "--bagit", tmp_path / "bag", *at) as shown_on:
        shown = shown_on.end()
    assert shown_on.code == 0
    assert "bag, 18 files" in shown
    assert "1 run, " in shown.splitlines()[-1]


def test_lines_are_for_what_is_no_terminal(archiver: Command, tmp_path: Path) -> None:
    ran = archiver("export", "tsk_1", "--bagit", tmp_path / "bag")
    (line,) = ran.err.splitlines()
    assert line.startswith("packing 18 files, ")
    assert line.endswith(str(tmp_path / "bag"))
    assert ran.out.startswith(f"{tmp_path / 'bag'}  1 run, ")
