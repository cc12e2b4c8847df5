import json
from datetime import datetime
from typing import Any

import pytest

from archiver.model.schema import DOCUMENTS, ERRORS, RUNS
from tests.model.builders import (
    AT,
    SAMPLE_NAMES,
    SESSION,
    named,
    read_sample,
    rows_of,
    sample,
    utc,
)

REAL = [json.loads(sample(name)) for name in SAMPLE_NAMES]
NOTHING: dict[str, Any] = dict.fromkeys(RUNS.column_names)
COMMON = NOTHING | {
    "revision": 1,
    "is_final": True,
    "is_settled": True,
    "is_complete": True,
    "error_codes": [],
    "queue_seconds": 4.75,
    "run_seconds": 90.0,
    "total_seconds": 95.0,
    "recording_archived": False,
    "has_recording": True,
    "problems": (),
    "session": SESSION,
    "fetched_at": AT,
}
OF_TASKS = COMMON | {
    "request_publish_workflow": False,
    "request_include_action_history_in_verification": False,
}
SCHEMA = '{"type":"object","properties":{"total":{"type":"number"}}}'
ATTEMPT = {
    "attempt_number": 1,
    "status": "completed",
    "failure_reason": None,
    "error_codes": [],
    "started_at": "2026-11-13T21:17:17.284315",
    "finished_at": "2026-11-13T21:18:47.284315",
    "retry_decision": None,
    "decision_reason": None,
    "next_attempt_at": None,
    "webhook_sent_at": None,
}


def times(minute: str, fraction: str) -> dict[str, datetime]:
    """The times of a sample: created in second 12 of a minute, 95 seconds in all."""
    hour, minutes = minute.split(":")
    end = f"2026-11-13T{hour}:{int(minutes) + 1:02d}:47.{fraction}"
    queued = f"{int(fraction) + 250_000:06d}"
    return {
        "created_at": utc(f"2026-11-13T{minute}:12.{fraction}"),
        "queued_at": utc(f"2026-11-13T{minute}:12.{queued}"),
        "started_at": utc(f"2026-11-13T{minute}:17.{fraction}"),
        "finished_at": utc(end),
        "modified_at": utc(end),
    }


EXPECTED: dict[str, dict[str, Any]] = {
    "body-v1-completed-full": OF_TASKS
    | times("18:03", "306839")
    | {
        "run_id": "tsk_600323869411061120",
        "run_type": "task_v1",
        "status": "completed",
        "step_count": 2,
        "app_url": "http://127.0.0.1:8080/tasks/tsk_600323869411061120",
        "downloaded_file_count": 3,
        "screenshot_count": 3,
        "request_prompt": "Do the thing for v1-completed-full («goal»)",
        "request_url": "https://example.com/shop?q=%C3%BC&p=1",
        "request_engine": "skyvern-1.0",
        "request_data_extraction_schema": SCHEMA,
        "document_sha256": "7a215d8f624a74d42804e3701999b642661abd5f6fa4bc3ad1c848ccda7ca9cd",
        "path": "runs/2026/11/13/tsk_600323869411061120/r1",
    },
    "body-v1-failed": OF_TASKS
    | times("22:54", "728145")
    | {
        "run_id": "tsk_600323886590930490",
        "run_type": "task_v1",
        "status": "failed",
        "failure_reason": REAL[1]["failure_reason"],
        "error_codes": ["LOGIN_FAILED", "out_of_stock"],
        "step_count": 1,
        "app_url": "http://127.0.0.1:8080/tasks/tsk_600323886590930490",
        "downloaded_file_count": 0,
        "screenshot_count": 2,
        "request_prompt": "Do the thing for v1-failed («goal»)",
        "request_url": "https://example.com/shop?q=%C3%BC&p=1",
        "request_engine": "skyvern-1.0",
        "request_data_extraction_schema": SCHEMA,
        "request_error_code_mapping": '{"LOGIN_FAILED":"login did not work"}',
        "document_sha256": "60c97a47daa3dff5e2faf7419af58e1c0337bfde35022e1e878ec60f49208bac",
        "path": "runs/2026/11/13/tsk_600323886590930490/r1",
    },
    "body-v2-completed-full": OF_TASKS
    | {
        "created_at": utc("2026-11-13T19:40:12.901939"),
        "queued_at": utc("2026-11-13T19:40:13.151939"),
        "started_at": utc("2026-11-13T19:40:17.901939"),
        "finished_at": utc("2026-11-13T19:41:47.901939"),
        "modified_at": utc("2026-11-13T19:41:47.901939"),
        "run_id": "tsk_v2_600323873706028458",
        "run_type": "task_v2",
        "status": "completed",
        "step_count": 2,
        "app_url": "http://127.0.0.1:8080/runs/wr_600323873706028464",
        "downloaded_file_count": 2,
        "screenshot_count": 3,
        "request_prompt": "Prompt of v2-completed-full — «télécharger»",
        "request_url": "https://example.com/v2",
        "request_engine": "skyvern-2.0",
        "document_sha256": "b6eb20aa7415c181c89a711f32f7b29b10ebb37d822b93f20c8f7857011fc8d4",
        "path": "runs/2026/11/13/tsk_v2_600323873706028458/r1",
    },
    "body-wr-completed-full": COMMON
    | times("21:17", "284315")
    | {
        "run_id": "wr_600323882295963128",
        "run_type": "workflow_run",
        "status": "completed",
        "title": "Lab workflow (2 blocks) – facturés",
        "step_count": 2,
        "app_url": "http://127.0.0.1:8080/runs/wr_600323882295963128",
        "run_with": "agent",
        "attempt": 1,
        "attempts": json.dumps([ATTEMPT], separators=(",", ":")),
        "downloaded_file_count": 2,
        "screenshot_count": 3,
        "workflow_id": "wpid_600323882295963120",
        "request_parameters": '{"month":"2026-03"}',
        "document_sha256": "a3e3138bdbc4ed422db60ddcde998c7c164ad027adc614e9d83467e39a0f9928",
        "path": "runs/2026/11/13/wr_600323882295963128/r1",
    },
}


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_every_column_of_runs_is_right_for_a_real_answer(name: str) -> None:
    assert named(RUNS, rows_of(read_sample(name)).run) == EXPECTED[name]


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_the_document_of_a_real_answer_is_whole(name: str) -> None:
    real = json.loads(sample(name))
    of_documents = rows_of(read_sample(name)).document
    assert of_documents is not None
    row = named(DOCUMENTS, of_documents)
    assert json.loads(row.pop("output") or "null") == json.loads(row["document"])["output"]
    kept = json.loads(row.pop("document"))
    assert list(kept) == list(real)
    assert kept["run_request"] == real["run_request"]
    assert row == {
        "run_id": real["run_id"],
        "revision": 1,
        "session": SESSION,
        "fetched_at": AT,
    }


def test_the_errors_of_a_real_answer() -> None:
    rows = [named(ERRORS, row) for row in rows_of(read_sample("body-v1-failed")).errors]
    for row, given_entry in zip(rows, REAL[1]["errors"], strict=True):
        assert json.loads(row.pop("error")) == given_entry
    assert rows == [
        {
            "run_id": "tsk_600323886590930490",
            "revision": 1,
            "ordinal": 1,
            "error_code": "LOGIN_FAILED",
            "reasoning": "The site said: invalid password",
            "confidence": 0.95,
        },
        {
            "run_id": "tsk_600323886590930490",
            "revision": 1,
            "ordinal": 2,
            "error_code": "out_of_stock",
            "reasoning": "nothing left",
            "confidence": 0.5,
        },
    ]
