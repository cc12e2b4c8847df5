import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.artifact import ArtifactState
from archiver.model.ids import RunId
from archiver.model.rows import Fetched, Outcome, fetch_row, revision_rows
from archiver.model.run import read_document
from archiver.model.schema import ARTIFACTS, FETCHES, RUNS, TABLES, ColumnType, Table
from tests.model.builders import (
    AT,
    DIGEST,
    DOWNLOAD,
    KEY,
    OTHER_DIGEST,
    RECORDING,
    SAMPLE_NAMES,
    SESSION,
    absent,
    document,
    entry,
    manifest,
    named,
    read,
    rows_of,
    sample,
)
from tests.model.strategies import JSON, manifests

PYTHON_TYPES: dict[ColumnType, type] = {
    ColumnType.TEXT: str,
    ColumnType.JSON: str,
    ColumnType.INTEGER: int,
    ColumnType.DOUBLE: float,
    ColumnType.BOOLEAN: bool,
    ColumnType.TIMESTAMP: datetime,
    ColumnType.TEXT_LIST: list,
}
REAL = [json.loads(sample(name)) for name in SAMPLE_NAMES]


def check(table: Table, row: tuple[object, ...]) -> None:
    """A row has a value for each column, in order, of the column's type."""
    assert len(row) == len(table.columns)
    for column, value in zip(table.columns, row, strict=True):
        if value is None:
            assert column.nullable, column.name
            continue
        if column.type is ColumnType.TEXT_LIST:
            assert isinstance(value, list | tuple), column.name
            assert all(type(part) is str for part in value), column.name
            continue
        assert isinstance(value, PYTHON_TYPES[column.type]), column.name
        if column.type is ColumnType.BOOLEAN or column.type is ColumnType.INTEGER:
            assert type(value) is PYTHON_TYPES[column.type], column.name
        if column.type is ColumnType.JSON:
            json.loads(str(value))
        if isinstance(value, str):
            value.encode()
        if isinstance(value, datetime):
            assert value.utcoffset() == AT.utcoffset(), column.name


@given(st.sampled_from(REAL), st.data())
def test_rows_fit_their_columns_whatever_an_answer_says(
    real: dict[str, Any], data: st.DataObject
) -> None:
    whole = json.loads(json.dumps(real))
    for part in (whole, whole["run_request"]):
        names = sorted(set(part) - {"run_id", "status", "run_request"})
        for name in data.draw(st.lists(st.sampled_from(names), max_size=4)):
            part[name] = data.draw(JSON)
    rows = rows_of(read(whole), entry())
    for table, found in rows.by_table():
        for row in found:
            check(table, row)


@given(manifests())
def test_rows_fit_their_columns_whatever_a_manifest_says(of: Any) -> None:
    run = read(document(run_id=of.run_id, status=of.status)).run
    rows = revision_rows(of, run, "{}", "runs/undated/x")
    assert len(rows.artifacts) == len(of.artifacts)
    for table, found in rows.by_table():
        for row in found:
            check(table, row)
    shown = [named(ARTIFACTS, row) for row in rows.artifacts]
    for made, of_entry in zip(shown, of.artifacts, strict=True):
        for name in ARTIFACTS.column_names[2:]:
            expected = getattr(of_entry, name)
            if name == "path" and expected is not None:
                expected = f"runs/undated/x/{expected}"
            assert made[name] == expected


@given(st.sampled_from(REAL), JSON, st.sampled_from(["output", "errors", "attempts", "title"]))
def test_rows_rebuilt_from_the_archive_are_the_same(
    real: dict[str, Any], value: Any, name: str
) -> None:
    answer = read(real | {name: value})
    rebuilt = read_document(answer.document, "here")
    assert revision_rows(manifest(), rebuilt, answer.document, "f") == revision_rows(
        manifest(), answer.run, answer.document, "f"
    )


def test_the_tables_come_in_the_order_they_are_written_in() -> None:
    tables = [table for table, _ in rows_of(read(document())).by_table()]
    assert tables[-1] is RUNS
    assert {table.name for table in tables} == {t.name for t in TABLES if not t.is_log}


def test_every_column_of_an_artifact() -> None:
    mismatch = absent(ArtifactState.MISMATCH, DOWNLOAD, 2)
    rows = rows_of(
        read(document(created_at="2026-11-13T23:59:59.999999")),
        entry(
            DOWNLOAD,
            state=ArtifactState.VERIFIED,
            filename="../a.pdf",
            path="r1/downloads/a.pdf",
            size=7,
            sha256=DIGEST,
            expected_sha256=DIGEST,
            expected_size=8,
            media_type="application/pdf",
            served_type="text/html",
            modified_at=AT,
            url="https://h/a",
            artifact_id="a_1",
            attempts=2,
            reason="odd",
            fetched_at=AT,
        ),
        mismatch,
    )
    assert named(ARTIFACTS, rows.artifacts[0]) == {
        "run_id": "tsk_123",
        "revision": 1,
        "kind": "download",
        "ordinal": 1,
        "state": "verified",
        "filename": "../a.pdf",
        "path": "runs/2026/11/13/tsk_123/r1/downloads/a.pdf",
        "size": 7,
        "sha256": DIGEST,
        "expected_sha256": DIGEST,
        "expected_size": 8,
        "media_type": "application/pdf",
        "served_type": "text/html",
        "modified_at": AT,
        "url": "https://h/a",
        "artifact_id": "a_1",
        "attempts": 2,
        "reason": "odd",
        "fetched_at": AT,
        "session": SESSION,
        "pruned_at": None,
    }
    gap = named(ARTIFACTS, rows.artifacts[1])
    assert (gap["state"], gap["path"], gap["ordinal"]) == ("mismatch", None, 2)


