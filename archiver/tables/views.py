"""DuckDB over the archive's tables: the views, and a connection that has them."""

import contextlib
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

import duckdb
import pyarrow as pa

from archiver.errors import ArchiveDamaged
from archiver.model.paths import REPLACED_TABLES, TABLES_FOLDER
from archiver.model.schema import (
    ALL_REVISIONS,
    DAILY,
    DURATIONS,
    FAILURES,
    TABLES,
    ColumnType,
    Table,
    View,
)
from archiver.store.names import is_own
from archiver.store.storage import LocalStorage
from archiver.system.folders import FolderSnapshot, without_descriptors
from archiver.tables.connect import SpillFolder, interruptible, limit_in
from archiver.tables.pin import snapshot_tables
from archiver.tables.reasons import with_reason

# Nearly all runs have one revision: an anti-join against the few superseded ones is cheap where
# a window over all rows is not. Revisions are numbered without gaps, so that those before a run's
# last one are known without looking at them.
_SUPERSEDED = """
SELECT run_id, unnest(range(1, max(revision))) AS revision
FROM run_revisions WHERE revision > 1 GROUP BY run_id
"""
_LATEST = "FROM {of} ANTI JOIN superseded_revisions USING (run_id, revision)"

_GAPS = {
    "queue_gap": ("coalesce(queued_at, created_at)", "started_at"),
    "run_gap": ("started_at", "finished_at"),
    "total_gap": ("created_at", "finished_at"),
}
_GAP = """CASE WHEN {start} IS NULL OR {end} IS NULL THEN 'missing'
    WHEN {end} < {start} THEN 'backwards' END AS {gap}"""

_DAILY = """
SELECT CAST(make_timestamp(epoch_us(created_at)) AS DATE) AS day, run_type, count(*) AS runs,
    count(*) FILTER (status = 'completed') AS completed,
    count(*) FILTER (status = 'failed') AS failed,
    count(*) FILTER (status = 'terminated') AS terminated,
    count(*) FILTER (status = 'timed_out') AS timed_out,
    count(*) FILTER (status = 'canceled') AS canceled,
    count(*) FILTER (NOT is_final) AS unfinished,
    count(*) FILTER (is_final AND status <> 'completed') / nullif(count(*) FILTER (is_final), 0)
        AS failure_rate,
    quantile_cont(run_seconds, 0.50) FILTER (is_final) AS p50_run_seconds,
    quantile_cont(run_seconds, 0.95) FILTER (is_final) AS p95_run_seconds,
    quantile_cont(run_seconds, 0.99) FILTER (is_final) AS p99_run_seconds
FROM runs GROUP BY ALL
"""
UNPROVEN_MEDIUM = "state = 'unverified' AND kind IN ('recording', 'screenshot')"
NO_MEDIUM = "(size = 0 OR coalesce(starts_with(media_type, 'text/'), false))"
IS_ERROR_PAGE = f"({UNPROVEN_MEDIUM} AND {NO_MEDIUM})"
"""``ArtifactEntry.is_error_page``, of a row of artifacts."""


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """A view's query, and the views that it reads."""

    reads: tuple[str, ...]
    query: str


def view_queries() -> Mapping[str, ViewQuery]:
    """The query of each, by name, in an order in which they can be made.

    The views (or tables) of all revisions are there already. None depends on the session's time
    zone.
    """
    superseded = "superseded_revisions"
    latest = {
        table.name: ViewQuery(
            (ALL_REVISIONS[table], superseded), _LATEST.format(of=ALL_REVISIONS[table])
        )
        for table in TABLES
        if ALL_REVISIONS[table] != table.name
    }
    failed = with_reason("(FROM runs WHERE is_final AND status <> 'completed')")
    gaps = ", ".join(_GAP.format(gap=gap, start=of[0], end=of[1]) for gap, of in _GAPS.items())
    final = f"SELECT *, {gaps} FROM runs WHERE is_final"
    runs = ("runs",)
    return {
        superseded: ViewQuery(("run_revisions",), _SUPERSEDED),
        **latest,
        FAILURES.name: ViewQuery(runs, f"SELECT {_names(FAILURES)} FROM ({failed})"),
        DURATIONS.name: ViewQuery(runs, f"SELECT {_names(DURATIONS)} FROM ({final})"),
        DAILY.name: ViewQuery(runs, _DAILY),
    }


