"""What the reports' queries are made of: the chosen runs, and what they are grouped by."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.tables.reasons import with_reason
from archiver.tables.views import IS_ERROR_PAGE

UTC = "make_timestamp(epoch_us({column}))"
"""A time as one without zone, in UTC: to cut days with it is several times faster."""
IS_FAILURE = "is_final AND status <> 'completed'"
IS_GAP = f"(state IN ('failed', 'mismatch') OR {IS_ERROR_PAGE})"
"""Whether an artifact is missing: a page that version 0.1.0 kept in its place is none."""
LATEST = """coalesce(
    arg_max(run_id, (created_at, run_id), 3) FILTER ({which} AND created_at IS NOT NULL),
    min(run_id, 3) FILTER ({which})
)"""
"""Of the runs that ``which`` says, those created last: always the same ones, three at most."""
_GROUPS = {
    By.DAY: f"CAST({UTC.format(column='created_at')} AS DATE)",
    By.WEEK: f"CAST(date_trunc('week', {UTC.format(column='created_at')}) AS DATE)",
    By.MONTH: f"CAST(date_trunc('month', {UTC.format(column='created_at')}) AS DATE)",
    By.RUN_TYPE: "run_type",
    By.ENGINE: "request_engine",
    By.WORKFLOW: "workflow_id",
    By.STATUS: "status",
    By.REASON: "reason",
}
_CHOICES = (
    ("run_type", "run_types", "run_type"),
    ("status", "statuses", "status"),
    ("workflow", "workflows", "workflow_id"),
)


def group(by: By, name: str | None = None) -> str:
    """A group's value and its name, as in a SELECT list."""
    return f"{_GROUPS[by]} AS {name or by}"


def order(by: By) -> str:
    """Newest first; where rows have no time, the largest group first."""
    return f"{by} DESC NULLS LAST" if by.is_time else f"runs DESC, {by}"


def chosen(filters: Filters, by: By | None = None, of: str = "runs") -> str:
    """A query for the runs that are meant, with ``reason`` where they are grouped by it.

    ``of`` is the view that they are taken from.
    """
    runs = f"(FROM {of}{_where(filters)})"
    return f"({with_reason(runs)})" if by is By.REASON else runs


def values(filters: Filters) -> Mapping[str, str | datetime]:
    """The values of the parameters that :func:`chosen` has."""
    bound: dict[str, str | datetime] = {}
    if filters.since:
        bound["since"] = filters.since
    if filters.until:
        bound["until"] = filters.until
    for name, of, _ in _CHOICES:
        bound.update({f"{name}_{n}": value for n, value in enumerate(getattr(filters, of))})
    return bound


def _where(filters: Filters) -> str:
    conditions = []
    if filters.since:
        conditions.append("created_at >= $since::TIMESTAMPTZ")
    if filters.until:
        conditions.append("created_at < $until::TIMESTAMPTZ")
    for name, of, column in _CHOICES:
        if allowed := _any_of(name, getattr(filters, of)):
            conditions.append(f"{column} IN ({allowed})")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _any_of(name: str, allowed: Sequence[str]) -> str:
    return ", ".join(f"${name}_{number}" for number in range(len(allowed)))


class Asking:
    """Asks a connection that has the archive's views. Each method raises duckdb.Error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, filters: Filters) -> None:
        self._connection = connection
        self._values = values(filters)

    def rows(self, query: str, **more: datetime) -> pa.Table:
        """The result of a query; ``more`` are values of parameters besides the filters'."""
        return self._connection.sql(query, params=self._used(query, more)).to_arrow_table()

    def keep(self, name: str, query: str, **more: datetime) -> None:
        """Keep a query's result as a table, for the questions that follow."""
        statement = f"CREATE OR REPLACE TEMP TABLE {name} AS {query}"
        self._connection.execute(statement, self._used(query, more))

    def _used(self, query: str, more: Mapping[str, datetime]) -> dict[str, str | datetime]:
        # DuckDB refuses values that a query has no parameter for.
        bound = {**self._values, **more}
        return {name: bound[name] for name in bound if f"${name}" in query}
