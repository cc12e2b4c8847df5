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
from archiver.tables.views import ask, view_queries


def main() -> None:
    archive, database, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with duckdb.connect(database) as native:
        _load(native, archive)
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

        json.dump(ask(LocalStorage(archive), compare), sys.stdout)


def _load(native: duckdb.DuckDBPyConnection, archive: Path) -> None:
    for table in TABLES:
        if table is not DOCUMENTS:  # no report reads them
            files = f"{archive}/tables/{table.name}/*/*.parquet"
            native.execute(
                f"CREATE TABLE {ALL_REVISIONS[table]} AS "
                "SELECT * FROM read_parquet(?, hive_partitioning = false)",
                [files],
            )
    for name, view in view_queries().items():
        if name != DOCUMENTS.name:
            native.execute(f"CREATE VIEW {name} AS {view.query}")


def _seconds(connection: duckdb.DuckDBPyConnection, report: ReportKind) -> float:
    started = time.perf_counter()
    report_tables(connection, AskedReport(report))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
