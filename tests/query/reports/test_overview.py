"""``report overview``: every number against the answers that were given."""

import pandas as pd
import pytest

from tests.query.reports.answers import FINAL, HOSTILE
from tests.query.reports.conftest import Known
from tests.query.reports.truth import (
    Ask,
    Row,
    chosen,
    groups,
    moment,
    newest_or_largest,
    same,
    share,
)

BYS = ("day", "run_type", "workflow", "reason")


def counts(runs: pd.DataFrame, artifacts: pd.DataFrame, *, statuses: bool = True) -> Row:
    row: Row = {"runs": len(runs)}
    if statuses:
        row |= {status: int((runs["status"] == status).sum()) for status in FINAL}
        row["unfinished"] = int((~runs["is_final"]).sum())
    theirs = artifacts[artifacts["run_id"].isin(runs["run_id"])]
    held = theirs["artifact_state"].isin(["verified", "unverified"])
    return row | {
        "complete": int(runs["is_complete"].sum()),
        "incomplete": int((runs["is_settled"] & ~runs["is_complete"]).sum()),
        "unsettled": int((~runs["is_settled"]).sum()),
        "artifacts": len(theirs),
        "gaps": int(theirs["artifact_state"].isin(["failed", "mismatch"]).sum()),
        "bytes": int(theirs["size"][held].sum()),
    }


def total(runs: pd.DataFrame, artifacts: pd.DataFrame) -> Row:
    return {
        **counts(runs, artifacts),
        "failure_rate": share(runs["is_failure"].sum(), runs["is_final"].sum()),
        "first_created_at": moment(runs["created"].min()),
        "last_created_at": moment(runs["created"].max()),
    }


def by_type_and_status(runs: pd.DataFrame, artifacts: pd.DataFrame) -> list[Row]:
    rows = [
        {**key, **counts(group, artifacts, statuses=False)}
        for key, group in groups(runs, "run_type", "status")
    ]

    def place(row: Row) -> tuple[object, ...]:
        return (row["run_type"] is None, row["run_type"] or "", -row["runs"], row["status"])

    return sorted(rows, key=place)


def test_the_archive_holds_what_is_hard_to_count(known: Known) -> None:
    """Else the other tests could not fail where they should."""
    runs, artifacts = known.runs, known.artifacts
    assert {"paused", "Completed", "completed "} <= set(runs["status"])
    assert runs["run_type"].isna().any()
    assert runs["created"].isna().any()
    assert runs["workflow"].isna().any()
    assert {"2025-08-31", "2025-09-01"} <= set(runs["day"])
    for span in ("queue", "run", "total"):
        assert runs[f"{span}_backwards"].sum() > 1
        assert runs[f"{span}_missing"].sum() > 1
    states = {"verified", "unverified", "mismatch", "gone", "failed", "excluded"}
    assert set(artifacts["artifact_state"]) == states
    assert {row["revision"] for row in known.archive.rows("runs")} == {1, 2}


def test_without_a_group_it_counts_by_run_type_and_status(ask: Ask, known: Known) -> None:
    tables = ask("overview")
    assert list(tables) == ["overview", "total"]
    same(tables["overview"], by_type_and_status(known.runs, known.artifacts))
    same(tables["total"], [total(known.runs, known.artifacts)])


@pytest.mark.parametrize("by", BYS)
def test_it_counts_by_any_group(ask: Ask, known: Known, by: str) -> None:
    tables = ask("overview", "--by", by)
    rows = [{**key, **counts(group, known.artifacts)} for key, group in groups(known.runs, by)]
    same(tables["overview"], newest_or_largest(rows, by))
    same(tables["total"], [total(known.runs, known.artifacts)])


def test_by_status_all_statuses_are_there_those_unknown_too(ask: Ask, known: Known) -> None:
    rows = [
        {**key, **counts(group, known.artifacts, statuses=False)}
        for key, group in groups(known.runs, "status")
    ]
    same(ask("overview", "--by", "status")["overview"], newest_or_largest(rows, "status"))


def test_runs_are_chosen_by_when_they_were_created(ask: Ask, known: Known) -> None:
    # A day as an end counts whole.
    tables = ask("overview", "--since", "2025-08-31", "--until", "2025-08-31")
    runs = chosen(known.runs, "2025-08-31", "2025-09-01")
    assert len(runs) > 2
    same(tables["overview"], by_type_and_status(runs, known.artifacts))
    same(tables["total"], [total(runs, known.artifacts)])

    tables = ask("overview", "--since", "2025-09-01T02:00+02:00", "--until", "2025-11-02T05:30")
    runs = chosen(known.runs, "2025-09-01T00:00", "2025-11-02T05:30")
    assert len(runs) > 2
    same(tables["total"], [total(runs, known.artifacts)])


def test_runs_are_chosen_by_what_they_are(ask: Ask, known: Known) -> None:
    choice = ("--run-type", "task_v1", "--run-type", "task_v9", "--status", "failed")
    tables = ask("overview", *choice, "--status", "paused", "--by", "status")
    runs = chosen(known.runs, run_type=["task_v1", "task_v9"], status=["failed", "paused"])
    assert len(runs) > 2
    same(tables["total"], [total(runs, known.artifacts)])
    assert {row["status"] for row in tables["overview"]} == set(runs["status"])


def test_what_comes_from_outside_is_a_value_and_no_sql(ask: Ask, known: Known) -> None:
    tables = ask("overview", "--workflow", HOSTILE, "--by", "workflow")
    count = (known.runs["workflow"] == HOSTILE).sum()
    assert [(row["workflow"], row["runs"]) for row in tables["overview"]] == [(HOSTILE, count)]


def test_where_no_run_is_meant_everything_is_zero(ask: Ask, known: Known) -> None:
    tables = ask("overview", "--status", "'; --")
    assert tables["overview"] == []
    same(tables["total"], [total(known.runs[:0], known.artifacts)])
