"""The reports' SQL over the archive's Parquet files, and over tables of DuckDB's own, in turn.

Prints seconds as JSON: by report, for each round, what Parquet took and what the tables took.
Arguments: an archive, a file for the database, the number of rounds.
"""

import json
import sys
import time
from pathlib import Path

import duckdb

from archiver.model.schema import ALL_REVISIONS, DOCUMENTS, TABLES
from archiver.query.reports.options import REPORTS, SESSIONS, AskedReport, ReportKind
from archiver.query.reports.run import report_tables
from archiver.store.storage import LocalStorage
from archiver.tables.views import open_tables, view_queries


def main() -> None:
    archive, database, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    _load(LocalStorage(archive), database)
    # Opened anew, so that both are read from their files.
    with duckdb.connect(database, read_only=True) as native:
        native.execute("SET TimeZone = 'UTC'")

        def compare(parquet: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[float, float]]]:
            with parquet:
                return {
                    report.name: [
                        (_seconds(parquet, report), _seconds(native, report)) for _ in range(rounds)
                    ]
                    for report in REPORTS.values()
                    if report is not SESSIONS  # of which no table tells
                }

        json.dump(open_tables(LocalStorage(archive), compare), sys.stdout)


def _load(storage: LocalStorage, database: Path) -> None:
    """Copy the tables, those without a file too: they are empty."""

    def attach(parquet: duckdb.DuckDBPyConnection) -> None:
        parquet.execute(f"ATTACH '{database}' AS native")

    def copy(parquet: duckdb.DuckDBPyConnection) -> None:
        with parquet:
            for name in (ALL_REVISIONS[table] for table in TABLES if table is not DOCUMENTS):
                parquet.execute(f"CREATE TABLE native.{name} AS FROM {name}")

    open_tables(storage, copy, derived=False, setup=attach)
    with duckdb.connect(database) as native:
        for name, view in view_queries().items():
            if name != DOCUMENTS.name:  # no report reads them
                native.execute(f"CREATE VIEW {name} AS {view.query}")


def _seconds(connection: duckdb.DuckDBPyConnection, report: ReportKind) -> float:
    started = time.perf_counter()
    report_tables(connection, AskedReport(report))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
