import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ExitCode
from archiver.fetch.events import Problem, Summary
from archiver.model.artifact import ArtifactState
from archiver.model.rows import Outcome
from tests.model.builders import DOWNLOAD, SESSION

OUTCOMES = st.dictionaries(st.sampled_from(Outcome), st.integers(0, 10**6))
STATES = st.dictionaries(st.sampled_from(ArtifactState), st.integers(0, 10**6))
PROBLEM = Problem("tsk_1", DOWNLOAD, 2, "HTTP 500")


def test_nothing_happened() -> None:
    assert Summary(SESSION, 0).to_json() == {
        "session": SESSION,
        "head": None,
        "runs": {
            "asked": 0,
            "fetched": 0,
            "unchanged": 0,
            "unfinished": 0,
            "not_found": 0,
            "failed": 0,
        },
        "artifacts": {
            "verified": 0,
            "unverified": 0,
            "mismatch": 0,
            "gone": 0,
            "failed": 0,
            "excluded": 0,
        },
        "bytes": {"downloaded": 0},
        "redacted": None,
        "accepted": 0,
        "seconds": 0.0,
        "problems": [],
    }


@given(OUTCOMES, STATES, st.integers(0, 10**6))
def test_the_counts_add_up(
    outcomes: dict[Outcome, int], states: dict[ArtifactState, int], held: int
) -> None:
    asked = held + sum(outcomes.values())
    summary = Summary(SESSION, asked, held, Counter(outcomes), Counter(states))
    runs = summary.run_counts()
    assert runs.pop("asked") == asked == sum(runs.values())
    assert runs["unchanged"] == held + outcomes.get(Outcome.UNCHANGED, 0)
    counted = json.loads(json.dumps(summary.to_json()))["artifacts"]
    assert counted == {state.value: states.get(state, 0) for state in ArtifactState}


def test_counting_does_not_change_the_counts() -> None:
    summary = Summary(SESSION, 2, held=2)
    assert summary.run_counts() == summary.run_counts()


def test_the_document_is_plain_json() -> None:
    summary = Summary(SESSION, 1, seconds=1.23456789, problems=[PROBLEM])
    document = json.loads(json.dumps(summary.to_json()))
    assert document["problems"] == [
        {"run_id": "tsk_1", "kind": "download", "ordinal": 2, "reason": "HTTP 500"}
    ]
    assert document["seconds"] == 1.235


@pytest.mark.parametrize(
    ("problems", "interrupted", "code"),
    [
        ([], False, ExitCode.OK),
        ([PROBLEM], False, ExitCode.INCOMPLETE),
        ([Problem("tsk_1", None, None, "not found")], False, ExitCode.INCOMPLETE),
        ([], True, ExitCode.INTERRUPTED),
        ([PROBLEM], True, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code(problems: list[Problem], interrupted: bool, code: ExitCode) -> None:
    assert Summary(SESSION, 1, problems=problems, interrupted=interrupted).exit_code is code


@pytest.mark.parametrize("outcome", [Outcome.FETCHED, Outcome.UNCHANGED, Outcome.UNFINISHED])
def test_runs_that_are_not_settled_yet_are_no_failure(outcome: Outcome) -> None:
    assert Summary(SESSION, 1, outcomes=Counter([outcome])).exit_code is ExitCode.OK
