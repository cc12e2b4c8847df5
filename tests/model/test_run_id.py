import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import InvalidRunId, UsageError
from archiver.model.ids import RunId, answers_for
from tests.model.strategies import ANY_TEXT

IDS = st.from_regex(r"(tsk_v2_|tsk_|wr_)[A-Za-z0-9_-]{1,128}", fullmatch=True)


@given(IDS)
def test_a_run_id_is_its_text(text: str) -> None:
    assert RunId(text) == text
    assert RunId(RunId(text)) == text


@given(ANY_TEXT | IDS.map(lambda text: text + "/") | IDS.map(lambda text: " " + text))
def test_what_is_not_a_prefix_and_safe_characters_is_refused(text: str) -> None:
    if not re.fullmatch(r"(tsk_v2_|tsk_|wr_)[A-Za-z0-9_-]{1,128}", text):
        with pytest.raises(InvalidRunId):
            RunId(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "tsk_", "wr_", "run_1", "TSK_1", "tsk-1", "tsk_1\n", "tsk_1 ", " tsk_1"),
        *("tsk_../x", "../tsk_1", "tsk_a/b", "tsk_a\\b", "tsk_a.b", "tsk_a%2fb", "tsk_1\0"),
        *("tsk_é", "tsk_١", "wr_" + "a" * 129, "tsk_a?b", "tsk_a#b"),
    ],
)
def test_dangerous_ids_are_refused(text: str) -> None:
    with pytest.raises(InvalidRunId) as refused:
        RunId(text)
    assert isinstance(refused.value, UsageError)
    assert isinstance(refused.value, ValueError)
    assert refused.value.exit_code == 2


def test_a_refusal_quotes_only_the_beginning_of_a_long_text() -> None:
    with pytest.raises(InvalidRunId) as refused:
        RunId("x" * 100_000)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "workflow", "task_v2"),
    [("tsk_1", False, False), ("tsk_v2_1", False, True), ("wr_1", True, False)],
)
def test_the_prefix_tells_the_kind(text: str, workflow: bool, task_v2: bool) -> None:
    assert RunId(text).is_workflow_run is workflow
    assert RunId(text).is_task_v2 is task_v2


@pytest.mark.parametrize(
    ("asked", "answered", "fits"),
    [
        ("tsk_1", "tsk_1", True),
        ("wr_1", "wr_1", True),
        ("wr_1", "tsk_v2_9", True),
        ("wr_1", "wr_2", False),
        ("wr_1", "tsk_9", False),
        ("tsk_v2_9", "wr_1", False),
        ("tsk_1", "tsk_v2_1", False),
        ("tsk_v2_1", "tsk_v2_2", False),
        ("tsk_1", "tsk_2", False),
    ],
)
def test_only_a_task_v2_may_answer_for_another_id(asked: str, answered: str, fits: bool) -> None:
    assert answers_for(RunId(asked), RunId(answered)) is fits
