"""DuckDB over the archive's tables: the views, and a connection that has them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import duckdb

from archiver.adapters.storage import LocalStorage
from archiver.domain.paths import TABLES_FOLDER
from archiver.domain.tables import TABLES, ColumnType, Table
from archiver.errors import ArchiveDamaged

_DUCKDB_TYPES = {
    ColumnType.TEXT: "VARCHAR",
    ColumnType.JSON: "VARCHAR",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DOUBLE: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.TEXT_LIST: "VARCHAR[]",
}
_REVISION_VIEWS = {
    "runs": "run_revisions",
    "documents": "document_revisions",
    "artifacts": "artifact_revisions",
    "errors": "error_revisions",
    "fetches": "fetches",
}

# Nearly all runs have one revision: an anti-join against the few superseded ones is cheap where
# a window over all rows is not.
_SUPERSEDED = """
CREATE VIEW superseded_revisions AS
SELECT run_id, revision FROM run_revisions
SEMI JOIN (SELECT run_id FROM run_revisions WHERE revision > 1) USING (run_id)
ANTI JOIN (
    SELECT run_id, max(revision) AS revision FROM run_revisions
    WHERE run_id IN (SELECT run_id FROM run_revisions WHERE revision > 1) GROUP BY run_id
) USING (run_id, revision)
"""
_LATEST = "CREATE VIEW {view} AS FROM {of} ANTI JOIN superseded_revisions USING (run_id, revision)"

_FAILURES = r"""
CREATE VIEW failures AS
SELECT run_id, revision, run_type, status,
    trim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
        failure_reason,
        'https?://\S+', '<url>', 'g'),
        '\b(?:tsk_v2|tsk|wr|wpid|a|stp|pbs|o|bp)_[A-Za-z0-9]+', '<id>', 'g'),
        '"[^"]*"|''[^'']*''', '<text>', 'g'),
        '\d+(?:[.:,-]\d+)*', '<number>', 'g'),
        '\s+', ' ', 'g')) AS reason,
    failure_reason, error_codes, created_at, finished_at, workflow_id, request_url
FROM runs WHERE is_final AND status <> 'completed'
"""
_DURATIONS = """
CREATE VIEW durations AS
SELECT run_id, revision, run_type, status, created_at, queue_seconds, run_seconds, total_seconds
FROM runs WHERE is_final
"""
_DAILY = """
CREATE VIEW daily AS
SELECT CAST(created_at AS DATE) AS day, run_type, count(*) AS runs,
    count(*) FILTER (status = 'completed') AS completed,
    count(*) FILTER (status = 'failed') AS failed,
    count(*) FILTER (status = 'terminated') AS terminated,
    count(*) FILTER (status = 'timed_out') AS timed_out,
    count(*) FILTER (status = 'canceled') AS canceled,
    count(*) FILTER (NOT is_final) AS unfinished,
    count(*) FILTER (is_final AND status <> 'completed') / nullif(count(*) FILTER (is_final), 0)
        AS failure_rate,
    quantile_cont(run_seconds, 0.50) AS p50_run_seconds,
    quantile_cont(run_seconds, 0.95) AS p95_run_seconds,
    quantile_cont(run_seconds, 0.99) AS p99_run_seconds
FROM runs GROUP BY ALL
"""


ResultT = TypeVar("ResultT")
_Files: TypeAlias = dict[str, list[str]]
"""The paths of each table's files."""


def ask(
    storage: LocalStorage,
    work: Callable[[duckdb.DuckDBPyConnection], ResultT],
    *,
    allow_files: bool = False,
) -> ResultT:
    """What ``work`` gets out of a connection with the archive's views; times are UTC.

    Reads nothing outside the archive's tables unless ``allow_files``. That it writes nothing
    either is what :mod:`archiver.adapters.query` sees to. The connection is closed when ``work``
    fails, else it is for ``work`` to close. Where the tables were rebuilt on the way, so that
    files are gone, it is done again with the new ones. Raises duckdb.Error, and ArchiveDamaged
    where the tables cannot be read.
    """
    while True:
        files = _table_files(storage)
        connection = duckdb.connect(":memory:")
        try:
            with damage_found():
                _prepare(connection, storage, files, allow_files=allow_files)
            return work(connection)
        except (duckdb.IOException, ArchiveDamaged):
            connection.close()
            if _table_files(storage) == files:
                raise
        except BaseException:
            connection.close()
            raise


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    storage: LocalStorage,
    files: _Files,
    *,
    allow_files: bool,
) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    if not allow_files:
        tables = _quoted(f"{storage.locate(TABLES_FOLDER)}/")
        connection.execute(f"SET allowed_directories = [{tables}]")
        connection.execute("SET enable_external_access = false")
    for table in TABLES:
        view = _REVISION_VIEWS[table.name]
        connection.execute(f"CREATE VIEW {view} AS {_select(table, files[table.name])}")
    connection.execute(_SUPERSEDED)
    for view, of in _REVISION_VIEWS.items():
        if view != of:
            connection.execute(_LATEST.format(view=view, of=of))
    for statement in (_FAILURES, _DURATIONS, _DAILY):
        connection.execute(statement)
    connection.execute("SET lock_configuration = true")


@contextlib.contextmanager
def damage_found() -> Iterator[None]:
    """Turns what DuckDB finds wrong with the tables into ArchiveDamaged."""
    try:
        yield
    except duckdb.Error as error:
        raise ArchiveDamaged(
            f"the tables cannot be read: {str(error).splitlines()[0]}",
            hint="`archiver reindex` rebuilds them",
        ) from None


def _table_files(storage: LocalStorage) -> _Files:
    return {
        table.name: [
            str(storage.locate(f"{TABLES_FOLDER}/{table.name}/{month}/{name}"))
            for month in storage.names(f"{TABLES_FOLDER}/{table.name}")
            for name in storage.names(f"{TABLES_FOLDER}/{table.name}/{month}")
            if name.endswith(".parquet")
        ]
        for table in TABLES
    }


def _select(table: Table, files: Sequence[str]) -> str:
    if files:
        listed = ", ".join(map(_quoted, files))
        return f"FROM read_parquet([{listed}], hive_partitioning = false)"
    columns = ", ".join(f'NULL::{_DUCKDB_TYPES[c.type]} AS "{c.name}"' for c in table.columns)
    return f"SELECT {columns} WHERE false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
