import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import AnswerInvalid, ArchiveDamaged
from archiver.fetch.answer import read_answer
from archiver.model.ids import RunId, sha256_of
from archiver.model.run import FINAL_STATUSES, Run, read_document
from tests.model.builders import (
    AT,
    RUN_ID,
    SAMPLE_NAMES,
    document,
    read,
    read_sample,
    sample,
    to_bytes,
    utc,
)
from tests.model.strategies import ANY_TEXT, JSON, JSON_OBJECTS

REAL = [json.loads(sample(name)) for name in SAMPLE_NAMES]


def read_bytes(body: bytes, asked: str = RUN_ID) -> Run:
    return read_answer(body, sha256_of(body), RunId(asked), AT).run


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"text"', b"5", b"{", b"{}", b"<html>", b"NaN", b"\xff\xfe"),
        *(b'{"run_id":"tsk_123"}', b'{"status":"completed"}', b'{"run_id":5,"status":"x"}'),
        *(b'{"run_id":"tsk_123","status":null}', b'{"run_id":"tsk_123","status":""}'),
        *(b'{"run_id":"tsk_123","status":5}', b'{"run_id":"../x","status":"completed"}'),
        *(b'{"run_id":"tsk_999","status":"completed"}', b'{"detail":"Task run not found"}'),
        b'{"run_id":"tsk_123","status":"completed","output":' + b"[" * 9999 + b"]" * 9999 + b"}",
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_an_answer_that_is_no_run_is_invalid(body: bytes) -> None:
    with pytest.raises(AnswerInvalid):
        read_bytes(body)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_an_invalid_answer(body: bytes) -> None:
    with pytest.raises(AnswerInvalid):
        read_bytes(body)


@given(st.sampled_from(SAMPLE_NAMES), st.integers(0, 7000), st.binary(min_size=1, max_size=3))
def test_a_damaged_answer_is_read_or_invalid(name: str, at: int, damage: bytes) -> None:
    body = sample(name)
    damaged = body[: at % len(body)] + damage + body[at % len(body) + len(damage) :]
    asked = json.loads(body)["run_id"]
    try:
        read_bytes(damaged, asked)
    except AnswerInvalid as refused:
        assert len(str(refused)) < 500  # noqa: PT017


@given(JSON_OBJECTS | JSON)
def test_any_json_is_an_invalid_answer_or_a_run(value: Any) -> None:
    whole = {**value, **document()} if isinstance(value, dict) else document(output=value)
    assert read_bytes(to_bytes(whole)).run_id == RUN_ID


FIELDS = [(name,) for name in REAL[0] | REAL[3] if name not in ("run_id", "status")] + [
    ("run_request", name) for name in REAL[0]["run_request"] | REAL[3]["run_request"]
]


@given(st.sampled_from(REAL), st.sampled_from(FIELDS), JSON)
def test_any_value_in_any_field_costs_that_value_and_never_the_run(
    real: dict[str, Any], path: tuple[str, ...], value: Any
) -> None:
    whole = json.loads(json.dumps(real))
    (whole["run_request"] if len(path) == 2 else whole)[path[-1]] = value
    run = read(whole).run
    before = read(real).run
    assert run.run_id == before.run_id
    assert all(path[-1] in line for line in run.problems if "before" not in line)
    if path[-1] not in ("created_at", "run_request"):
        assert run.created_at == before.created_at
    if path[-1] not in ("prompt", "workflow_id", "run_request"):
        assert run.request.request_prompt == before.request.request_prompt
        assert run.request.workflow_id == before.request.workflow_id
    if path[-1] != "output":
        assert json.loads(run.output or "null") == json.loads(before.output or "null")


@given(st.sampled_from(REAL), st.sampled_from(FIELDS), JSON)
def test_a_run_read_back_from_its_document_is_the_same(
    real: dict[str, Any], path: tuple[str, ...], value: Any
) -> None:
    whole = json.loads(json.dumps(real))
    (whole["run_request"] if len(path) == 2 else whole)[path[-1]] = value
    answer = read(whole, "k-0123456789")
    assert read_document(answer.document, "here") == answer.run


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_real_answers_are_read_without_problems(name: str) -> None:
    answer = read_sample(name)
    assert answer.run.problems == ()
    assert answer.received_sha256 == sha256_of(sample(name))
    assert read_document(answer.document, "here") == answer.run


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
def test_final_statuses(status: str) -> None:
    assert read(document(status=status)).run.is_final


@pytest.mark.parametrize(
    "status", ["created", "queued", "running", "paused", "brand_new", "Completed", "cancelled"]
)
def test_any_other_status_is_kept_and_not_final(status: str) -> None:
    run = read(document(status=status)).run
    assert run.status == status
    assert not run.is_final
    assert not run.problems


@pytest.mark.parametrize(
    "run_type",
    [
        *("task_v1", "task_v2", "task_v3", "openai_cua", "anthropic_cua", "ui_tars"),
        *("yutori_navigator", "workflow_run", "brand_new"),
    ],
)
def test_every_run_type_is_kept(run_type: str) -> None:
    run = read(document(run_type=run_type)).run
    assert run.run_type == run_type
    assert not run.problems


@given(ANY_TEXT, JSON)
def test_unknown_fields_are_kept_in_the_document(name: str, value: Any) -> None:
    if name in document():
        return
    answer = read(document(**{"later_" + name: value, "a": {"b": value}}))
    kept = json.loads(answer.document)
    assert kept["later_" + name] == json.loads(json.dumps(value))
    assert not answer.run.problems


