"""``report trends``: days, and what got worse, against pandas and formulas written down anew."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.query.reports.changes import all_failing, all_slower
from tests.query.reports.rows import archive_of
from tests.query.reports.truth import Ask, Row, groups, plain, quantile, same, share

START = datetime(2025, 8, 1, tzinfo=UTC)
DAYS = 61
LAST = START + timedelta(days=DAYS)


def night(day: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """A day of runs. In the last week one workflow fails more, one less, one engine is slow."""
    is_recent = day >= DAYS - 7
    rates = {
        "w_worse": 0.5 if is_recent else 0.1,
        "w_better": 0.1 if is_recent else 0.5,
        "w_same": 0.3,
        None: 0.2,
    }
    for _ in range(70):
        workflow = chance.choice(list(rates))
        is_failure = chance.random() < rates[workflow]
        engine = chance.choice(("e_slow", "e_fast", "e_fast", "e_same", None))
        factor = {"e_slow": 4, "e_fast": 0.2}.get(engine or "", 1) if is_recent else 1
        at = START + timedelta(days=day, seconds=chance.randrange(86_400))
        yield {
            "created": at,
            "run_type": chance.choice(("task_v1", "task_v2")),
            "status": chance.choice(("failed", "canceled")) if is_failure else "completed",
            "failure_reason": chance.choice(("Old", "Older", None)) if is_failure else None,
            "workflow": workflow,
            "engine": engine,
            "run": None
            if chance.random() < 0.05
            else round(chance.lognormvariate(4, 0.5) * factor, 3),
        }
    if day % 9 == 0:
        at = START + timedelta(days=day)
        yield {"created": at, "status": "running", "workflow": "w_running"}
        yield {"created": at, "status": "paused", "workflow": "w_same"}


def many() -> list[dict[str, Any]]:
    chance = random.Random(5)
    # On one day there are no runs at all.
    rows = [run for day in range(DAYS) if day != 30 for run in night(day, chance)]
    at = LAST - timedelta(hours=1)
    for n in range(3):
        # Three runs that all fail now, and none of them did before; three of a new reason.
        rows.append({"created": at, "status": "failed", "workflow": "w_three"})
        rows.append({"created": at - timedelta(days=20 + n), "workflow": "w_three"})
        rows.append({"created": at, "status": "failed", "failure_reason": "Thrice"})
    new = {"created": at, "status": "timed_out", "failure_reason": "New", "workflow": "w_new"}
    rows += [new] * 30
    rows += [{"created": None, "status": s} for s in ("failed", "completed", "running")]
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    root = tmp_path_factory.mktemp("trends") / "archive"
    return root, archive_of(root, many())


@pytest.fixture
def trends(made: tuple[Path, pd.DataFrame], ask_of: Callable[[Path], Ask]) -> Ask:
    return ask_of(made[0])


@pytest.fixture
def runs(made: tuple[Path, pd.DataFrame]) -> pd.DataFrame:
    return made[1]


def days(runs: pd.DataFrame) -> list[Row]:
    rows = []
    for key, group in groups(runs.dropna(subset="created"), "day"):
        final = group[group["is_final"]]
        failures = int(final["is_failure"].sum())
        rows.append(
            {
                **key,
                "runs": len(group),
                "final_runs": len(final),
                "failures": failures,
                "failure_rate": share(failures, len(final)),
                "p50_run_seconds": quantile(final["run"], 0.5),
                "p95_run_seconds": quantile(final["run"], 0.95),
            }
        )
    table = pd.DataFrame(rows).set_index(pd.to_datetime([row["day"] for row in rows])).sort_index()
    week = table[["final_runs", "failures"]].rolling("7D").sum()
    table["failure_rate_7_days"] = week["failures"] / week["final_runs"]
    table["mean_p95_run_seconds_7_days"] = table["p95_run_seconds"].rolling("7D").mean()
    names = ["day", "runs", "final_runs", "failures", "failure_rate", "failure_rate_7_days"]
    names += ["p50_run_seconds", "p95_run_seconds", "mean_p95_run_seconds_7_days"]
    newest = table[names][::-1].to_dict("records")
    return [{str(name): plain(value) for name, value in row.items()} for row in newest]


def test_every_number_of_every_day_and_group(trends: Ask, runs: pd.DataFrame) -> None:
    tables = trends("trends")
    assert list(tables) == ["days", "failing", "slower"]
    same(tables["days"], days(runs))
    same(
        tables["failing"], all_failing(runs, "run_type", "engine", "workflow", "reason", last=LAST)
    )
    same(tables["slower"], all_slower(runs, "run_type", "engine", "workflow", last=LAST))


def test_a_real_change_is_told_and_three_runs_are_no_alarm(trends: Ask) -> None:
    tables = trends("trends")
    failing = {(row["dimension"], row["group"]): row["verdict"] for row in tables["failing"]}
    assert failing["workflow", "w_worse"] == "worse"
    assert failing["workflow", "w_better"] == "better"
    assert failing["workflow", "w_same"] == "same"
    assert failing["workflow", "w_three"] == "few runs"
    assert failing["reason", "New"] == "worse"
    assert failing["reason", "Thrice"] == "few runs"
    slower = {(row["dimension"], row["group"]): row["verdict"] for row in tables["slower"]}
    assert slower["engine", "e_slow"] == "slower"
    assert slower["engine", "e_fast"] == "faster"
    assert slower["engine", "e_same"] == "same"


@pytest.mark.parametrize("by", ["status", "reason", "engine"])
def test_one_dimension_alone(trends: Ask, runs: pd.DataFrame, by: str) -> None:
    tables = trends("trends", "--by", by)
    same(tables["failing"], all_failing(runs, by, last=LAST))
    same(tables["slower"], all_slower(runs, *([by] if by == "engine" else []), last=LAST))
    if by == "status":
        named = {row["group"] for row in tables["failing"]}
        assert named == {"all", "failed", "canceled", "timed_out"}


def test_the_last_days_are_those_before_the_end_that_is_asked_for(
    trends: Ask, runs: pd.DataFrame
) -> None:
    # A day as an end counts whole.
    choice = ("--until", "2025-09-14", "--since", "2025-08-20", "--run-type", "task_v2")
    tables = trends("trends", *choice, "--by", "workflow")
    last = datetime(2025, 9, 15, tzinfo=UTC)
    chosen = runs[(runs["created"] < last) & (runs["created"] >= datetime(2025, 8, 20, tzinfo=UTC))]
    chosen = chosen[chosen["run_type"] == "task_v2"]
    same(tables["days"], days(chosen))
    same(tables["failing"], all_failing(chosen, "workflow", last=last))
    same(tables["slower"], all_slower(chosen, "workflow", last=last))
    assert tables["failing"][0]["recent_runs"] > 30


def test_a_clock_that_is_ahead_does_not_move_the_days_that_are_compared(
    tmp_path: Path, ask_of: Callable[[Path], Ask]
) -> None:
    chance = random.Random(5)
    rows = [run for day in range(20, 60) for run in night(day, chance)]
    ahead = [datetime(2099, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)]
    behind = datetime(1, 1, 1, tzinfo=UTC)
    runs = archive_of(tmp_path / "archive", [*rows, *({"created": at} for at in (behind, *ahead))])
    tables = ask_of(tmp_path / "archive")("trends")
    assert [row["day"] for row in tables["days"]][:2] == ["9999-12-31", "2099-01-01"]
    assert tables["days"][-1]["day"] == "0001-01-01"
    # The last day on which a run that is ahead can have been created is that of its fetch.
    last = datetime(2025, 10, 1, tzinfo=UTC)
    same(
        tables["failing"], all_failing(runs, "run_type", "engine", "workflow", "reason", last=last)
    )
    assert tables["failing"][0]["recent_runs"] > 10
