"""Queries read the archive's tables through its views, wherever the archive lies."""

import shutil
from pathlib import Path

import pytest

from archiver.model.schema import VIEWS
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run
from tests.query.asking import rows

KEY = "run_id revision"
RUNS = f"""{KEY} run_type status is_final is_settled is_complete title failure_reason error_codes
created_at queued_at started_at finished_at modified_at queue_seconds run_seconds total_seconds
step_count app_url browser_session_id browser_profile_id max_screenshot_scrolls
ai_fallback_triggered script_id run_with attempt attempts recording_archived downloaded_file_count
screenshot_count has_recording request_prompt request_url request_engine request_proxy_location
request_max_steps request_webhook_url request_totp_identifier request_totp_url
request_browser_address request_run_with request_publish_workflow
request_include_action_history_in_verification request_data_extraction_schema
request_error_code_mapping request_model request_extra_http_headers request_max_screenshot_scrolls
request_browser_session_id workflow_id request_parameters request_metadata problems session
fetched_at document_sha256 path"""
DOCUMENTS = f"{KEY} output document session fetched_at"
ARTIFACTS = f"""{KEY} kind ordinal state filename path size sha256 expected_sha256 expected_size
media_type served_type modified_at url artifact_id attempts reason fetched_at session"""
ERRORS = f"{KEY} ordinal error_code reasoning confidence error"
COLUMNS = {
    "runs": RUNS,
    "run_revisions": RUNS,
    "documents": DOCUMENTS,
    "document_revisions": DOCUMENTS,
    "artifacts": ARTIFACTS,
    "artifact_revisions": ARTIFACTS,
    "errors": ERRORS,
    "error_revisions": ERRORS,
    "fetches": """session asked_id run_id outcome http_status reason requests retries bytes seconds
    at""",
}
ARROW = ("text", "json", "int64", "double", "boolean", "timestamp[us, UTC]", "date", "list<text>")
DUCKDB = (
    *("VARCHAR", "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"),
    *("TIMESTAMP WITH TIME ZONE", "DATE", "VARCHAR[]"),
)


def test_views_have_the_columns_that_were_promised(asked: ArchiveFolder) -> None:
    sql = (
        "SELECT table_name AS view, list(column_name || ' ' || data_type ORDER BY column_index) "
        "AS columns FROM duckdb_columns() WHERE schema_name = 'main' GROUP BY ALL ORDER BY view"
    )
    filled = rows(asked, sql)
    shutil.rmtree(asked.root / "tables")

    assert rows(asked, sql) == filled
    found = {row["view"]: {column.split()[0] for column in row["columns"]} for row in filled}
    assert found.keys() >= {view.name for view in VIEWS}
    for view, columns in COLUMNS.items():
        assert set(columns.split()) <= found[view], view


def test_views_have_the_columns_and_types_that_are_described(asked: ArchiveFolder) -> None:
    of_any_view = dict(zip(ARROW, DUCKDB, strict=True))
    sql = (
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = 'main' ORDER BY table_name, column_index"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows(asked, sql):
        found.setdefault(row["table_name"], []).append((row["column_name"], row["data_type"]))
    for view in VIEWS:
        described = [(column.name, of_any_view[column.type.value]) for column in view.columns]
        assert found[view.name] == described, view.name


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM runs;",
        "FROM runs SELECT count(*) AS n",
        "WITH r AS (FROM runs) SELECT count(*) AS n FROM r",
        "-- COPY x TO 'y'\nSELECT count(*) AS n FROM runs",
        "/* DROP; */ SELECT count(*) AS n FROM runs -- ; DROP",
        "(SELECT count(*) AS n FROM runs)",
        "VALUES (4)",
    ],
)
def test_queries_of_every_shape_are_taken(asked: ArchiveFolder, sql: str) -> None:
    (row,) = rows(asked, "\n" + sql)
    assert list(row.values()) == [4]


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE runs",
        "SUMMARIZE SELECT run_seconds FROM runs",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT count(*) FROM runs",
        "EXPLAIN SELECT '-- no comment' AS a",
        "EXPLAIN SELECT '/* none either */' AS a",
        "PIVOT runs ON status USING count(*) GROUP BY run_type",
        "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
        "FROM duckdb_settings() LIMIT 1",
    ],
)
def test_what_only_looks_is_taken(asked: ArchiveFolder, sql: str) -> None:
    before = asked.files()
    assert rows(asked, sql)
    assert asked.files() == before


@pytest.mark.parametrize("before", ["EXPLAIN ", "EXPLAIN ANALYZE ", "EXPLAIN (FORMAT json) "])
def test_a_mistake_is_shown_in_the_line_where_it_stands(
    archiver: Command, asked: ArchiveFolder, before: str
) -> None:
    archive = ("--archive", asked.root)
    err = archiver("query", *archive, f"{before}SELECT 1,\nnonsense FROM runs", code=2).err
    assert "LINE 2: nonsense FROM runs" in err


