"""How runs ended: over time, and by status."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from archiver.query.page import charts, wording
from archiver.query.page.content import ColumnKind, Figure, PageColumn, Section, table
from archiver.query.page.facts import Facts, by_first_day
from archiver.query.page.timeline import Period
from archiver.query.reports.options import By

_STATUSES = {
    "completed": "completed",
    "failed": "failed",
    "terminated": "terminated",
    "timed_out": "timed out",
    "canceled": "canceled",
    "unfinished": "not finished",
}
_COUNTS = ("runs", *_STATUSES)
PERIOD = {By.DAY: "day", By.WEEK: "week", By.MONTH: "month"}
HEADING = {By.DAY: "Day", By.WEEK: "Week from", By.MONTH: "Month"}
_FEWEST_PERIODS = 7
"""A time axis has room for as many: a single bar as wide as the page says nothing."""


def outcomes(facts: Facts, timeline: Sequence[Period]) -> Section:
    """Return the part of the page that says how runs ended."""
    rows = by_first_day(facts.periods, facts.by, _COUNTS)
    return Section(
        "outcomes",
        "How runs ended",
        figures=[
            _runs_over_time(facts, timeline, rows),
            _failure_rate(facts, timeline, rows),
            _by_status(facts),
        ],
    )


def period_column(by: By) -> PageColumn:
    """Return the column that names the period, by its first day."""
    kind = ColumnKind.MONTH if by is By.MONTH else ColumnKind.DAY
    return PageColumn(by.value, HEADING[by], kind, missing="no date")


def period_text(by: By, first_day: date) -> str:
    """Return the period that begins on that day, as people name it."""
    return wording.month(first_day) if by is By.MONTH else wording.day(first_day)


def span_of(timeline: Sequence[Period]) -> charts.Span:
    """Return where the time axis begins and ends, in milliseconds since 1970, UTC.

    Bars and points stand over their period's first day.
    """
    first, last = timeline[0], timeline[-1]
    length = first.ends - first.begins
    beside = (1 + max(0, _FEWEST_PERIODS - len(timeline))) * length // 2
    return first.begins - beside, last.begins + beside


def left_out(facts: Facts, timeline: Sequence[Period]) -> list[str]:
    """Return what a chart over time does not show, in sentences."""
    drawn = {period.first_day for period in timeline}
    undated = others = 0
    for row in facts.periods.select([facts.by.value, "runs"]).to_pylist():
        if row[facts.by.value] is None:
            undated += row["runs"]
        elif row[facts.by.value] not in drawn:
            others += row["runs"]
    notes = []
    if undated:
        notes.append(
            f"{wording.counted(undated, 'run')} without a date of creation cannot be drawn."
        )
    if others:
        begin, end = (period_text(facts.by, timeline[place].first_day) for place in (0, -1))
        notes.append(
            f"{wording.counted(others, 'run')} created outside {begin} to {end} "
            "stand in the table only."
        )
    return notes


def _runs_over_time(
    facts: Facts, timeline: Sequence[Period], rows: Mapping[date, Mapping[str, Any]]
) -> Figure:
    per = PERIOD[facts.by]
    title = f"Runs per {per}, by how they ended"
    shown = [name for name in _STATUSES if getattr(facts.total, name)]
    columns = [
        period_column(facts.by),
        PageColumn("runs", "Runs", ColumnKind.COUNT),
        *(
            PageColumn(name, label.capitalize(), ColumnKind.COUNT)
            for name, label in _STATUSES.items()
        ),
    ]
    message = _busiest(facts, timeline, rows)
    chart = None
    if timeline:
        chart = charts.StackedOverTime(
            list(_parts(facts.by, timeline, rows, shown)),
            span_of(timeline),
            max(len(timeline), _FEWEST_PERIODS),
            {_STATUSES[name]: f"var(--{name.replace('_', '-')})" for name in shown},
            HEADING[facts.by],
        )
    return Figure(
        "runs-over-time",
        title,
        message,
        table("runs-over-time", title, columns, facts.periods.to_pylist()),
        chart,
        f"Stacked bars, one for each {per}. {message}",
        left_out(facts, timeline),
    )


def _parts(
    by: By,
    timeline: Sequence[Period],
    rows: Mapping[date, Mapping[str, Any]],
    shown: Sequence[str],
) -> list[dict[str, Any]]:
    """The parts of the bars, from the bottom."""
    parts: list[dict[str, Any]] = []
    for period in timeline:
        row = rows.get(period.first_day, dict.fromkeys(shown, 0))
        parts += [
            {
                "at": period.begins,
                "name": _STATUSES[name],
                "place": place,
                "runs": row[name],
                "all": row["runs"],
                "period": period_text(by, period.first_day),
            }
            for place, name in enumerate(shown)
            if row[name]
        ]
    return parts


def _busiest(
    facts: Facts, timeline: Sequence[Period], rows: Mapping[date, Mapping[str, Any]]
) -> str:
    if not timeline:
        return "There are no runs with a date of creation."
    held = [period.first_day for period in timeline if period.first_day in rows]
    busiest = max(held, key=lambda day: (rows[day]["runs"], day))
    per, most = PERIOD[facts.by], wording.counted(rows[busiest]["runs"], "run")
    text = period_text(facts.by, busiest)
    when = f"{'in ' if facts.by is By.MONTH else 'on '}{text}"
    if facts.by is By.WEEK:
        when = f"in the week from {text}"
    mean = sum(rows[first_day]["runs"] for first_day in held) / len(timeline)
    if len(timeline) == 1:
        return f"All of it is of one {per}: {most} {when}."
    return f"About {mean:,.0f} a {per}; the most were {most} {when}."


def _failure_rate(
    facts: Facts, timeline: Sequence[Period], rows: Mapping[date, Mapping[str, Any]]
) -> Figure:
    per = PERIOD[facts.by]
    title = "Failure rate over time"
    total = facts.total
    listed = [
        _rate(row) | {facts.by.value: row[facts.by.value]} for row in facts.periods.to_pylist()
    ]
    columns = [
        period_column(facts.by),
        PageColumn("final", "Finished runs", ColumnKind.COUNT),
        PageColumn("failures", "Not completed", ColumnKind.COUNT),
        PageColumn("rate", "Failure rate", ColumnKind.SHARE),
    ]
    name = f"failure rate per {per}"
    values = []
    for period in timeline:
        rate = _rate(rows.get(period.first_day, {}))
        values.append(
            {
                "at": period.begins,
                "name": name,
                "value": rate["rate"],
                "text": "" if rate["rate"] is None else wording.percent(rate["rate"]),
                "runs": rate["final"],
                "period": period_text(facts.by, period.first_day),
            }
        )
    if total.failure_rate is None:
        message = "No run has finished yet."
    else:
        message = (
            f"{wording.percent(total.failure_rate)} over the whole time: "
            f"{wording.count(total.failures)} of {wording.counted(total.final, 'finished run')} "
            "did not complete."
        )
    chart = None
    if any(value["value"] is not None for value in values):
        chart = charts.LinesOverTime(
            values,
            span_of(timeline),
            {name: "var(--failed)"},
            HEADING[facts.by],
            "did not complete",
            "%",
        )
    return Figure(
        "failure-rate",
        title,
        message,
        table("failure-rate", title, columns, listed),
        chart,
        f"A line with a point for each {per}. {message}",
        left_out(facts, timeline) if chart else (),
    )


def _rate(row: Mapping[str, Any]) -> dict[str, Any]:
    final = row.get("runs", 0) - row.get("unfinished", 0)
    failures = final - row.get("completed", 0)
    return {"final": final, "failures": failures, "rate": failures / final if final else None}


def _by_status(facts: Facts) -> Figure:
    runs = facts.total.runs
    rows = [row | {"share": row["runs"] / runs} for row in facts.statuses.to_pylist()]
    columns = [
        PageColumn("status", "Status"),
        PageColumn("runs", "Runs", ColumnKind.COUNT),
        PageColumn("share", "Share", ColumnKind.SHARE),
        PageColumn("complete", "Wholly archived", ColumnKind.COUNT),
        PageColumn("incomplete", "With gaps", ColumnKind.COUNT),
        PageColumn("unsettled", "Still changing", ColumnKind.COUNT),
    ]
    return Figure(
        "by-status",
        "Every status",
        "Each status as the service names it, and whether the archive holds everything of it.",
        table("by-status", "Runs by status", columns, rows),
        is_open=True,
    )
