"""``report flaky``: how often the same work ended otherwise than the time before."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd

from tests.query.reports.conftest import Known
from tests.query.reports.rows import archive_of
from tests.query.reports.truth import Ask, Row, chosen, examples, groups, moment, plain, same

WORK = ("workflow", "prompt", "url")


def with_work(runs: pd.DataFrame) -> pd.DataFrame:
    """Final runs that say what was asked for; of a workflow run only the workflow counts."""
    known = runs[runs["is_final"] & runs[list(WORK)].notna().any(axis=1)].copy()
    known.loc[known["workflow"].notna(), ["prompt", "url"]] = None
    return known


def flips(group: pd.DataFrame) -> int:
    """Neighbours in time that ended differently.

    Of runs created at once those that completed come first; what has no time comes last.
    """
    ordered = group.sort_values(["created", "is_failure"], na_position="last")
    ends = ordered["is_failure"].to_list()
    return sum(now != before for before, now in pairwise(ends))


def flaky(runs: pd.DataFrame, *by: str) -> list[Row]:
    rows = []
    for key, group in groups(with_work(runs), *by, *WORK):
        failed = group[group["is_failure"]]
        if not 0 < len(failed) < len(group):
            continue
        count = flips(group)
        rows.append(
            {
                **key,
                "runs": len(group),
                "completed": len(group) - len(failed),
                "failures": len(failed),
                "failure_rate": len(failed) / len(group),
                "flips": count,
                "flip_rate": count / (len(group) - 1),
                "first_seen": moment(group["created"].min()),
                "last_seen": moment(group["created"].max()),
                "example_run_ids": examples(failed),
            }
        )
    return sorted(rows, key=place)


def place(row: Row) -> tuple[object, ...]:
    texts = [(row[name] is None, row[name] or "") for name in WORK]
    return (-row["flips"], -row["flip_rate"], *texts)


def test_the_same_workflow_or_prompt_and_url_is_the_same_work(ask: Ask, known: Known) -> None:
    expected = flaky(known.runs)
    assert {"wpid_1"} < {row["workflow"] for row in expected}
    assert any(row["prompt"] for row in expected)
    same(ask("flaky")["flaky"], expected)
    assert ask("flaky") == ask("flaky", "--by", "workflow")


def test_work_is_told_apart_by_any_group(ask: Ask, known: Known) -> None:
    rows = ask("flaky", "--by", "engine")["flaky"]
    assert len(rows) > 2

    def order(row: Row) -> tuple[object, ...]:
        return (*place(row), row["engine"] is None, row["engine"] or "")

    same(rows, sorted(flaky(known.runs, "engine"), key=order))


def test_by_time_the_newest_come_first(ask: Ask, known: Known) -> None:
    rows = flaky(known.runs, "month")
    dated = sorted((r for r in rows if r["month"]), key=lambda row: row["month"], reverse=True)
    same(ask("flaky", "--by", "month")["flaky"], [*dated, *(r for r in rows if not r["month"])])


def test_flaky_of_chosen_runs(ask: Ask, known: Known) -> None:
    runs = chosen(known.runs, "2025-08-31", "2025-09-02", run_type=["workflow_run"])
    choice = ("--since", "2025-08-31", "--until", "2025-09-01", "--run-type", "workflow_run")
    expected = flaky(runs)
    assert expected
    same(ask("flaky", *choice)["flaky"], expected)
    assert plain(runs["run_type"].nunique()) == 1


def test_every_flip_is_counted_ties_and_missing_times_too(
    tmp_path: Path, ask_of: Callable[[Path], Ask]
) -> None:
    chance = random.Random(3)
    start = datetime(2025, 9, 1, tzinfo=UTC)
    # Few moments, so that many runs are created at the same, and many without any.
    moments = [None, *(start + timedelta(microseconds=n) for n in range(60))]
    statuses = ("completed", "completed", "failed", "canceled", "running")
    rows = [
        {
            "created": chance.choice(moments),
            "status": chance.choice(statuses),
            "workflow": chance.choice(("w1", "w2", None)),
            "prompt": chance.choice(("w1", None)),
            "request_url": chance.choice(("w1", "w2", None)),
        }
        for _ in range(3_000)
    ]
    rows += [{"created": None, "status": s, "workflow": "w3"} for s in statuses * 400]
    runs = archive_of(tmp_path / "archive", rows)
    ask = ask_of(tmp_path / "archive")
    expected = flaky(runs)
    (undated,) = (row for row in expected if row["workflow"] == "w3")
    assert (undated["runs"], undated["flips"]) == (1_600, 1)
    assert {row["prompt"] for row in expected} == {None, "w1"}
    same(ask("flaky")["flaky"], expected)
