"""Results of queries come in every format, whole, and to where they were asked for."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import (
    Command,
    Fetch,
    child_command,
    child_environment,
    point_to,
    run_child,
)
from tests.lying_server import LyingServer, task_run

SQL = """
SELECT 9007199254740993::BIGINT AS big, 'für, "№1"\n|two| 🧾' AS text, NULL AS nothing,
    TIMESTAMPTZ '2026-03-01 10:00:00.5+00' AS at, true AS yes, 1.5::DOUBLE AS float,
    ['a', 'b'] AS list, {'x': 1} AS struct
UNION ALL SELECT -1, '', 'x', NULL, false, NULL, [], NULL
ORDER BY big DESC
"""
FIRST: dict[str, Any] = {
    "big": 9007199254740993,
    "text": 'für, "№1"\n|two| 🧾',
    "nothing": None,
    "at": "2026-03-01T10:00:00.500000+00:00",
    "yes": True,
    "float": 1.5,
    "list": ["a", "b"],
    "struct": {"x": 1},
}


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two runs; no query changes it."""
    archive = tmp_path_factory.mktemp("results") / "archive"
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        for run_id in ("tsk_1", "tsk_2"):
            server.add_run(task_run(run_id))
        Fetch(Command())("tsk_1", "tsk_2", "--archive", archive)
    return archive


@pytest.fixture(autouse=True)
def filled(archiver: Command, two_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(two_runs))


def test_json_is_one_array(archiver: Command) -> None:
    found = archiver("query", SQL, "--format", "json").json
    assert (len(found), found[0], found[1]["text"]) == (2, FIRST, "")
    assert archiver("query", "FROM runs LIMIT 0", "--format", "json").json == []


def test_ndjson_is_an_object_a_line(archiver: Command) -> None:
    lines = archiver("query", SQL, "--format", "ndjson").out.splitlines()
    assert (len(lines), json.loads(lines[0])) == (2, FIRST)


def test_csv_is_read_back(archiver: Command) -> None:
    text = archiver("query", SQL, "--format", "csv").out
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert (first["big"], first["text"]) == ("9007199254740993", FIRST["text"])
    assert (first["nothing"], first["yes"], first["float"]) == ("", "true", "1.5")
    assert first["at"] == "2026-03-01 10:00:00.500000+00:00"
    assert (json.loads(first["list"]), json.loads(first["struct"])) == (["a", "b"], {"x": 1})
    assert (second["big"], second["at"]) == ("-1", "")


def test_markdown_is_a_table(archiver: Command) -> None:
    lines = archiver("query", SQL, "--format", "markdown").out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("| big | text |")
    assert set(lines[1]) <= set("|-: ")
    assert "\\|two\\|" in lines[2]


@pytest.mark.parametrize("options", [[], ["--format", "table"]])
def test_a_table_for_people_is_the_default(archiver: Command, options: list[str]) -> None:
    out = archiver("query", "SELECT run_id, document FROM documents", *options).out
    assert "tsk_1" in out
    # Nothing is cut off where there is no terminal that limits the width.
    assert '"app_url":"http://127.0.0.1:8080/tasks/tsk_1"' in out
    odd = archiver("query", "SELECT chr(27) || '[31m' AS a, chr(13) AS b, 'a' || chr(10) AS c").out
    assert not set(odd) & {"\x1b", "\r"}


