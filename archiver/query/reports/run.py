"""Report: ready-made analyses of the archive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from archiver.ledger.records import ledger_records
from archiver.model.ledger import LedgerRecord
from archiver.query.reports import artifacts, durations, failures, flaky, overview, trends
from archiver.query.reports import options as reports
from archiver.query.reports.options import SESSIONS, AskedReport, By, Filters, ReportKind
from archiver.query.reports.parts import Asking, chosen
from archiver.query.reports.sessions import session_rows
from archiver.store.storage import LocalStorage
from archiver.tables.choose import unknown_statuses, what_there_is
from archiver.tables.views import read_tables

_TABLES: dict[ReportKind, Callable[[Asking, Filters, By | None], dict[str, pa.Table]]] = {
    reports.OVERVIEW: overview.tables,
    reports.DURATIONS: durations.tables,
    reports.FAILURES: failures.tables,
    reports.TRENDS: trends.tables,
    reports.FLAKY: flaky.tables,
    reports.ARTIFACTS: artifacts.tables,
}


@dataclass(frozen=True, slots=True)
class ReportTable:
    """One table of a report."""

    name: str
    title: str
    rows: pa.Table


def report_tables(connection: duckdb.DuckDBPyConnection, asked: AskedReport) -> list[ReportTable]:
    """The tables of a report that is asked of the archive's tables: any but ``sessions``.

    ``connection`` has the archive's views. Raises duckdb.Error.
    """
    asking = Asking(connection, asked.filters)
    rows = _TABLES[asked.report](asking, asked.filters, asked.by)
    return [ReportTable(name, title, rows[name]) for name, title in asked.report.tables]


def session_tables(
    ledger: Sequence[LedgerRecord], filters: Filters, by: By | None
) -> list[ReportTable]:
    """The tables of the report on sessions, of which only the ledger tells."""
    ((name, title),) = reports.SESSIONS.tables
    return [ReportTable(name, title, session_rows(ledger, filters, by))]


def without_runs(storage: LocalStorage, asked: AskedReport, now: datetime) -> str | None:
    """Return what is to be said where no run fits a report's filters, and what there is instead.

    A status that Skyvern does not know and no run has is named, too, and a beginning in the future;
    ``now`` is in UTC. Raises ArchiveDamaged as :func:`run_report`.
    """
    filters = asked.filters
    if filters == Filters() or asked.report is SESSIONS:
        return None

    def work(connection: duckdb.DuckDBPyConnection) -> str | None:
        notes = []
        if unknown := unknown_statuses(connection, filters.statuses):
            notes.append(f"no run has the status {', '.join(unknown)}")
        if filters.since and filters.since > now:
            notes.append(f"--since {filters.since:%Y-%m-%d %H:%M} UTC lies in the future")
        fitting = f"SELECT 1 FROM {chosen(filters)} LIMIT 1"
        if not notes and not Asking(connection, filters).rows(fitting).num_rows:
            notes.append("no run fits what was asked for")
        return ". ".join([*notes, what_there_is(connection)]) if notes else None

    return read_tables(storage, work, derived=("runs",))


def run_report(storage: LocalStorage, asked: AskedReport, damaged: list[str]) -> list[ReportTable]:
    """The tables of one report.

    Ledger records that cannot be read are left out and named in ``damaged``. Raises ArchiveDamaged
    where the tables cannot be read.
    """
    if asked.report is SESSIONS:
        records = [written.record for written in ledger_records(storage, damaged)]
        return session_tables(records, asked.filters, asked.by)
    return read_tables(storage, lambda connection: report_tables(connection, asked), derived=True)