def test_the_latest_revision_is_shown_and_all_are_there(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    file = server.artifact(b"x", "download")
    created = "2026-01-01T00:00:00"
    server.add_run(
        task_run("tsk_1", "running", created_at=created, errors=[{"error_code": "A"}]),
        task_run("tsk_1", created_at=created, downloads=[file]),
    )
    fetch("tsk_1")
    fetch("tsk_1")
    expected = {
        "runs": 1,
        "documents": 1,
        "artifacts": 1,
        "errors": 0,
        "run_revisions": 2,
        "document_revisions": 2,
        "artifact_revisions": 1,
        "error_revisions": 1,
    }
    counts = ", ".join(f"(SELECT count(*) FROM {view}) AS {view}" for view in expected)
    assert rows(archive, f"SELECT {counts}") == [expected]
    assert rows(archive, "SELECT status, revision FROM runs") == [
        {"status": "completed", "revision": 2}
    ]


def test_failures_have_a_reason_that_groups(asked: ArchiveFolder) -> None:
    found = rows(asked, "SELECT reason, count(*) AS n FROM failures GROUP BY ALL")
    assert [row["n"] for row in found] == [2]
    assert "did not load" in found[0]["reason"]


def test_durations_are_those_of_final_runs(asked: ArchiveFolder) -> None:
    found = rows(asked, "FROM durations ORDER BY run_id")
    assert [row["run_id"] for row in found] == ["tsk_1", "wr_1", "wr_2"]
    assert {(r["queue_seconds"], r["run_seconds"], r["total_seconds"]) for r in found} == {
        (4.75, 90.0, 95.0)
    }


def test_days_are_counted_by_status(asked: ArchiveFolder) -> None:
    sql = (
        "SELECT run_type, sum(runs) AS runs, sum(completed) AS completed, sum(failed) AS failed, "
        "sum(timed_out) AS timed_out, max(failure_rate) AS rate, max(p95_run_seconds) AS p95 "
        "FROM daily GROUP BY ALL ORDER BY ALL"
    )
    assert rows(asked, sql) == [
        {
            "run_type": "task_v1",
            "runs": 2,
            "completed": 1,
            "failed": 0,
            "timed_out": 0,
            "rate": 0.0,
            "p95": 90.0,
        },
        {
            "run_type": "workflow_run",
            "runs": 2,
            "completed": 0,
            "failed": 1,
            "timed_out": 1,
            "rate": 1.0,
            "p95": 90.0,
        },
    ]


def test_times_are_utc_whatever_the_machine_says(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    server.add_run(task_run("tsk_1", created_at="2026-03-01T23:30:00"))
    fetch("tsk_1")
    sql = "SELECT created_at, CAST(created_at AS VARCHAR) AS text, hour(created_at) AS h FROM runs"
    (row,) = rows(archive, sql)
    assert row["created_at"] == "2026-03-01T23:30:00+00:00"
    assert (row["text"], row["h"]) == ("2026-03-01 23:30:00+00", 23)
    assert rows(archive, "SELECT day FROM daily") == [{"day": "2026-03-01"}]


@pytest.mark.parametrize(
    "name",
    [
        *("a b", "it's", 'quo"te', "[ab]", "a[1]*", "who?{a,b}", "für №1 🧾", "back\\slash"),
        *("%41;$HOME", "new\nline"),
    ],
)
def test_an_archive_may_have_any_name(
    server: LyingServer, fetch: Fetch, tmp_path: Path, name: str
) -> None:
    archive = ArchiveFolder(tmp_path / name)
    file = server.artifact(b"x", "download")
    server.add_run(task_run("tsk_1", downloads=[file]))
    fetch("tsk_1", "--archive", archive.root)
    server.clear_requests()

    assert fetch("tsk_1", "--archive", archive.root).runs == {"asked": 1, "unchanged": 1}
    assert server.requests == []
    assert rows(archive, "SELECT run_id FROM runs") == [{"run_id": "tsk_1"}]
    shown = Command()("show", "tsk_1", "--json", "--archive", archive.root).json
    assert len(shown["artifacts"]) == 1
    Command()("reindex", "--archive", archive.root)
    assert rows(archive, "SELECT count(*) AS n FROM artifacts") == [{"n": 1}]


@pytest.mark.parametrize("tables", ["none", "empty", "fetches only"])
def test_every_view_is_there_on_an_archive_without_runs(
    fetch: Fetch, archive: ArchiveFolder, tables: str
) -> None:
    fetch("tsk_unknown", code=3)
    if tables != "fetches only":
        shutil.rmtree(archive.root / "tables")
    if tables == "empty":
        (archive.root / "tables/runs").mkdir(parents=True)
    views = [*COLUMNS, "failures", "durations", "daily"]
    counts = ", ".join(f"(SELECT count(*) FROM {view}) AS {view}" for view in views)
    fetches = {"fetches": int(tables == "fetches only")}
    assert rows(archive, f"SELECT {counts}") == [dict.fromkeys(views, 0) | fetches]
