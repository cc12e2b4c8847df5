"""DuckDB over the archive's tables: the views, and a connection that can only read."""

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from archiver.adapters.storage import LocalStorage
from archiver.domain.paths import TABLES_FOLDER, is_run_folder
from archiver.domain.run_id import RunId
from archiver.domain.tables import TABLES, ColumnType, Table
from archiver.errors import ArchiveDamaged, UsageError

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

_READING = {"SELECT", "EXPLAIN", "MULTI"}
"""Statement types that only read; MULTI is how DuckDB parses PIVOT."""
_LEADING_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_EXPLAIN = re.compile(r"EXPLAIN\b\s*(?:\([^)]*\)|ANALYZE\b)?", re.IGNORECASE)
_QUERY_BEGINS = re.compile(r"(?:PIVOT|PIVOT_WIDER|SELECT|FROM|WITH|VALUES)\b|\(", re.IGNORECASE)
"""How a MULTI statement begins that is a query, not one that writes what a PIVOT gives."""


def connect(storage: LocalStorage, *, allow_files: bool = False) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the archive's views; times are UTC.

    Reads nothing outside the archive's tables unless ``allow_files``. That it writes nothing
    either is what :func:`checked_query` sees to.
    """
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    if not allow_files:
        tables = _quoted(f"{storage.locate(TABLES_FOLDER)}/")
        connection.execute(f"SET allowed_directories = [{tables}]")
        connection.execute("SET enable_external_access = false")
    with _damage():
        _create_views(connection, storage)
    connection.execute("SET lock_configuration = true")
    return connection


def checked_query(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """``sql`` if it is one statement that only reads. Raises UsageError when it is not."""
    statements = _statements(connection, sql)
    if len(statements) != 1:
        raise UsageError(
            f"one SQL statement is needed, {len(statements)} were given"
            if statements
            else "the SQL is empty"
        )
    kind = _kind(connection, statements[0])
    if kind not in _READING:
        raise UsageError(
            f"a query can only read, and this is {kind}",
            hint="Use SELECT (or FROM, DESCRIBE, SUMMARIZE, EXPLAIN); --output writes the result",
        )
    return sql


def _kind(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> str:
    """What a statement does: of EXPLAIN, which may run it, what is explained."""
    kind, text = statement.type.name, _LEADING_COMMENTS.sub("", statement.query, count=1)
    if kind == "EXPLAIN":
        inner = _statements(connection, _EXPLAIN.sub("", text, count=1))
        return _kind(connection, inner[0]) if len(inner) == 1 else kind
    if kind == "MULTI" and not _QUERY_BEGINS.match(text):
        # EXPLAIN ANALYZE runs what it explains, and what that is cannot be seen around a PIVOT.
        return f"{text.split(maxsplit=1)[0].upper()} with PIVOT"
    return kind


@dataclass(frozen=True, slots=True)
class HeldRuns:
    """What the archive holds of the ids that are asked for.

    ``complete`` are ids; ``folders`` has the folders of the other runs that it holds, by run id.
    """

    complete: Set[str] = frozenset()
    folders: Mapping[str, str] = field(default_factory=dict)


_ASKED_RUNS = """
WITH other_id AS (SELECT DISTINCT asked_id, run_id FROM fetches WHERE run_id <> asked_id)
SELECT asked_id, coalesce(other_id.run_id, asked_id) AS run_id
FROM asked LEFT JOIN other_id USING (asked_id)
"""
_COMPLETE = """
SELECT asked_id FROM asked_runs
SEMI JOIN (FROM runs SELECT run_id WHERE is_complete AND NOT $refresh) USING (run_id)
"""
_NOT_COMPLETE = """
SELECT DISTINCT run_id, path FROM asked_runs JOIN runs USING (run_id)
WHERE $refresh OR NOT is_complete
"""


def held_runs(storage: LocalStorage, asked: Sequence[RunId], *, refresh: bool) -> HeldRuns:
    """Which of ``asked`` the archive holds: one semi-join over the tables.

    With ``refresh`` none counts as complete.
    """
    if not storage.names(f"{TABLES_FOLDER}/runs"):
        return HeldRuns()
    with connect(storage) as connection, _damage():
        connection.register("asked", pa.table({"asked_id": pa.array(asked, pa.string())}))
        connection.execute(f"CREATE TEMP VIEW asked_runs AS {_ASKED_RUNS}")
        refreshing = {"refresh": refresh}
        complete = connection.sql(_COMPLETE, params=refreshing).to_arrow_table()
        others = connection.sql(_NOT_COMPLETE, params=refreshing).to_arrow_table().to_pylist()
    folders = {row["run_id"]: row["path"].rpartition("/")[0] for row in others}
    return HeldRuns(
        set(complete["asked_id"].to_pylist()),
        {run: f for run, f in folders.items() if is_run_folder(f, run)},
    )


def revision_paths(storage: LocalStorage) -> Iterator[str]:
    """The folder of every revision that the table ``runs`` has, in no order."""
    with connect(storage) as connection, _damage():
        for batch in connection.sql("SELECT path FROM run_revisions").to_arrow_reader():
            yield from batch["path"].to_pylist()


def revisions_in_tables(storage: LocalStorage, paths: Iterable[str]) -> set[str]:
    """Which of the revisions with these folders the table ``runs`` has."""
    with connect(storage) as connection, _damage():
        connection.register("asked", pa.table({"path": pa.array(list(paths), pa.string())}))
        rows = connection.sql("SELECT path FROM asked SEMI JOIN run_revisions USING (path)")
        return set(rows.to_arrow_table()["path"].to_pylist())


def _create_views(connection: duckdb.DuckDBPyConnection, storage: LocalStorage) -> None:
    for table in TABLES:
        connection.execute(
            f"CREATE VIEW {_REVISION_VIEWS[table.name]} AS {_select(table, storage)}"
        )
    connection.execute(_SUPERSEDED)
    for view, of in _REVISION_VIEWS.items():
        if view != of:
            connection.execute(_LATEST.format(view=view, of=of))
    for statement in (_FAILURES, _DURATIONS, _DAILY):
        connection.execute(statement)


def _select(table: Table, storage: LocalStorage) -> str:
    folder = f"{TABLES_FOLDER}/{table.name}"
    files = [
        _quoted(str(storage.locate(f"{folder}/{month}/{name}")))
        for month in storage.names(folder)
        for name in storage.names(f"{folder}/{month}")
        if name.endswith(".parquet")
    ]
    if files:
        return f"FROM read_parquet([{', '.join(files)}], hive_partitioning = false)"
    columns = ", ".join(f'NULL::{_DUCKDB_TYPES[c.type]} AS "{c.name}"' for c in table.columns)
    return f"SELECT {columns} WHERE false"


def _statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    try:
        return connection.extract_statements(sql)
    except (duckdb.Error, ValueError) as error:
        raise UsageError(f"the SQL cannot be read: {error}") from None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's result: its columns, and its rows in batches that can be read once.

    Reading the batches raises UsageError where the query fails on the way.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def run_query(storage: LocalStorage, sql: str, *, allow_files: bool = False) -> QueryResult:
    """The result of one query that only reads. Raises UsageError when it cannot be run."""
    connection = connect(storage, allow_files=allow_files)
    statement = checked_query(connection, sql)
    with _explained():
        relation = connection.sql(statement)
        reader = relation.to_arrow_reader()

    names = _distinct(reader.schema.names)

    def batches() -> Iterator[pa.RecordBatch]:
        with connection, _explained():
            for batch in reader:
                yield batch.rename_columns(names)

    return QueryResult(pa.schema(map(pa.Field.with_name, reader.schema, names)), batches())


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, each once: a row as a JSON object, or in pandas, has no two of a name."""
    distinct: dict[str, None] = {}
    for name in names:
        numbers = itertools.count(1)
        unique = name
        while unique in distinct:
            unique = f"{name}_{next(numbers)}"
        distinct[unique] = None
    return list(distinct)


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Turns what DuckDB finds wrong with the tables into ArchiveDamaged."""
    try:
        yield
    except duckdb.Error as error:
        raise ArchiveDamaged(
            f"the tables cannot be read: {error}", hint="`archiver reindex` rebuilds them"
        ) from None


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise UsageError(f"the query failed: {error}") from None