@pytest.mark.parametrize("ending", ["csv", "json", "ndjson", "jsonl", "md", "parquet", "txt"])
def test_a_files_ending_tells_the_format(archiver: Command, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"result.{ending}"
    path.write_bytes(b"old")
    ran = archiver("query", "SELECT run_id, created_at FROM runs ORDER BY 1", "--output", path)

    assert ran.stdout == b""
    assert [found.name for found in tmp_path.glob("*result*")] == [path.name]
    if ending == "parquet":
        assert pq.read_table(path)["run_id"].to_pylist() == ["tsk_1", "tsk_2"]
        assert str(pq.read_schema(path).field("created_at").type) == "timestamp[us, tz=UTC]"
    else:
        text = path.read_text()
        assert "tsk_1" in text
        assert text[0] == {"csv": "r", "json": "[", "md": "|", "txt": "╭"}.get(ending, "{")


@pytest.mark.parametrize("name", ["a.xlsx", "a.pdf", "a.csv.gz", "a.CSVX", "a.html"])
@pytest.mark.parametrize("line", [["query", "FROM runs"], ["report", "overview"]])
def test_an_ending_that_is_no_format_is_refused_with_those_that_are(
    archiver: Command, tmp_path: Path, name: str, line: list[str]
) -> None:
    path = tmp_path / name
    err = archiver(*line, "--output", path, code=2).err
    assert [
        ending for ending in (path.suffix.lower(), ".csv", ".parquet") if ending not in err
    ] == []
    assert not path.exists()
    archiver(*line, "--output", path, "--format", "csv")
    assert path.read_text().startswith("run_")


@pytest.mark.parametrize(
    "line", [["report", "--html", "a.pdf"], ["export", "tsk_1", "--zip", "a.tar.gz"]]
)
def test_an_ending_that_would_not_be_true_is_refused(archiver: Command, line: list[str]) -> None:
    assert "does not end in ." in archiver(*line, code=2).err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_a_device_is_written_to_and_never_replaced(
    archiver: Command, tmp_path: Path, form: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        archiver("query", "SELECT 1 AS n", "--format", form, "--output", pipe)
        out, _ = reader.communicate(timeout=30)
    assert len(out) > 2
    assert pipe.is_fifo()
    assert "a device" in archiver("export", "--duckdb", pipe, "--overwrite", code=2).err
    assert pipe.is_fifo()


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_full_disk_under_a_result_is_said(archiver: Command, form: str) -> None:
    sql = "SELECT repeat('x', 100000) || i AS a FROM range(50) r(i)"
    err = archiver("query", sql, "--format", form, "--output", "/dev/full", code=3).err
    assert "No space left on device" in err
    assert Path("/dev/full").is_char_device()


def test_the_option_wins_over_the_ending(archiver: Command, tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    archiver("query", "SELECT 1 AS a", "--output", path, "--format", "json")
    assert json.loads(path.read_text()) == [{"a": 1}]


def test_parquet_goes_through_a_pipe(archiver: Command) -> None:
    ran = archiver("query", "SELECT run_id FROM runs ORDER BY 1", "--format", "parquet")
    found = pq.read_table(io.BytesIO(ran.stdout))
    assert found["run_id"].to_pylist() == ["tsk_1", "tsk_2"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST('x' AS INTEGER)",
        # This one fails on the way, when rows were written already.
        "SELECT CASE WHEN i = 299999 THEN error('late') ELSE 1 END FROM range(300000) r(i)",
        "DROP VIEW runs",
    ],
)
def test_a_query_that_fails_leaves_the_file_as_it_was(
    archiver: Command, tmp_path: Path, sql: str, ending: str
) -> None:
    path = tmp_path / f"result.{ending}"
    path.write_bytes(b"old")
    ran = archiver("query", sql, "--output", path, code=2)
    assert ran.err.startswith("Error: ")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir() if "result" in found.name] == [path.name]


def test_a_file_that_cannot_be_written_is_wrong_usage(archiver: Command, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.csv"
    assert str(path) in archiver("query", "SELECT 1", "--output", path, code=2).err


def test_sql_comes_from_a_file_or_standard_input(archiver: Command, tmp_path: Path) -> None:
    sql = "-- how many\nSELECT count(*) AS n\nFROM runs;\n"
    path = tmp_path / "count.sql"
    path.write_text(sql)
    assert archiver("query", path, "--format", "json").json == [{"n": 2}]
    assert archiver("query", "-", "--format", "json", stdin=sql).json == [{"n": 2}]
    assert "count2.sql" in archiver("query", tmp_path / "count2.sql", code=2).err
    path.write_bytes(b"\xff")
    archiver("query", path, code=2)
    archiver("query", "-", stdin=b"SELECT '\xff'", code=2)


def test_columns_of_the_same_name_are_all_there(archiver: Command) -> None:
    text = archiver("query", "SELECT 1 AS a, 2 AS a", "--format", "csv").out
    assert text.splitlines()[1] == "1,2"
    (row,) = archiver("query", "SELECT 1 AS a, 2 AS a", "--format", "json").json
    assert sorted(row.values()) == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "1::HUGEINT",
            "170141183460469231731687303715884105727",
            "1.25::DECIMAL(5,2)",
            "'nan'::DOUBLE",
        ),
        *("INTERVAL 1 DAY", "DATE '2026-03-01'", "TIME '10:00'", "uuid()", "'\\xAA'::BLOB"),
        *("TIMESTAMP '2026-03-01 10:00'", "map {'a': 1}", "{'a': [1, NULL]}", "[[1], NULL]"),
        *("'infinity'::TIMESTAMP", "TIMESTAMP_NS '2026-03-01 10:00:00.123456789'", "'a'::BIT"),
        *("'x'::ENUM('x', 'y')", "255::UTINYINT", "'{\"a\": 1}'::JSON", "1::UNION(n INT, t TEXT)"),
    ],
)
def test_values_of_every_type_are_written(archiver: Command, value: str) -> None:
    ran = archiver("query", f"SELECT {value} AS v", "--format", "json", code=None)
    # What DuckDB itself refuses is the user's to mend; nothing may be a crash.
    assert ran.code in (0, 2)
    if ran.code == 0:
        assert ran.json[0].keys() == {"v"}
        assert archiver("query", f"SELECT {value} AS v", "--format", "csv").out.startswith("v\n")


