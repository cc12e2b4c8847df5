"""The tables are read by anything that reads Parquet, and say what was fetched."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.archive_folder import TABLES, ArchiveFolder
from tests.cli.running import Fetch, Ran
from tests.lying_server import Artifact, LyingServer, png, task_run, webm, workflow_run

BIG = 2**63 + 1
ERRORS = [
    {"error_code": "LOGIN_FAILED", "reasoning": "No password field", "confidence_float": 0.75},
    {"error_code": "LOGIN_FAILED", "reasoning": "Again"},
    {"error_code": "TIMEOUT", "confidence_float": 1, "screenshot": "x"},
    {"reasoning": None},
    "not an object",
]
REQUEST = {
    "prompt": "Get the invoices",
    "url": "https://shop.example.com/?q=1",
    "engine": "skyvern-2.0",
    "proxy_location": "RESIDENTIAL_DE",
    "max_steps": 25,
    "totp_identifier": "me@example.com",
    "run_with": "code",
    "publish_workflow": True,
    "include_action_history_in_verification": True,
    "data_extraction_schema": {"type": "object", "properties": {}},
    "error_code_mapping": {"LOGIN_FAILED": "when the login fails"},
    "model": {"model_name": "gemini"},
    "max_screenshot_scrolls": 3,
    "browser_session_id": "pbs_1",
    "run_metadata": {"job": "nightly"},
}


@pytest.fixture
def file(server: LyingServer) -> Artifact:
    return server.artifact(b"%PDF-1.7 x", "download", "facturé.pdf")


@pytest.fixture
def fetched(server: LyingServer, fetch: Fetch, file: Artifact) -> Ran:
    """A session with a task, a workflow run, one that still runs and one that is not known."""
    server.add_run(
        task_run(
            "tsk_1",
            "failed",
            run_type="task_v3",
            recording=server.artifact(webm(), in_storage=True),
            screenshots=[
                server.artifact(png(1), "screenshot"),
                server.artifact(png(2), "screenshot"),
            ],
            downloads=[file],
            request=REQUEST,
            errors=ERRORS,
            failure_reason="No password field",
            output={"big": BIG, "text": "\u2028 für 🧾", "empty": {}, "none": None},
            script_run={"ai_fallback_triggered": True},
            created_at="2026-03-01T10:00:00",
            queued_at="2026-03-01T10:00:01.5",
            started_at="2026-03-01T10:00:11.25",
            finished_at="2026-03-01T10:01:00.000001",
            modified_at="2026-03-01T12:01:01+01:00",
            browser_profile_id="bp_1",
            unknown_field={"kept": [1, 2]},
        )
    )
    server.add_run(
        workflow_run("wr_1", title="Invoices", attempt=2, script_id="scr_1", browser_session_id="p")
    )
    server.add_run(task_run("tsk_2", "running", run_type="ui_tars", errors=None, output=None))
    return fetch("tsk_1", "wr_1", "tsk_2", "tsk_9", code=3)


def test_plain_arrow_pandas_and_duckdb_read_the_tables(
    archive: ArchiveFolder, fetched: Ran
) -> None:
    counts = {"runs": 3, "documents": 3, "artifacts": 4, "errors": 5, "fetches": 4}
    for table, count in counts.items():
        folder = archive.root / "tables" / table
        assert ds.dataset(folder, format="parquet").count_rows() == count
        assert len(pd.read_parquet(folder)) == count
        sql = f"SELECT count(*) FROM read_parquet('{folder}/*/*.parquet')"
        assert duckdb.execute(sql).fetchall() == [(count,)]
    partitions = pd.read_parquet(archive.root / "tables/runs")["fetched"].astype(str)
    assert set(partitions) == {f"{datetime.now(UTC):%Y-%m}"}


def test_there_is_one_file_per_table_and_flush(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(30)]
    session = fetch(*reversed(ids)).json["session"]

    for table in ("runs", "documents", "fetches"):
        (path,) = archive.table_files(table)
        assert path.name == f"{session}-0001.parquet"
        assert path.parent.name == f"fetched={datetime.now(UTC):%Y-%m}"
        data = pq.ParquetFile(path)
        key = "asked_id" if table == "fetches" else "run_id"
        assert data.read()[key].to_pylist() == sorted(ids)
        assert {
            data.metadata.row_group(0).column(n).compression
            for n in range(data.metadata.num_columns)
        } == {"ZSTD"}
    assert archive.rows("errors") == archive.rows("artifacts") == []


def test_every_file_of_a_table_has_the_same_types(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, fetched: Ran
) -> None:
    # A run of which nearly everything is null must not change a column's type.
    body = {"run_id": "tsk_3", "status": "completed", "downloaded_files": [{}], "errors": [{}]}
    server.add_run(body)
    fetch("tsk_3", code=3)
    for table in TABLES:
        schemas = [pq.read_schema(path) for path in archive.table_files(table)]
        assert len(schemas) == 2
        assert schemas[0].equals(schemas[1])
        assert not [field for field in schemas[0] if str(field.type) == "null"]
        for field in schemas[0]:
            assert str(field.type) in (
                *("string", "int64", "double", "bool", "timestamp[us, tz=UTC]"),
                *("list<element: string>", "list<item: string>"),
            )


def test_runs_say_what_the_answer_said(archive: ArchiveFolder, fetched: Ran) -> None:
    row = archive.row("runs", run_id="tsk_1")
    expected: dict[str, Any] = {
        "revision": 1,
        "run_type": "task_v3",
        "status": "failed",
        "is_final": True,
        "is_settled": True,
        "is_complete": True,
        "failure_reason": "No password field",
        "error_codes": ["LOGIN_FAILED", "TIMEOUT"],
        "created_at": datetime(2026, 3, 1, 10, tzinfo=UTC),
        "queued_at": datetime(2026, 3, 1, 10, 0, 1, 500_000, tzinfo=UTC),
        "started_at": datetime(2026, 3, 1, 10, 0, 11, 250_000, tzinfo=UTC),
        "finished_at": datetime(2026, 3, 1, 10, 1, 0, 1, tzinfo=UTC),
        "modified_at": datetime(2026, 3, 1, 11, 1, 1, tzinfo=UTC),
        "queue_seconds": 9.75,
        "run_seconds": 48.750001,
        "total_seconds": 60.000001,
        "step_count": 2,
        "app_url": "http://127.0.0.1:8080/tasks/tsk_1",
        "browser_profile_id": "bp_1",
        "ai_fallback_triggered": True,
        "recording_archived": False,
        "downloaded_file_count": 1,
        "screenshot_count": 2,
        "has_recording": True,
        "problems": ["errors[4]: expected an object"],
        "path": "runs/2026/03/01/tsk_1/r1",
    }
    assert {name: row[name] for name in expected} == expected
    texts = ("prompt", "url", "engine", "proxy_location", "max_steps", "totp_identifier")
    more = ("run_with", "publish_workflow", "include_action_history_in_verification")
    most = ("max_screenshot_scrolls", "browser_session_id")
    for name in (*texts, *more, *most):
        assert row[f"request_{name}"] == REQUEST[name], name
    for name in ("data_extraction_schema", "error_code_mapping", "model"):
        assert json.loads(row[f"request_{name}"]) == REQUEST[name]
    assert json.loads(row["request_metadata"]) == REQUEST["run_metadata"]
    assert row["session"] == fetched.json["session"]
    assert datetime.now(UTC) - row["fetched_at"] < timedelta(minutes=1)
    assert len(row["document_sha256"]) == 64


def test_workflow_runs_say_what_only_they_have(archive: ArchiveFolder, fetched: Ran) -> None:
    row = archive.row("runs", run_id="wr_1")
    expected = {
        "run_type": "workflow_run",
        "title": "Invoices",
        "attempt": 2,
        "script_id": "scr_1",
        "run_with": "agent",
        "browser_session_id": "p",
        "workflow_id": "wpid_600323882295963120",
        "has_recording": False,
        "screenshot_count": 0,
        "downloaded_file_count": 0,
        "error_codes": [],
        "problems": [],
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["request_parameters"]) == {"month": "2026-03"}
    assert json.loads(row["attempts"])[0]["attempt_number"] == 1


def test_documents_hold_the_whole_answer(archive: ArchiveFolder, fetched: Ran) -> None:
    row = archive.row("documents", run_id="tsk_1")
    document = json.loads(row["document"])
    assert document == archive.document("tsk_1")
    assert document["unknown_field"] == {"kept": [1, 2]}
    assert json.loads(row["output"]) == document["output"]
    assert document["output"]["big"] == BIG
    assert document["output"]["text"] == "\u2028 für 🧾"
    assert archive.row("documents", run_id="tsk_2")["output"] is None


def test_artifacts_say_what_became_of_each(
    archive: ArchiveFolder, file: Artifact, fetched: Ran
) -> None:
    rows = archive.rows("artifacts")
    assert [(row["kind"], row["ordinal"]) for row in rows] == [
        *(("download", 1), ("recording", 1), ("screenshot", 1), ("screenshot", 2))
    ]
    row = rows[0]
    expected = {
        "run_id": "tsk_1",
        "revision": 1,
        "state": "verified",
        "filename": "facturé.pdf",
        "path": "runs/2026/03/01/tsk_1/r1/downloads/facturé.pdf",
        "size": file.size,
        "sha256": file.sha256,
        "expected_sha256": file.sha256,
        "expected_size": file.size,
        "media_type": "application/pdf",
        "served_type": "application/octet-stream",
        "modified_at": datetime.fromisoformat(file.modified_at).replace(tzinfo=UTC),
        "url": file.url.partition("?")[0],
        "artifact_id": file.id,
        "attempts": 1,
        "reason": None,
        "session": fetched.json["session"],
    }
    assert {name: row[name] for name in expected} == expected
    assert datetime.now(UTC) - row["fetched_at"] < timedelta(minutes=1)
    assert {row["media_type"] for row in rows[1:]} == {"video/webm", "image/png"}


def test_errors_are_one_row_each(archive: ArchiveFolder, fetched: Ran) -> None:
    rows = archive.rows("errors")
    assert [(r["ordinal"], r["error_code"], r["reasoning"], r["confidence"]) for r in rows] == [
        (1, "LOGIN_FAILED", "No password field", 0.75),
        (2, "LOGIN_FAILED", "Again", None),
        (3, "TIMEOUT", None, 1.0),
        (4, None, None, None),
        (5, None, None, None),
    ]
    assert [json.loads(row["error"]) for row in rows] == ERRORS


def test_fetches_say_what_came_of_each_id(archive: ArchiveFolder, fetched: Ran) -> None:
    rows = {row["asked_id"]: row for row in archive.rows("fetches")}
    assert {name: (row["run_id"], row["outcome"]) for name, row in rows.items()} == {
        "tsk_1": ("tsk_1", "fetched"),
        "tsk_2": ("tsk_2", "unfinished"),
        "tsk_9": (None, "not_found"),
        "wr_1": ("wr_1", "fetched"),
    }
    row = rows["tsk_1"]
    assert (row["http_status"], row["requests"], row["retries"], row["reason"]) == (200, 5, 0, None)
    assert row["bytes"] == fetched.json["bytes"]["downloaded"]
    assert 0 < row["seconds"] < 30
    assert {row["session"] for row in rows.values()} == {fetched.json["session"]}
    assert "tsk_9" in rows["tsk_9"]["reason"]
