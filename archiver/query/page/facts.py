"""What the page tells, asked of the archive: the reports' tables, and a few that charts need."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from archiver.query.page.timeline import before, period_length, utc_day
from archiver.query.reports import options as reports
from archiver.query.reports.options import AskedReport, By, Filters, ReportKind
from archiver.query.reports.parts import Asking, chosen
from archiver.query.reports.run import report_tables
from archiver.query.reports.trends import compared_until

REASONS_WITH_EXAMPLES = 10
_EXAMPLES_EACH = 2

DURATION_BOUNDS = (1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400)
"""Seconds at which one group of run times ends and the next begins."""

_DISTRIBUTION = """
SELECT place, count(*) AS runs, count(*) FILTER (status = 'completed') AS completed,
    count(*) FILTER (status <> 'completed') AS not_completed
FROM (SELECT status, {place} AS place FROM {runs} WHERE is_final AND run_seconds IS NOT NULL)
GROUP BY place ORDER BY place"""

_EXAMPLES = """
WITH asked AS (SELECT unnest($reasons) AS number, unnest($ids) AS run_id),
shots AS (
    SELECT run_id, ordinal, state, path, size, sha256, media_type, reason
    FROM artifacts WHERE kind = 'screenshot' AND ordinal = 1 AND run_id IN $ids
)
SELECT number, run_id, status, run_type, created_at, failure_reason, runs.path AS folder,
    shots.state, shots.path, shots.size, shots.sha256, shots.media_type, shots.reason
FROM asked JOIN (FROM runs WHERE run_id IN $ids) AS runs USING (run_id)
LEFT JOIN shots USING (run_id)
QUALIFY row_number() OVER (
    PARTITION BY number ORDER BY shots.path IS NULL, created_at DESC NULLS LAST, run_id
) <= $each
ORDER BY number, created_at DESC NULLS LAST, run_id"""


@dataclass(frozen=True, slots=True)
class Total:
    """All chosen runs together. Lengths of time are in seconds, None where none is known."""

    runs: int
    completed: int
    failed: int
    terminated: int
    timed_out: int
    canceled: int
    unfinished: int
    failure_rate: float | None
    complete: int
    incomplete: int
    unsettled: int
    artifacts: int
    gaps: int
    bytes: int
    first_created_at: datetime | None
    last_created_at: datetime | None
    p50_seconds: float | None
    p95_seconds: float | None

    @property
    def final(self) -> int:
        return self.runs - self.unfinished

    @property
    def failures(self) -> int:
        return self.final - self.completed


@dataclass(frozen=True, slots=True)
class Screenshot:
    """What the archive says of a run's last screenshot; ``path`` is None where it is not held."""

    state: str
    path: str | None
    size: int | None
    sha256: str | None
    media_type: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """A run that failed. ``number`` is its reason's, in the order of the table of reasons."""

    number: int
    run_id: str
    status: str
    run_type: str | None
    created_at: datetime | None
    failure_reason: str | None
    folder: str
    screenshot: Screenshot | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the page tells of an archive's runs."""

    total: Total
    before: Total | None
    by: By
    periods: pa.Table
    statuses: pa.Table
    period_durations: pa.Table
    type_durations: pa.Table
    distribution: pa.Table
    reasons: pa.Table
    compared_until: datetime
    failing: pa.Table
    slower: pa.Table
    flaky: pa.Table
    artifacts: pa.Table
    examples: tuple[Example, ...]


def collect_facts(connection: duckdb.DuckDBPyConnection, filters: Filters, now: datetime) -> Facts:
    """All facts of the runs that ``filters`` mean. Raises duckdb.Error."""

    def tables(report: ReportKind, of: Filters, by: By | None = None) -> dict[str, pa.Table]:
        asked = AskedReport(report, of, by)
        return {table.name: table.rows for table in report_tables(connection, asked)}

    statuses = tables(reports.OVERVIEW, filters, By.STATUS)
    type_durations = tables(reports.DURATIONS, filters, By.RUN_TYPE)
    total = _total(statuses["total"], type_durations["total"])
    by = _period_length(total)
    reasons = tables(reports.FAILURES, filters, By.REASON)["failures"]
    # What is recent is compared with the 28 days before it, however late the chosen time begins.
    lately = replace(filters, since=None)
    trends = tables(reports.TRENDS, lately)
    earlier = before(filters, now)
    return Facts(
        total=total,
        before=_total(
            tables(reports.OVERVIEW, earlier, By.STATUS)["total"],
            tables(reports.DURATIONS, earlier, By.RUN_TYPE)["total"],
        )
        if earlier
        else None,
        by=by,
        periods=tables(reports.OVERVIEW, filters, by)["overview"],
        statuses=statuses["overview"],
        period_durations=tables(reports.DURATIONS, filters, by)["durations"],
        type_durations=type_durations["durations"],
        distribution=_distribution(connection, filters),
        reasons=reasons,
        compared_until=compared_until(Asking(connection, lately), lately),
        failing=trends["failing"],
        slower=trends["slower"],
        flaky=tables(reports.FLAKY, filters)["flaky"],
        artifacts=tables(reports.ARTIFACTS, filters)["artifacts"],
        examples=_examples(connection, reasons),
    )


def _total(counts: pa.Table, lengths: pa.Table) -> Total:
    (known,) = counts.to_pylist()
    for row in lengths.to_pylist():
        if row["span"] == "run":
            known |= {name: row[name] for name in ("p50_seconds", "p95_seconds")}
    return Total(**{field.name: known.get(field.name) for field in fields(Total)})


def _period_length(total: Total) -> By:
    if total.first_created_at is None or total.last_created_at is None:
        return By.DAY
    return period_length(utc_day(total.first_created_at), utc_day(total.last_created_at))


def _distribution(connection: duckdb.DuckDBPyConnection, filters: Filters) -> pa.Table:
    place = " + ".join(f"(run_seconds >= {bound})::INTEGER" for bound in DURATION_BOUNDS)
    return Asking(connection, filters).rows(_DISTRIBUTION.format(place=place, runs=chosen(filters)))


def _examples(connection: duckdb.DuckDBPyConnection, reasons: pa.Table) -> tuple[Example, ...]:
    """The latest of each reason's examples, first those whose last screenshot is held."""
    lists = reasons["example_run_ids"].slice(0, REASONS_WITH_EXAMPLES).to_pylist()
    asked = [(number, run_id) for number, ids in enumerate(lists) for run_id in ids]
    if not asked:
        return ()
    params = {
        "reasons": [number for number, _ in asked],
        "ids": [run_id for _, run_id in asked],
        "each": _EXAMPLES_EACH,
    }
    rows = connection.sql(_EXAMPLES, params=params).to_arrow_table().to_pylist()
    return tuple(map(_example, rows))


def _example(row: dict[str, Any]) -> Example:
    shot = None
    if row["state"] is not None:
        shot = Screenshot(*(row[field.name] for field in fields(Screenshot)))
    of_run = {field.name: row[field.name] for field in fields(Example) if field.name in row}
    return Example(**of_run, screenshot=shot)


def by_first_day(rows: pa.Table, by: By, columns: Sequence[str]) -> dict[date, dict[str, Any]]:
    """Rows of a table that has a row for each period, by the period's first day."""
    return {
        row[by.value]: row
        for row in rows.select([by.value, *columns]).to_pylist()
        if row[by.value] is not None
    }
