"""``report trends``: days, and what got worse, against pandas and formulas written down anew."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil, floor, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd
import pytest

from tests.adapters.reports.rows import archive_of
from tests.adapters.reports.truth import Ask, Row, groups, plain, quantile, same, share

START = datetime(2025, 8, 1, tzinfo=UTC)
DAYS = 61
LAST = START + timedelta(days=DAYS)
Z = NormalDist().inv_cdf(0.995)
FEWEST = 10


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


def wilson(count: int, of: int) -> tuple[float, float]:
    """The score interval of one rate."""
    middle = (count + Z * Z / 2) / (of + Z * Z)
    half = Z / (of + Z * Z) * sqrt(count * (of - count) / of + Z * Z / 4)
    return middle - half, middle + half


def failing(dimension: str, name: object, recent: Row, before: Row, fewest: int) -> Row:
    row: Row = {
        "dimension": dimension,
        "group": name,
        "verdict": "few runs",
        "recent_runs": recent["runs"],
        "recent_failures": recent["failures"],
        "recent_rate": share(recent["failures"], recent["runs"]),
        "before_runs": before["runs"],
        "before_failures": before["failures"],
        "before_rate": share(before["failures"], before["runs"]),
        **dict.fromkeys(("change", "change_low", "change_high")),
    }
    now, then = row["recent_rate"], row["before_rate"]
    if now is None or then is None:
        return row
    (low, high), (low_then, high_then) = (
        wilson(side["failures"], side["runs"]) for side in (recent, before)
    )
    row["change"] = now - then
    row["change_low"] = now - then - sqrt((now - low) ** 2 + (high_then - then) ** 2)
    row["change_high"] = now - then + sqrt((high - now) ** 2 + (then - low_then) ** 2)
    if fewest >= FEWEST:
        row["verdict"] = "same"
        if row["change_low"] > 0:
            row["verdict"] = "worse"
        elif row["change_high"] < 0:
            row["verdict"] = "better"
    return row


def counted(side: pd.DataFrame, of: int | None = None) -> Row:
    return {"runs": len(side) if of is None else of, "failures": int(side["is_failure"].sum())}


def sides(runs: pd.DataFrame, last: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The final runs of the 7 days before ``last``, and of the 28 before those."""
    recent, before = last - timedelta(days=7), last - timedelta(days=35)
    final = runs[runs["is_final"] & (runs["created"] >= before) & (runs["created"] < last)]
    return final[final["created"] >= recent], final[final["created"] < recent]


def of_group(side: pd.DataFrame, dimension: str, name: object) -> pd.DataFrame:
    return side[side[dimension].isna() if name is None else side[dimension] == name]


def all_failing(runs: pd.DataFrame, *dimensions: str, last: datetime = LAST) -> list[Row]:
    recent, before = sides(runs, last)
    both = pd.concat([recent, before])
    least = min(len(recent), len(before))
    rows = [failing("all", "all", counted(recent), counted(before), least)]
    for dimension in dimensions:
        if dimension in ("reason", "status"):
            # Of all runs, how many fail so: and only those that do make many.
            failed = both[both["is_failure"]]
            two = (recent[recent["is_failure"]], before[before["is_failure"]])
            totals: tuple[int | None, int | None] = (len(recent), len(before))
        else:
            failed, two, totals = both, (recent, before), (None, None)
        for key, _ in groups(failed, dimension):
            name = key[dimension]
            if dimension == "workflow" and name is None:
                continue
            theirs = [of_group(side, dimension, name) for side in two]
            now, then = (counted(s, of) for s, of in zip(theirs, totals, strict=True))
            sizes = [len(s) for s in theirs]
            fewest = min(*sizes) if totals[0] is None else sum(sizes)
            rows.append(failing(dimension, name, now, then, fewest))

    def place(row: Row) -> tuple[Any, ...]:
        verdict = ("worse", "better", "same", "few runs").index(row["verdict"])
        change = row["change"]
        size = (1, 0.0) if change is None else (0, -abs(change))
        return (verdict, *size, row["dimension"], row["group"] is None, row["group"] or "")

    return sorted(rows, key=place)


def slower(dimension: str, name: object, recent: pd.Series, before: pd.Series) -> Row:
    row: Row = {"dimension": dimension, "group": name, "verdict": "same"}
    for side, values in (("recent", recent), ("before", before)):
        ordered = sorted(values.dropna())
        count = len(ordered)
        spread = Z * sqrt(count * 0.95 * 0.05)
        first, last = floor(count * 0.95 - spread), ceil(count * 0.95 + spread) + 1
        row[f"{side}_runs"] = count
        row[f"{side}_p95"] = quantile(pd.Series(ordered, dtype=float), 0.95)
        row[f"{side}_p95_low"] = ordered[first - 1] if first >= 1 else None
        row[f"{side}_p95_high"] = ordered[last - 1] if last <= count else None
    if min(row["recent_runs"], row["before_runs"]) < FEWEST or row["before_p95_high"] is None:
        row["verdict"] = "few runs"
    elif row["recent_p95_low"] > row["before_p95_high"]:
        row["verdict"] = "slower"
    elif row["recent_p95_high"] is not None and row["recent_p95_high"] < row["before_p95_low"]:
        row["verdict"] = "faster"
    return row


def all_slower(runs: pd.DataFrame, *dimensions: str, last: datetime = LAST) -> list[Row]:
    recent, before = sides(runs[runs["run"].notna()], last)
    rows = [slower("all", "all", recent["run"], before["run"])]
    for dimension in dimensions:
        for key, _ in groups(pd.concat([recent, before]), dimension):
            name = key[dimension]
            if dimension == "workflow" and name is None:
                continue
            now, then = (of_group(side, dimension, name)["run"] for side in (recent, before))
            rows.append(slower(dimension, name, now, then))

    def place(row: Row) -> tuple[Any, ...]:
        verdict = ("slower", "faster", "same", "few runs").index(row["verdict"])
        now, then = row["recent_p95"], row["before_p95"]
        ratio = (0, -now / then) if now and then else (1, 0.0)
        return (verdict, *ratio, row["dimension"], row["group"] is None, row["group"] or "")

    return sorted(rows, key=place)


def test_every_number_of_every_day_and_group(trends: Ask, runs: pd.DataFrame) -> None:
    tables = trends("trends")
    assert list(tables) == ["days", "failing", "slower"]
    same(tables["days"], days(runs))
    same(tables["failing"], all_failing(runs, "run_type", "engine", "workflow", "reason"))
    same(tables["slower"], all_slower(runs, "run_type", "engine", "workflow"))


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
    same(tables["failing"], all_failing(runs, by))
    same(tables["slower"], all_slower(runs, *([by] if by == "engine" else [])))
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
