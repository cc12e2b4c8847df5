"""How long runs take: over time, how run times are spread, and by type of run."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from archiver.query.page import charts, wording
from archiver.query.page.content import ColumnKind, Figure, PageColumn, Section, table
from archiver.query.page.facts import DURATION_BOUNDS, Facts
from archiver.query.page.outcomes import (
    HEADING,
    PERIOD,
    left_out,
    period_column,
    period_text,
    span_of,
)
from archiver.query.page.timeline import Period
from archiver.query.reports.options import By

_LINES = {"p50_seconds": "median (p50)", "p95_seconds": "slow runs (p95)"}
_LINE_COLORS = dict(zip(_LINES.values(), ("var(--completed)", "var(--terminated)"), strict=True))
_OUTCOMES = {"completed": "completed", "not_completed": "did not complete"}
_OUTCOME_COLORS = dict(zip(_OUTCOMES.values(), ("var(--completed)", "var(--failed)"), strict=True))
_UNITS = ((172_800, 86_400, "days"), (7_200, 3_600, "hours"), (120, 60, "minutes"))


def durations(facts: Facts, timeline: Sequence[Period]) -> Section:
    """Return the part of the page that says how long runs take."""
    return Section(
        "durations",
        "How long runs take",
        figures=[_over_time(facts, timeline), _distribution(facts), _by_type(facts)],
    )


def _over_time(facts: Facts, timeline: Sequence[Period]) -> Figure:
    per = PERIOD[facts.by]
    title = "Run time over time"
    of_runs = [row for row in facts.period_durations.to_pylist() if row["span"] == "run"]
    columns = [
        period_column(facts.by),
        PageColumn("runs", "Finished runs", ColumnKind.COUNT),
        PageColumn("known", "Run time known", ColumnKind.COUNT),
        PageColumn("p50_seconds", "Median (p50)", ColumnKind.SECONDS),
        PageColumn("p95_seconds", "p95", ColumnKind.SECONDS),
        PageColumn("max_seconds", "Longest", ColumnKind.SECONDS),
    ]
    rows = {row[facts.by.value]: row for row in of_runs}
    drawn = [row for p in timeline if (row := rows.get(p.first_day)) and row["known"]]
    message = _typical(facts)
    chart = None
    if drawn:
        unit, name = _unit(max(row["p95_seconds"] for row in drawn))
        chart = charts.LinesOverTime(
            _points(facts.by, timeline, rows, unit),
            span_of(timeline),
            _LINE_COLORS,
            HEADING[facts.by],
            name,
            "~s",
        )
    return Figure(
        "run-time",
        title,
        message,
        table("run-time", f"Run time per {per}", columns, of_runs),
        chart,
        f"Two lines with a point for each {per}: the median, and the 95th percentile. {message}",
        left_out(facts, timeline) if chart else (),
    )


def _points(
    by: By, timeline: Sequence[Period], rows: Mapping[date, Mapping[str, Any]], unit: int
) -> list[dict[str, Any]]:
    points = []
    for period in timeline:
        row = rows.get(period.first_day, {})
        for name, label in _LINES.items():
            length = row.get(name)
            points.append(
                {
                    "at": period.begins,
                    "name": label,
                    "value": None if length is None else length / unit,
                    "text": "" if length is None else wording.seconds(length),
                    "runs": row.get("known", 0),
                    "period": period_text(by, period.first_day),
                }
            )
    return points


def _unit(largest: float) -> tuple[int, str]:
    """The unit in which the axis counts: its seconds and name."""
    for least, unit, name in _UNITS:
        if largest >= least:
            return unit, name
    return 1, "seconds"


def _typical(facts: Facts) -> str:
    p50, p95 = facts.total.p50_seconds, facts.total.p95_seconds
    if p50 is None or p95 is None:
        return "No finished run says when it began and when it ended."
    return (
        f"Half of all runs take up to {wording.seconds(p50)}, "
        f"95 of 100 up to {wording.seconds(p95)}."
    )


def _distribution(facts: Facts) -> Figure:
    title = "How run times are spread"
    counts = {row["place"]: row for row in facts.distribution.to_pylist()}
    places = range(min(counts, default=0), max(counts, default=-1) + 1)
    empty = dict.fromkeys(("runs", *_OUTCOMES), 0)
    rows = [counts.get(index, empty) | {"group": _group(index)} for index in places]
    columns = [
        PageColumn("group", "Run time"),
        PageColumn("runs", "Runs", ColumnKind.COUNT),
        PageColumn("completed", "Completed", ColumnKind.COUNT),
        PageColumn("not_completed", "Did not complete", ColumnKind.COUNT),
    ]
    message = "No run time is known."
    chart = None
    if rows:
        known = sum(row["runs"] for row in rows)
        most = max(rows, key=lambda row: row["runs"])
        share = wording.percent(most["runs"] / known)
        message = f"The largest group is {most['group']}, with {share} of the runs."
        values = [
            {
                "group": row["group"],
                "name": label,
                "place": index,
                "runs": row[name],
                "all": row["runs"],
            }
            for row in rows
            for index, (name, label) in enumerate(_OUTCOMES.items())
            if row[name]
        ]
        groups = [row["group"] for row in rows]
        chart = charts.StackedGroups(values, groups, _OUTCOME_COLORS, "run time")
    return Figure(
        "distribution",
        title,
        message,
        table("distribution", "Finished runs by run time", columns, rows),
        chart,
        f"Bars for groups of run times, from short to long. {message}",
        _gaps(facts),
    )


def _group(index: int) -> str:
    if index == 0:
        return f"<{_bound(DURATION_BOUNDS[0])}"
    if index == len(DURATION_BOUNDS):
        return f"≥{_bound(DURATION_BOUNDS[-1])}"
    return f"{_bound(DURATION_BOUNDS[index - 1])}–{_bound(DURATION_BOUNDS[index])}"


def _bound(seconds: int) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def _gaps(facts: Facts) -> list[str]:
    """Which finished runs have no run time, in sentences."""
    missing = backwards = 0
    for row in facts.type_durations.to_pylist():
        if row["span"] == "run":
            missing += row["missing"]
            backwards += row["backwards"]
    notes = []
    if missing:
        lacks = wording.counted(missing, "finished run lacks", "finished runs lack")
        notes.append(f"{lacks} the time of the start or of the end, and cannot be counted here.")
    if backwards:
        ends = wording.counted(backwards, "finished run ends", "finished runs end")
        notes.append(f"{ends} before the start by the service's clock, and cannot be counted here.")
    return notes


def _by_type(facts: Facts) -> Figure:
    by_type: dict[str | None, dict[str, Any]] = {}
    for row in facts.type_durations.to_pylist():
        of_type = by_type.setdefault(row["run_type"], {"run_type": row["run_type"]})
        of_type["runs"] = row["runs"]
        of_type |= {f"{row['span']}_{name}": row[name] for name in ("p50_seconds", "p95_seconds")}
    columns = [
        PageColumn("run_type", "Type", missing="no type"),
        PageColumn("runs", "Finished runs", ColumnKind.COUNT),
        PageColumn("queue_p50_seconds", "Waiting: median", ColumnKind.SECONDS),
        PageColumn("queue_p95_seconds", "Waiting: p95", ColumnKind.SECONDS),
        PageColumn("run_p50_seconds", "Running: median", ColumnKind.SECONDS),
        PageColumn("run_p95_seconds", "Running: p95", ColumnKind.SECONDS),
        PageColumn("total_p95_seconds", "Both: p95", ColumnKind.SECONDS),
    ]
    return Figure(
        "by-type",
        "By type of run",
        "How long runs wait for their start, and how long they take then.",
        table("by-type", "Waiting and running by type of run", columns, [*by_type.values()]),
        is_open=True,
    )