def with_sources(views: Iterable[str]) -> set[str]:
    """These views, and all that they are made of, by name."""
    queries = view_queries()
    found: set[str] = set()
    pending = list(views)
    while pending:
        name = pending.pop()
        found.add(name)
        if name in queries:
            pending += queries[name].reads
    return found


def _names(view: View) -> str:
    return ", ".join(column.name for column in view.columns)


_DUCKDB_TYPES = {
    ColumnType.TEXT: "VARCHAR",
    ColumnType.JSON: "VARCHAR",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DOUBLE: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.DATE: "DATE",
    ColumnType.TEXT_LIST: "VARCHAR[]",
}
ResultT = TypeVar("ResultT")
Setup: TypeAlias = Callable[[duckdb.DuckDBPyConnection], None]
"""What is done to a connection before it is closed off from everything but the tables."""
Files: TypeAlias = dict[str, list[str]]
"""The paths of each table's files."""


def read_tables(
    storage: LocalStorage,
    work: Callable[[duckdb.DuckDBPyConnection], ResultT],
    *,
    asked: Mapping[str, Iterable[str]] | None = None,
    derived: bool | Collection[str] = False,
    setup: Setup | None = None,
) -> ResultT:
    """Return what ``work`` gets out of a connection with the archive's views, closed afterwards.

    ``asked`` are columns of texts, which ``work`` finds as a table of that name. ``derived`` and
    ``setup`` are those of :func:`open_tables`. Raises ArchiveDamaged where the tables cannot be
    read.
    """

    def closing(connection: duckdb.DuckDBPyConnection) -> ResultT:
        with connection:
            if asked is not None:
                columns = {name: pa.array(texts, pa.string()) for name, texts in asked.items()}
                connection.register("asked", pa.table(columns))
            return work(connection)

    with tables_errors():
        return open_tables(storage, closing, derived=derived, setup=setup)


def select(
    storage: LocalStorage,
    query: str,
    parameters: Sequence[object] = (),
    *,
    asked: Mapping[str, Iterable[str]] | None = None,
) -> list[tuple[Any, ...]]:
    """Return the rows of a query over the views of all revisions and ``fetches``.

    ``asked`` is that of :func:`read_tables`. Raises ArchiveDamaged where the tables cannot be read.
    """
    return read_tables(
        storage, lambda db: db.execute(query, list(parameters)).fetchall(), asked=asked
    )


def open_tables(
    storage: LocalStorage,
    work: Callable[[duckdb.DuckDBPyConnection], ResultT],
    *,
    allow_files: bool = False,
    derived: bool | Collection[str] = True,
    setup: Setup | None = None,
) -> ResultT:
    """Return what ``work`` gets out of a connection with the archive's views; times are UTC.

    Not ``derived``: with those of all revisions and ``fetches`` only, which are there much sooner;
    the names of others are of those that are wanted besides.
    Reads nothing outside the archive's tables unless ``allow_files``, or what ``setup`` attached.
    That it writes nothing either is what :mod:`archiver.query.sql` sees to. The connection is
    closed when ``work`` fails, else it is for ``work`` to close; until then the tables are read as
    they are now, even if others take their place. Where that cannot be and files are gone, it is
    done again with those. KeyboardInterrupt ends ``work`` at once. Raises duckdb.Error, and
    ArchiveDamaged where the tables cannot be read.
    """

    def prepared(connection: duckdb.DuckDBPyConnection, tables: FolderSnapshot) -> ResultT:
        if setup is not None:
            setup(connection)
        with tables_errors():
            files = table_files(tables)
            prepare(
                connection,
                storage,
                files,
                allow_files=allow_files,
                derived=derived,
                snapshots=[tables.path],
            )
        return work(connection)

    while True:
        tables = snapshot_tables(storage)
        spill = SpillFolder()
        connection = spill.connect()
        weakref.finalize(connection, _let_go, tables, spill)
        try:
            return interruptible(connection, partial(prepared, connection, tables))
        except (duckdb.IOException, ArchiveDamaged):
            connection.close()
            if _files(tables.names, "") == _files(snapshot_tables(storage).names, ""):
                raise
        except BaseException:
            connection.close()
            raise


