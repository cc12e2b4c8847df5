"""What a terminal is shown of a query's result, and what files and pipes are."""

import re
from pathlib import Path

import pytest

from tests.cli.running import Command, Fetch, point_to
from tests.cli.terminals import terminal
from tests.lying_server import LyingServer, task_run

ROWS = "SELECT 'row-' || i AS n FROM range(2000) r(i)"
FEW = "SELECT 'row-' || i AS n FROM range(3) r(i)"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one run."""
    archive = tmp_path_factory.mktemp("screens") / "archive"
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        server.add_run(task_run("tsk_1"))
        Fetch(Command())("tsk_1", "--archive", archive)
    return archive


@pytest.fixture(autouse=True)
def filled(archiver: Command, held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(held))
    for name in ("PAGER", "LESS", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_is_shown_some_rows_and_told_how_to_see_all() -> None:
    with terminal("query", ROWS, "--no-pager") as shown:
        text = shown.end()
    assert ("row-999 " in text, "row-1000 " in text) == (True, False)
    assert "the first 1,000 rows are shown; --max-rows 0 shows all" in text
    with terminal("query", ROWS, "--no-pager", "--max-rows", "0") as shown:
        text = shown.end()
    assert "row-1999" in text
    assert "are shown" not in text


def test_files_and_pipes_get_all(archiver: Command, tmp_path: Path) -> None:
    assert "row-1999" in archiver("query", ROWS, "--max-rows", "5").out
    with terminal("query", ROWS, "--max-rows", "5", "--output", tmp_path / "a.txt") as shown:
        assert shown.end() == ""
    assert "row-1999" in (tmp_path / "a.txt").read_text()
    with terminal("query", ROWS, "--max-rows", "5", "--format", "csv") as shown:
        assert "row-1999" in shown.end()


def test_what_is_longer_than_the_screen_is_paged(tmp_path: Path) -> None:
    with terminal("query", ROWS) as shown:
        shown.until(r":\x1b")
        shown.type("G")
        shown.shows("row-999")
        shown.type("q")
        assert "the first 1,000 rows" in shown.end()


def test_the_users_own_pager_is_taken(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\necho PAGED\ncat > {tmp_path}/paged\n")
    pager.chmod(0o755)
    with terminal("query", ROWS, PAGER=str(pager)) as shown:
        assert "PAGED" in shown.end()
    assert "row-999" in (tmp_path / "paged").read_text()
    for options, few in (([], FEW), (["--no-pager"], ROWS)):
        with terminal("query", few, *options, PAGER=str(pager)) as shown:
            text = shown.end()
        assert ("row-2 " in text, "PAGED" in text) == (True, False)
    with terminal("query", ROWS, PAGER="") as shown:
        assert "row-999" in shown.end()


def test_many_columns_are_scrolled_and_few_are_folded(tmp_path: Path) -> None:
    wide = "SELECT " + ", ".join(f"'value of {i}' AS c{i}" for i in range(30))
    with terminal("query", wide, PAGER="cat") as shown:
        text = shown.end()
    assert "value of 0" in text
    assert "value of 29" in text
    with terminal("query", "SELECT repeat('word ', 60) AS text", PAGER="cat") as shown:
        lines = shown.end().splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.count("word") for line in lines) == 60


def test_a_plan_is_text_to_read(archiver: Command) -> None:
    for sql in ("EXPLAIN FROM runs", "EXPLAIN ANALYZE FROM runs"):
        out = archiver("query", sql).out
        assert "explain_value" not in out
        assert "\\n" not in out
        assert re.search(r"^╭─+ ?.*─╮", out, re.MULTILINE)
    (row,) = archiver("query", "EXPLAIN FROM runs", "--format", "json").json
    assert row["explain_key"] == "physical_plan"
    with terminal("query", "EXPLAIN FROM runs", "--no-pager") as shown:
        assert "Parquet" in shown.end().title()


def test_a_line_for_each_column(archiver: Command) -> None:
    sql = (
        "SELECT 42 AS a, 'x' || chr(10) || 'y' AS longer UNION ALL SELECT NULL, chr(27) ORDER BY 1"
    )
    out = archiver("query", sql, "--format", "line").out
    assert out == "row 1\n  a       42\n  longer  x⏎y\nrow 2\n  a\n  longer  \ufffd\n"


def test_how_long_it_took_is_told_beside_the_result(archiver: Command) -> None:
    ran = archiver("query", "SELECT 42 AS a", "--timing", "--format", "csv")
    assert ran.out == "a\n42\n"
    assert re.fullmatch(r"\d+\.\d{3} s\n", ran.err)


def test_views_are_described(archiver: Command) -> None:
    listed = archiver("query", r"\d", "--format", "json").json
    assert {"view": "daily", "a row is": listed[-1]["a row is"]} == listed[-1]
    described = archiver("query", r"\d runs", "--format", "json").json
    assert described[0]["column"] == "run_id"
    assert {"seconds"} <= {column["unit"] for column in described}
    assert archiver("query", r"\d nothing", code=2).err.startswith("Error: there is no nothing")


def test_sql_comes_from_standard_input_where_none_is_given(archiver: Command) -> None:
    assert archiver("query", "--format", "csv", stdin="SELECT 42 AS a;\n").out == "a\n42\n"
    assert "empty" in archiver("query", code=2).err
    with terminal("query", "--output", "x.csv") as shown:
        shown.ready()


HOSTILE = "\x1b[31m \x07 \x9b31m \u202e \u2066 \x7f"
"""What moves a cursor, changes colours, or turns text around: C0, C1, bidi controls, DEL."""


@pytest.mark.parametrize("form", ["table", "line", "csv", "json", "ndjson", "markdown"])
def test_control_characters_are_shown_on_terminals_in_every_format(form: str) -> None:
    sql = "SELECT " + " || ' ' || ".join(f"chr({ord(c)})" for c in HOSTILE if not c.isprintable())
    with terminal("query", f"{sql} AS a", "--format", form, "--no-pager") as shown:
        text = shown.raw()
    assert not set(text) & set("\x07\x9b\u202e\u2066\x7f")
    assert "\x1b[31m" not in text
    if form in ("csv", "json", "ndjson"):
        assert "\\u001b \\u0007 \\u009b \\u202e \\u2066 \\u007f" in text


@pytest.mark.parametrize("form", ["csv", "json", "ndjson"])
def test_files_and_pipes_have_control_characters_as_they_are(
    archiver: Command, tmp_path: Path, form: str
) -> None:
    sql = "SELECT chr(155) || chr(8238) || chr(127) AS a"
    path = tmp_path / f"a.{form}"
    archiver("query", sql, "--output", path)
    for text in (path.read_text(), archiver("query", sql, "--format", form).out):
        assert "\x9b\u202e\x7f" in text


def test_control_characters_of_the_one_document_are_shown_on_terminals(
    archiver: Command, held: Path
) -> None:
    archiver("hold", "tsk_1", "--reason", "for \x9b31m \u202e\u2066")
    for line in (("hold", "--list"), ("show", "tsk_1")):
        with terminal(*line, "--json", ARCHIVER_ARCHIVE=str(held)) as shown:
            text = shown.raw()
        assert not set(text) & set("\x9b\u202e\u2066")
        assert "for \\u009b31m \\u202e\\u2066" in text
        assert "for \x9b31m \u202e\u2066" in archiver(*line, "--json").out
