"""What ``report trends`` must say of groups, by formulas written down anew."""

from datetime import datetime, timedelta
from math import ceil, floor, sqrt
from statistics import NormalDist
from typing import Any

import pandas as pd

from tests.query.reports.truth import Row, groups, quantile, share

Z = NormalDist().inv_cdf(0.995)
FEWEST = 10


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


def all_failing(runs: pd.DataFrame, *dimensions: str, last: datetime) -> list[Row]:
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


def all_slower(runs: pd.DataFrame, *dimensions: str, last: datetime) -> list[Row]:
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
