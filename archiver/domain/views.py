"""The views that queries and reports start from: what a row is, and what each column means.

The tables' own views have the tables' columns: ``runs``, ``documents``, ``artifacts`` and
``errors`` show each run's latest revision, ``run_revisions`` and so on all of them.
``schemas/views/`` holds the derived ones as files, held equal by a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.model.schema import (
    ARTIFACTS,
    CHECKS,
    DOCUMENTS,
    ERRORS,
    FETCHES,
    RUNS,
    TABLES,
    Column,
    ColumnType,
    Table,
)


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name, what a row of it is, its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]


ALL_REVISIONS = {
    RUNS: "run_revisions",
    DOCUMENTS: "document_revisions",
    ARTIFACTS: "artifact_revisions",
    ERRORS: "error_revisions",
    FETCHES: "fetches",
    CHECKS: "checks",
}
"""The view that has all rows of each table."""

_T = ColumnType
_RUN_COLUMNS = {column.name: column for column in RUNS.columns}


def _of_runs(*names: str) -> tuple[Column, ...]:
    return tuple(_RUN_COLUMNS[name] for name in names)


_WHY_NULL = "Why {} is null: missing (a time is not there) or backwards (the clock ran so)"

FAILURES = View(
    "failures",
    "one run whose latest revision is final and not completed",
    (
        *_of_runs("run_id", "revision", "run_type", "status"),
        Column(
            "reason",
            _T.TEXT,
            "failure_reason with URLs, quoted texts, addresses, times, ids and numbers replaced by "
            "<url>, <text>, <email>, <time>, <id> and <number>, so that equal causes are equal; "
            "null where it says nothing",
        ),
        *_of_runs(
            "failure_reason",
            "error_codes",
            "created_at",
            "finished_at",
            "run_seconds",
            "workflow_id",
            "request_engine",
            "request_url",
        ),
    ),
)
DURATIONS = View(
    "durations",
    "one run whose latest revision is final",
    (
        *_of_runs("run_id", "revision", "run_type", "status", "created_at", "queued_at"),
        *_of_runs("started_at", "finished_at", "queue_seconds", "run_seconds", "total_seconds"),
        Column("queue_gap", _T.TEXT, _WHY_NULL.format("queue_seconds")),
        Column("run_gap", _T.TEXT, _WHY_NULL.format("run_seconds")),
        Column("total_gap", _T.TEXT, _WHY_NULL.format("total_seconds")),
        *_of_runs("workflow_id", "request_engine"),
    ),
)
DAILY = View(
    "daily",
    "the runs of one type that were created on one UTC day",
    (
        Column("day", _T.DATE, "The UTC day of created_at"),
        *_of_runs("run_type"),
        Column("runs", _T.INTEGER, "Runs, by their latest revision", nullable=False),
        Column("completed", _T.INTEGER, "Runs that completed", nullable=False),
        Column("failed", _T.INTEGER, "Runs that failed", nullable=False),
        Column("terminated", _T.INTEGER, "Runs that were terminated", nullable=False),
        Column("timed_out", _T.INTEGER, "Runs that timed out", nullable=False),
        Column("canceled", _T.INTEGER, "Runs that were canceled", nullable=False),
        Column("unfinished", _T.INTEGER, "Runs that are not final", nullable=False),
        Column("failure_rate", _T.DOUBLE, "Share of the final runs that did not complete"),
        Column("p50_run_seconds", _T.DOUBLE, "Median of run_seconds of the final runs", "seconds"),
        Column("p95_run_seconds", _T.DOUBLE, "95th percentile of the same", "seconds"),
        Column("p99_run_seconds", _T.DOUBLE, "99th percentile of the same", "seconds"),
    ),
)
DERIVED = (FAILURES, DURATIONS, DAILY)


def _of_tables() -> Sequence[View]:
    latest = [View(t.name, _latest(t), t.columns) for t in TABLES if not t.is_log]
    return [*latest, *(View(ALL_REVISIONS[t], t.row, t.columns) for t in TABLES)]


def _latest(table: Table) -> str:
    return "the latest revision of a run" if "one revision" in table.row else f"{table.row}, latest"


VIEWS = (*_of_tables(), *DERIVED)
"""All views that a query finds."""
