"""What is odd about an answer costs the odd value, never the run."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import Body, LyingServer, task_run


def test_a_value_of_a_wrong_type_costs_that_value_alone(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(
        task_run(
            "tsk_1",
            step_count="3",
            title=["x"],
            created_at="2026-03-01T10:00:00",
            started_at="soon",
            queued_at=1_700_000_000,
            failure_reason={"text": "x"},
            errors={"error_code": "X"},
            downloaded_files="none",
            screenshot_urls=[None, 7],
            recording_url=["x"],
            script_run="yes",
            attempt=2**70,
            app_url=False,
            request={"max_steps": "many", "prompt": 7, "publish_workflow": "yes"},
        )
    )
    fetch("tsk_1")
    row = archive.row("runs", run_id="tsk_1")
    for name in (
        "step_count",
        "title",
        "started_at",
        "queued_at",
        "attempt",
        "app_url",
    ):
        assert row[name] is None, name
    assert (row["status"], row["created_at"]) == ("completed", datetime(2026, 3, 1, 10, tzinfo=UTC))
    assert row["error_codes"] == []
    told = {problem.partition(":")[0] for problem in row["problems"]}
    assert told == {
        *("step_count", "title", "started_at", "queued_at", "failure_reason", "errors"),
        *("downloaded_files", "screenshot_urls[0]", "screenshot_urls[1]", "recording_url"),
        *("script_run", "attempt", "app_url", "run_request.max_steps", "run_request.prompt"),
        "run_request.publish_workflow",
    }


@pytest.mark.parametrize(
    "field", ["created_at", "queued_at", "started_at", "finished_at", "modified_at"]
)
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999Z"])
def test_times_at_the_ends_of_the_calendar_are_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, field: str, moment: str
) -> None:
    server.add_run(task_run("tsk_1") | {field: moment})
    fetch("tsk_1")
    stored = archive.row("runs", run_id="tsk_1")[field]
    assert stored == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_a_run_of_which_only_id_and_status_are_told_is_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run({"run_id": "tsk_1", "status": "completed"})
    assert fetch("tsk_1").runs == {"asked": 1, "fetched": 1}
    row = archive.row("runs", run_id="tsk_1")
    assert (row["problems"], row["is_complete"]) == ([], True)
    assert row["path"] == "runs/undated/tsk_1/r1"


HALF = "cut \ud83d"


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("output", {"output": {"t": HALF}}),
        ("output", {"output": {HALF: "😀"}}),
        ("document", {"a_field_of_later": [HALF]}),
        ("errors[0]", {"errors": [{"error_code": "X", "x": HALF}]}),
        ("run_request.parameters", {"request": {"parameters": {"t": HALF}}}),
        ("title", {"title": HALF}),
    ],
)
def test_half_a_surrogate_pair_breaks_no_question_about_json(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    place: str,
    answer: dict[str, Any],
) -> None:
    run = task_run("tsk_1", **{name: value for name, value in answer.items() if name == "request"})
    run |= {name: value for name, value in answer.items() if name != "request"}
    server.add_run(run)
    # The server writes such halves as they are; here they come as escapes, which are JSON.
    server.lie("tsk_1", Body(json.dumps(run).encode()))
    server.add_run(task_run("tsk_2", output={"t": "whole"}))
    fetch("tsk_1", "tsk_2")

    def check() -> None:
        asked = (
            "SELECT json_keys(document), document->>'$.output.t', output->>'$.t' FROM documents",
            "SELECT json_keys(output) FROM documents",
            "SELECT json_keys(error), error_code FROM errors",
            "SELECT json_keys(request_parameters), title FROM runs",
        )
        for sql in asked:
            assert archiver("query", sql, "--json").json is not None
        problems = archive.row("runs", run_id="tsk_1")["problems"]
        assert f"{place}: half a surrogate pair, replaced" in problems
        assert "document: half a surrogate pair, replaced" in problems
        assert archive.row("runs", run_id="tsk_2")["problems"] == []
        archiver("verify")

    check()
    assert "\\ud83d" in (archive.run("tsk_1") / "r1/run.json").read_text()
    archiver("reindex")
    check()
