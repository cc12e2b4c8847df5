"""Report: ready-made analyses of the archive."""

from archiver.adapters.reports.__init__ import ReportTable, report_tables, session_tables
from archiver.ledger.records import ledger_records
from archiver.query.reports.options import SESSIONS, AskedReport
from archiver.store.storage import LocalStorage
from archiver.tables.views import ask, damage_found


def run_report(storage: LocalStorage, asked: AskedReport, damaged: list[str]) -> list[ReportTable]:
    """The tables of one report.

    Ledger records that cannot be read are left out and named in ``damaged``. Raises ArchiveDamaged
    where the tables cannot be read.
    """
    if asked.report is SESSIONS:
        records = [written.record for written in ledger_records(storage, damaged)]
        return session_tables(records, asked.filters, asked.by)
    with damage_found():
        return ask(storage, lambda connection: report_tables(connection, asked))
