"""``archiver export`` hands the tables over, whole, described, and to where they were asked for."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from archiver.export.tables import STORAGE_VERSION
from archiver.model.schema import ALL_REVISIONS, VIEWS
from tests.archive_folder import ArchiveFolder
from tests.cli.running import (
    Command,
    Fetch,
    child_command,
    child_environment,
    point_to,
)
from tests.lying_server import LyingServer, task_run

FOLDER_VIEWS = {
    *("runs", "documents", "artifacts", "errors"),
    *("fetches", "checks", "failures", "durations", "daily"),
}
CREATED = "2026-03-01T23:30:00"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two runs, one with two revisions; no export changes it."""
    archive = tmp_path_factory.mktemp("export") / "archive"
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        file = server.artifact(b"x", "download").entry(filename='a, "b"\n.csv')
        running = task_run("tsk_1", "running", created_at=CREATED)
        server.add_run(running, task_run("tsk_1", created_at=CREATED, downloads=[file]))
        errors = [{"error_code": "A, B", "confidence_float": 0.5}, {"error_code": "C"}]
        server.add_run(
            task_run("tsk_2", "failed", created_at=CREATED, failure_reason="", errors=errors)
        )
        fetch = Fetch(Command())
        fetch("tsk_1", "tsk_2", "--archive", archive)
        fetch("tsk_1", "--archive", archive)
    return archive


@pytest.fixture(autouse=True)
def unchanged(made: Path, archiver: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(made))
    before = ArchiveFolder(made).files()
    yield
    assert ArchiveFolder(made).files() == before
    assert sorted(path.name for path in (made / "tmp").iterdir()) == ["lock"]


def asked(archiver: Command, view: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = archiver("query", f"FROM {view}", "--format", "json").json
    return found


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)


def test_a_database_works_by_itself(archiver: Command, tmp_path: Path, made: Path) -> None:
    path = tmp_path / "a.duckdb"
    ran = archiver("export", "--duckdb", path, "--json")
    (written,) = ran.json["files"]
    assert (written["format"], written["path"]) == ("duckdb", str(path))
    assert written["bytes"] == path.stat().st_size
    assert written["rows"]["run_revisions"] == 3
    assert {found.name for found in tmp_path.iterdir()} == {"here", path.name}
    expected = {view.name: asked(archiver, view.name) for view in VIEWS}
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        tables = names(connection, "SELECT table_name FROM duckdb_tables()")
        assert tables == {*ALL_REVISIONS.values(), "archive_info"}
        for view in VIEWS:
            found = json_rows(connection, view.name)
            assert in_order(found) == in_order(expected[view.name]), view.name
        (info,) = json_rows(connection, "archive_info")
    last = max(path.stem for path in (made / "ledger").iterdir())
    ledger = hashlib.sha256((made / "ledger" / f"{last}.json").read_bytes()).hexdigest()
    assert (info["archive"], info["last_session"]) == ("archive", last)
    assert info["ledger_sha256"] == ledger