def test_how_long_something_took_is_readable_in_every_format(
    archiver: Command, tmp_path: Path
) -> None:
    sql = (
        "SELECT TIMESTAMP '2026-01-01 10:00:01.5' - TIMESTAMP '2026-01-01 09:59:00' AS took, "
        "INTERVAL 1 MONTH + INTERVAL 2 DAY AS span, -INTERVAL 90 SECOND AS back, "
        "INTERVAL 0 SECOND AS none, NULL::INTERVAL AS missing"
    )
    shown: dict[str, str | None] = {
        "took": "00:01:01.5",
        "span": "1 month 2 days",
        "back": "-00:01:30",
    }
    shown |= {"none": "00:00:00", "missing": None}
    assert archiver("query", sql, "--format", "json").json == [shown]
    assert archiver("query", sql, "--format", "csv").out.splitlines()[1] == ",".join(
        value or "" for value in shown.values()
    )
    archiver("query", sql, "--output", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == [shown]


def test_what_parquet_has_no_type_for_is_wrong_usage(archiver: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    assert (
        "VARCHAR" in archiver("query", "SELECT 1::UNION(n INT) AS v", "--output", path, code=2).err
    )
    assert not path.exists()


def test_a_result_never_replaces_a_file_of_the_archive(archiver: Command, two_runs: Path) -> None:
    before = ArchiveFolder(two_runs).files()
    archiver("query", "FROM runs", "--output", two_runs / "archive.json", code=2)
    assert ArchiveFolder(two_runs).files() == before


def test_a_terminal_without_utf_8_is_told_what_it_can_show(archiver: Command) -> None:
    for form in ("csv", "table", "json"):
        environment = child_environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        ran = run_child("query", "SELECT 'é' AS a", "--format", form, environment=environment)
        assert (ran.code, ran.err) == (0, "")


def test_a_reader_that_has_seen_enough_is_no_error(archiver: Command) -> None:
    sql = "SELECT i, repeat('x', 100) AS x FROM range(1000000) r(i)"
    with subprocess.Popen(
        child_command("query", sql, "--format", "csv"),
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"i,x\n"
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, b"")