@pytest.mark.parametrize("nothing", [{}, {"downloaded_files": None}, {"downloaded_files": []}])
def test_no_downloads_are_counted_as_none(nothing: dict[str, Any]) -> None:
    run = read(document(**nothing)).run
    assert run.downloaded_file_count == 0
    assert not run.problems


def test_a_run_with_nothing_but_id_and_status_has_no_problems() -> None:
    run = read(document()).run
    assert run.problems == ()
    assert run.error_codes == []
    assert (run.queue_seconds, run.run_seconds, run.total_seconds) == (None, None, None)
    assert (run.screenshot_count, run.has_recording) == (0, False)


TIMES = {
    "created_at": "2026-11-13T18:00:00",
    "queued_at": "2026-11-13T18:00:01Z",
    "started_at": "2026-11-13T18:00:05.500000",
    "finished_at": "2026-11-13T19:00:07+01:00",
    "modified_at": "2026-11-13T18:00:08",
}


def test_durations_come_from_their_own_times() -> None:
    run = read(document(**TIMES)).run
    assert run.queue_seconds == 4.5
    assert run.run_seconds == 1.5
    assert run.total_seconds == 7.0
    assert run.finished_at == utc("2026-11-13T18:00:07")


def test_without_queued_at_waiting_begins_when_the_run_was_created() -> None:
    assert read(document(**TIMES | {"queued_at": None})).run.queue_seconds == 5.5


def test_a_clock_that_ran_backwards_gives_no_duration_and_a_problem() -> None:
    run = read(document(**TIMES | {"finished_at": "2026-11-13T18:00:02"})).run
    assert run.run_seconds is None
    assert run.total_seconds == 2.0
    assert run.problems == ("finished_at: before started_at",)


def test_errors_keep_everything_and_their_codes_are_listed_once() -> None:
    entries = [
        {"error_code": "A", "reasoning": "r", "confidence_float": 0.5, "big": 2**70},
        {"error_code": "B", "confidence_float": 1},
        {"error_code": "A"},
        {"reasoning": None},
    ]
    run = read(document(errors=entries)).run
    assert run.error_codes == ["A", "B"]
    assert [e.ordinal for e in run.errors] == [1, 2, 3, 4]
    assert [e.confidence for e in run.errors] == [0.5, 1.0, None, None]
    assert [json.loads(e.error) for e in run.errors] == entries
    assert run.problems == ()


def test_an_odd_error_is_kept_and_noted() -> None:
    run = read(document(errors=["boom", {"error_code": 404, "reasoning": ["x"]}])).run
    assert [(e.error_code, e.reasoning) for e in run.errors] == [(None, None), (None, None)]
    assert [e.error for e in run.errors] == ['"boom"', '{"error_code":404,"reasoning":["x"]}']
    assert run.problems == (
        "errors[0]: expected an object",
        "errors[1].error_code: expected a string, found an integer",
        "errors[1].reasoning: expected a string, found a list",
    )


def test_an_integer_of_thousands_of_digits_does_not_cost_the_run() -> None:
    body = b'{"run_id":"tsk_123","status":"completed","output":' + b"1" * 5_000 + b"}"
    assert read_bytes(body).status == "completed"


def test_output_keeps_big_integers_and_every_character() -> None:
    output = {"n": 9007199254740993, "m": 2**80, "t": "\u2028 😀", "e": {}, "l": []}
    answer = read(document(output=output))
    assert json.loads(answer.run.output or "") == output
    assert json.loads(answer.document)["output"] == output


def test_a_task_v2_may_answer_for_its_workflow_run() -> None:
    assert (
        read({"run_id": "tsk_v2_1", "status": "completed"}, asked="wr_9").run.run_id == "tsk_v2_1"
    )
    with pytest.raises(AnswerInvalid, match="wr_2"):
        read({"run_id": "wr_2", "status": "completed"}, asked="wr_1")


SETTLE = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("times", "age", "settled"),
    [
        (("finished_at",), 10, True),
        (("finished_at",), 9, False),
        (("finished_at", "modified_at"), 9, False),
        (("modified_at",), 10, True),
        (("modified_at",), 9, False),
        ((), 0, True),
    ],
)
def test_a_final_run_settles_some_time_after_it_finished_or_was_modified(
    times: tuple[str, ...], age: int, settled: bool
) -> None:
    moment = (AT - timedelta(minutes=age)).isoformat()
    run = read(document(**dict.fromkeys(times, moment))).run
    assert run.is_settled(AT, SETTLE) is settled
    assert run.is_settled(AT, timedelta(0))


def test_the_time_of_finishing_counts_before_that_of_modifying() -> None:
    old, new = (AT - timedelta(hours=1)).isoformat(), AT.isoformat()
    assert read(document(finished_at=old, modified_at=new)).run.is_settled(AT, SETTLE)
    assert not read(document(finished_at=new, modified_at=old)).run.is_settled(AT, SETTLE)


@pytest.mark.parametrize("status", ["running", "paused", "brand_new"])
def test_a_run_that_is_not_final_never_settles(status: str) -> None:
    run = read(document(status=status, finished_at="2020-01-01T00:00:00")).run
    assert not run.is_settled(AT, SETTLE)
    assert not run.is_settled(AT, timedelta(0))


@pytest.mark.parametrize("text", ["", "5", "{}", "[]", '{"run_id":"tsk_1"}', "[" * 9999, "\x00"])
def test_a_stored_document_that_is_no_run_is_damage(text: str) -> None:
    with pytest.raises(ArchiveDamaged, match=r"r1/run\.json"):
        read_document(text, "r1/run.json")