def json_rows(connection: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    """Rows as the command's JSON has them."""
    table = connection.sql(f"FROM {name}").to_arrow_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return [{k: utc(v) if isinstance(v, date) else v for k, v in row.items()} for row in rows]


def utc(moment: date) -> str:
    return (moment.astimezone(UTC) if isinstance(moment, datetime) else moment).isoformat()


def names(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    return {name for (name,) in connection.sql(sql).fetchall()}


def test_a_database_describes_itself(archiver: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    archiver("export", "--duckdb", path)
    with duckdb.connect(str(path), read_only=True) as connection:
        of_columns = connection.sql(
            "SELECT table_name || '.' || column_name, comment FROM duckdb_columns()"
        ).fetchall()
        of_views = connection.sql(
            "SELECT table_name, comment FROM duckdb_tables() "
            "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        ((storage,),) = connection.sql(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'a'"
        ).fetchall()
    comments = dict(of_columns) | dict(of_views)
    for view in VIEWS:
        assert view.row in comments[view.name]
        for column in view.columns:
            comment = comments[f"{view.name}.{column.name}"]
            assert column.meaning in comment
            assert (column.unit or "") in comment
    # So that the DuckDB that is out for longest can read it.
    assert storage.startswith(STORAGE_VERSION)


@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_a_database_of_one_view_has_what_that_needs(
    archiver: Command, tmp_path: Path, view: str
) -> None:
    path = tmp_path / "a.duckdb"
    archiver("export", "--duckdb", path, "--only", view)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert in_order(json_rows(connection, view)) == in_order(asked(archiver, view))
        found = names(connection, "SELECT name FROM (SHOW TABLES)")
    assert found < {*(v.name for v in VIEWS), "archive_info", "superseded_revisions"}


def test_csv_says_what_queries_say(archiver: Command, tmp_path: Path) -> None:
    archiver("export", "--csv", tmp_path / "csv")
    assert {path.stem for path in (tmp_path / "csv").iterdir()} == FOLDER_VIEWS
    for name in FOLDER_VIEWS:
        text = archiver("query", f"FROM {name}", "--format", "csv").out
        expected = csv.DictReader(text.splitlines(keepends=True))
        with (tmp_path / "csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        assert in_order(with_lists(found)) == in_order(with_lists(expected)), name


def with_lists(rows: Any) -> list[dict[str, Any]]:
    lists = ("error_codes", "problems")
    return [{k: json.loads(v) if k in lists else v for k, v in row.items()} for row in rows]


def test_parquet_is_described_and_whole(archiver: Command, tmp_path: Path) -> None:
    archiver("export", "--parquet", tmp_path / "pq", "--csv", tmp_path / "csv")
    assert {path.stem for path in (tmp_path / "pq").iterdir()} == FOLDER_VIEWS
    for view in VIEWS:
        if view.name not in FOLDER_VIEWS:
            continue
        path = tmp_path / "pq" / f"{view.name}.parquet"
        schema = pq.read_schema(path)
        assert schema.metadata[b"row"].decode() == view.row
        for column in view.columns:
            metadata = schema.field(column.name).metadata
            assert metadata[b"comment"].decode() == column.meaning
            assert metadata.get(b"unit") == (column.unit.encode() if column.unit else None)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = json_rows(connection, f"'{path}'")
        assert in_order(found) == in_order(asked(archiver, view.name))


def test_chosen_views_of_all_revisions_are_written_once(archiver: Command, tmp_path: Path) -> None:
    only = ["--only", "run_revisions", "--only", "daily", "--only", "daily"]
    files = archiver("export", "--csv", tmp_path / "csv", *only, "--json").json["files"]
    assert [(file["rows"], Path(file["path"]).name) for file in files] == [
        ({"run_revisions": 3}, "run_revisions.csv"),
        ({"daily": 1}, "daily.csv"),
    ]


def test_what_is_there_is_not_replaced_unless_that_is_said(
    archiver: Command, tmp_path: Path
) -> None:
    database, folder = tmp_path / "a.duckdb", tmp_path / "csv"
    database.write_text("mine")
    folder.mkdir()
    archiver("export", "--csv", folder, "--only", "daily")  # an empty folder is as good as none
    (folder / "notes.txt").write_text("mine")
    (folder / "daily.csv").write_text("old")
    for option, target in (("--duckdb", database), ("--csv", folder)):
        assert "--overwrite" in archiver("export", option, target, code=2).err
    assert (database.read_text(), (folder / "daily.csv").read_text()) == ("mine", "old")

    archiver("export", "--duckdb", database, "--csv", folder, "--overwrite", "--only", "daily")
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "daily.csv").read_text().startswith("day,")
    with duckdb.connect(str(database), read_only=True) as connection:
        assert len(connection.sql("FROM daily")) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.duckdb", "csv", "here"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--csv", "{made}/csv"],
        ["--duckdb", "{made}/a.duckdb"],
        ["--duckdb", "{made}"],
        ["--duckdb", "{tmp}"],
        ["--csv", "{tmp}/file"],
        ["--parquet", "{tmp}/missing/x"],
        ["--duckdb", "{tmp}/file/x"],
        ["--duckdb", "{tmp}/open.duckdb"],
        ["--csv", "{tmp}/x", "--only", "nothing"],
        ["--csv", "{tmp}/x", "--only", "superseded_revisions"],
        ["--csv", "{tmp}/x", "--memory", "much"],
    ],
)
def test_what_cannot_be_written_is_wrong_usage(
    archiver: Command, tmp_path: Path, made: Path, arguments: list[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "open.duckdb.wal").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    filled = [argument.format(made=made, tmp=tmp_path) for argument in arguments]
    ran = archiver("export", *filled, code=2)
    assert "Error: " in ran.err
    assert sorted(tmp_path.rglob("*")) == before


def test_damage_is_told_and_leaves_nothing(archiver: Command, tmp_path: Path, made: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    for path in (tmp_path / "copy").glob("tables/artifacts/*/*.parquet"):
        data = bytearray(path.read_bytes())
        data[4:200] = bytes(196)
        path.write_bytes(data)
    for target in ("--duckdb", "--csv", "--parquet"):
        options = (target, tmp_path / "out", "--archive", tmp_path / "copy")
        assert "reindex" in archiver("export", *options, code=4).err
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "here"}


def test_an_export_that_is_interrupted_leaves_nothing(tmp_path: Path, made: Path) -> None:
    """Its files are aside until they are whole, and are gone when it ends at once."""
    wide = tmp_path / "wide"
    shutil.copytree(made, wide)
    grow(next(wide.glob("tables/documents/*/*.parquet")), 2_000_000)
    command = child_command("export", "--archive", wide, "--csv", tmp_path / "out")
    with subprocess.Popen(command, env=child_environment(), stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(tmp_path.glob(".out.*/files/documents.csv")):
            pass
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        err = process.stderr.read()
    assert (process.returncode, err.split()) == (130, [b"interrupted"])
    assert {path.name for path in tmp_path.iterdir()} <= {"wide", "here"}


def grow(path: Path, rows: int) -> None:
    """Give a table's file very many rows."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS FROM '{path}' LIMIT 1")
        connection.execute(f"COPY (SELECT t.* FROM t, range({rows})) TO '{path}' (FORMAT parquet)")