def test_a_file_of_an_earlier_revision_is_shown_where_it_lies() -> None:
    of = manifest(entry(RECORDING, path="r1/recording.webm", sha256=OTHER_DIGEST), revision=3)
    rows = revision_rows(of, read(document()).run, "{}", "runs/undated/tsk_123")
    assert named(ARTIFACTS, rows.artifacts[0])["path"] == "runs/undated/tsk_123/r1/recording.webm"
    assert named(RUNS, rows.run)["path"] == "runs/undated/tsk_123/r3"


def test_every_column_of_a_fetch() -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    fetched = Fetched(
        SESSION, RunId("wr_1"), RunId("tsk_v2_9"), Outcome.FETCHED, 200, None, 5, 1, 99, 0.5, at
    )
    check(FETCHES, fetch_row(fetched))
    assert named(FETCHES, fetch_row(fetched)) == {
        "session": SESSION,
        "asked_id": "wr_1",
        "run_id": "tsk_v2_9",
        "outcome": "fetched",
        "http_status": 200,
        "reason": None,
        "requests": 5,
        "retries": 1,
        "bytes": 99,
        "seconds": 0.5,
        "at": at,
    }


def test_no_secret_reaches_a_row() -> None:
    value = document(
        output={"link": f"https://u:zQ7secret@h/?sig=zQ7secret&k={KEY}"},
        failure_reason=f"used {KEY}",
        errors=[{"reasoning": f"{KEY} https://h/?sig=zQ7secret"}],
        recording_url="https://h/a?sig=zQ7secret",
        run_request={
            "webhook_url": "https://u:zQ7secret@h/?a=zQ7secret",
            "totp_url": "https://h/?zQ7secret",
            "browser_address": "ws://h/?token=zQ7secret",
            "proxy_location": {"url": "http://u:zQ7secret@h"},
            "extra_http_headers": {"X-Api-Key": "zQ7secret"},
            "cdp_connect_headers": {"X-Api-Key": "zQ7secret"},
            "url": "https://u:zQ7secret@h/",
            "parameters": {"a": f"{KEY}"},
        },
    )
    shown = repr([rows for _, rows in rows_of(read(value, KEY)).by_table()])
    assert "zQ7secret" not in shown
    assert KEY not in shown


WRONG: list[tuple[tuple[str, ...], Any, str]] = [
    (("run_type",), 1, "run_type"),
    (("title",), 1, "title"),
    (("failure_reason",), ["x"], "failure_reason"),
    *(((name,), 5, name) for name in ("created_at", "queued_at", "started_at", "finished_at")),
    (("modified_at",), "yesterday", "modified_at"),
    (("step_count",), "2", "step_count"),
    (("app_url",), {}, "app_url"),
    (("browser_session_id",), 1, "browser_session_id"),
    (("browser_profile_id",), 1, "browser_profile_id"),
    (("max_screenshot_scrolls",), 1.5, "max_screenshot_scrolls"),
    (("script_run", "ai_fallback_triggered"), "no", "ai_fallback_triggered"),
    (("script_id",), False, "script_id"),
    (("run_with",), 1, "run_with"),
    (("attempt",), True, "attempt"),
    (("recording_archived",), 0, "recording_archived"),
    (("run_request", "prompt"), 1, "request_prompt"),
    (("run_request", "url"), 1, "request_url"),
    (("run_request", "engine"), 1, "request_engine"),
    (("run_request", "max_steps"), "1", "request_max_steps"),
    (("run_request", "webhook_url"), 1, "request_webhook_url"),
    (("run_request", "totp_identifier"), 1, "request_totp_identifier"),
    (("run_request", "totp_url"), 1, "request_totp_url"),
    (("run_request", "browser_address"), 1, "request_browser_address"),
    (("run_request", "run_with"), 1, "request_run_with"),
    (("run_request", "publish_workflow"), 1, "request_publish_workflow"),
    (
        ("run_request", "include_action_history_in_verification"),
        "no",
        "request_include_action_history_in_verification",
    ),
    (("run_request", "max_screenshot_scrolls"), 2**64, "request_max_screenshot_scrolls"),
    (("run_request", "browser_session_id"), [], "request_browser_session_id"),
    (("run_request", "workflow_id"), 1, "workflow_id"),
]


@pytest.mark.parametrize(("place", "value", "column"), WRONG, ids=lambda part: str(part)[:40])
def test_a_wrong_type_costs_the_value_with_a_line_in_problems(
    place: tuple[str, ...], value: Any, column: str
) -> None:
    nested: Any = value
    for name in reversed(place):
        nested = {name: nested}
    row = named(RUNS, rows_of(read(document(**nested))).run)
    assert row[column] is None
    (problem,) = row["problems"]
    assert problem.startswith(".".join(place) + ": ")


@pytest.mark.parametrize("name", ["errors", "downloaded_files", "screenshot_urls"])
@pytest.mark.parametrize("value", [{}, "x", 5, True])
def test_a_list_that_is_none_is_empty_with_a_line_in_problems(name: str, value: Any) -> None:
    row = named(RUNS, rows_of(read(document(**{name: value}))).run)
    assert row["problems"][0].startswith(f"{name}: expected a list")
    assert (row["error_codes"], row["downloaded_file_count"], row["screenshot_count"]) == ([], 0, 0)


@pytest.mark.parametrize("name", ["run_request", "script_run"])
@pytest.mark.parametrize("value", [[], "x", 5, True])
def test_an_object_that_is_none_is_empty_with_a_line_in_problems(name: str, value: Any) -> None:
    row = named(RUNS, rows_of(read(document(**{name: value}))).run)
    assert row["problems"] == (f"{name}: {row['problems'][0].partition(': ')[2]}",)