def _let_go(tables: FolderSnapshot, _spill: SpillFolder) -> None:
    """Nobody reads the tables by a connection any more, nor sets aside what it reads."""
    tables.release()


def prepare(
    connection: duckdb.DuckDBPyConnection,
    storage: LocalStorage,
    files: Files,
    *,
    allow_files: bool = False,
    derived: bool | Collection[str] = True,
    snapshots: Sequence[str] = (),
) -> None:
    """Give a connection, and all its cursors, the archive's views over these files.

    It can read nothing else then, unless ``allow_files``, or below one of the ``snapshots``.
    Raises duckdb.Error.
    """
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    if not allow_files:
        # DuckDB looks where a file really is: elsewhere, once these tables are replaced.
        places = (f"{storage.locate(folder)}/" for folder in (TABLES_FOLDER, REPLACED_TABLES))
        allowed = ", ".join(map(_quoted, (*snapshots, *places)))
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
    define_tables(connection, files)
    queries = view_queries()
    wanted = with_sources(queries if derived is True else derived or ())
    for name, view in queries.items():
        if name in wanted:
            connection.execute(f"CREATE VIEW {name} AS {view.query}")
    connection.execute("SET lock_configuration = true")


def define_tables(connection: duckdb.DuckDBPyConnection, files: Files) -> None:
    """Make the views of the tables' own, or put them over other files. Raises duckdb.Error."""
    for table in TABLES:
        selected = _select(table, files[table.name])
        connection.execute(f"CREATE OR REPLACE VIEW {ALL_REVISIONS[table]} AS {selected}")


@contextlib.contextmanager
def tables_errors() -> Iterator[None]:
    """Turns what DuckDB finds wrong with the tables into ArchiveDamaged, limits to SystemLimit."""
    try:
        yield
    except duckdb.Error as error:
        message = without_descriptors(str(error), TABLES_FOLDER)
        raise limit_in(error) or ArchiveDamaged(
            f"the tables cannot be read: {message.splitlines()[0]}",
            hint="`archiver reindex` rebuilds them",
        ) from None


def table_files(tables: FolderSnapshot) -> Files:
    """The files that the tables consist of."""
    return _files(tables.names, tables.path)


def _files(names: Callable[[str], Sequence[str]], prefix: str) -> Files:
    return {
        table.name: [
            f"{prefix}{table.name}/{month}/{name}"
            for month in names(table.name)
            if is_own(f"{TABLES_FOLDER}/{table.name}", month)
            for name in names(f"{table.name}/{month}")
            if is_own(f"{TABLES_FOLDER}/{table.name}/{month}", name)
        ]
        for table in TABLES
    }


def _select(table: Table, files: Sequence[str]) -> str:
    if files:
        listed = ", ".join(map(_quoted, files))
        # By name, for a column that was added later is not in every file: there it is null.
        schema = ", ".join(
            f"'{c.name}': {{name: '{c.name}', type: '{_DUCKDB_TYPES[c.type]}', "
            "default_value: NULL}"
            for c in table.columns
        )
        options = f"hive_partitioning = false, schema = MAP {{{schema}}}"
        return f"FROM read_parquet([{listed}], {options})"
    columns = ", ".join(f'NULL::{_DUCKDB_TYPES[c.type]} AS "{c.name}"' for c in table.columns)
    return f"SELECT {columns} WHERE false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
