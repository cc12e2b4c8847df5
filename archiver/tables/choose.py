"""Which runs are meant: by their ids, or by a condition that DuckDB evaluates on the tables."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from archiver.errors import ArchiveDamaged, UsageError
from archiver.model.ids import RunId
from archiver.model.paths import TABLES_FOLDER, is_run_folder, revision_name
from archiver.model.run import KNOWN_STATUSES, ChosenRun
from archiver.model.schema import ALL_REVISIONS, Table
from archiver.store.storage import LocalStorage
from archiver.system.folders import without_descriptors
from archiver.tables.connect import interruptible
from archiver.tables.views import Setup, open_tables, read_tables, tables_errors

_COLUMNS = ", ".join(field.name for field in fields(ChosenRun))
_MOST_NAMED = 10
_BATCH = 1_000
Reading: TypeAlias = tuple[duckdb.DuckDBPyConnection, pa.RecordBatchReader, pa.RecordBatch | None]
_CHOSEN = f"CREATE TEMP TABLE chosen AS SELECT {_COLUMNS} FROM runs "  # noqa: S608 # columns
_RESOLVED = """
CREATE TEMP TABLE resolved AS
SELECT asked_id, coalesce(held.run_id, other.run_id) AS run_id FROM asked
LEFT JOIN (SELECT DISTINCT run_id FROM run_revisions) AS held ON held.run_id = asked_id
LEFT JOIN (
    SELECT asked_id, any_value(run_id) AS run_id FROM fetches SEMI JOIN run_revisions USING (run_id)
    WHERE run_id <> asked_id GROUP BY asked_id
) AS other USING (asked_id)
"""
_ASKED_VIEWS = ("runs", "artifacts")
_EXTENT = """
SELECT count(path), coalesce(sum(size), 0)::BIGINT
FROM artifacts SEMI JOIN chosen USING (run_id) WHERE path IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Where:
    """A condition over the view ``runs``, as SQL."""

    condition: str


Choice: TypeAlias = Sequence[RunId] | Where


@dataclass(frozen=True, slots=True)
class Chosen:
    """Runs by their latest revision, sorted by id; how many files of how many bytes they have."""

    runs: Sequence[ChosenRun]
    files: int
    bytes: int


def chosen_runs(
    storage: LocalStorage,
    choice: Choice,
    setup: Setup | None = None,
    lacking: list[str] | None = None,
) -> Chosen:
    """The runs that are meant; never none, unless ``lacking`` is given.

    An id may be the ``wr_…`` one under which a ``tsk_v2_…`` run was asked for. Raises UsageError
    for ids that the archive does not hold, or adds them to ``lacking``, for a condition that is
    none or that no run fulfils, and ArchiveDamaged where the tables cannot be read. A condition can
    read nothing but the tables.
    """
    if isinstance(choice, Where):
        _check(choice.condition)

    def work(connection: duckdb.DuckDBPyConnection) -> Chosen:
        if isinstance(choice, Where):
            _choose_where(connection, choice.condition)
            if lacking is None and not connection.execute("FROM chosen LIMIT 1").fetchall():
                raise UsageError(
                    f"no run of the archive fulfils {choice.condition}",
                    hint=what_there_is(connection),
                )
        else:
            _choose_ids(connection, choice, lacking)
        rows = connection.sql("FROM chosen ORDER BY run_id").fetchall()
        ((files, size),) = connection.sql(_EXTENT).fetchall()
        runs = [ChosenRun(*row) for row in rows]
        for run in runs:
            folder, _, name = run.path.rpartition("/")
            if not is_run_folder(folder, run.run_id) or name != revision_name(run.revision):
                raise ArchiveDamaged(
                    f"the tables say that {run.run_id} lies in {run.path}",
                    hint="`archiver reindex` rebuilds them",
                )
        return Chosen(runs, files, size)

    # A condition may ask any of the views.
    views = True if isinstance(choice, Where) else _ASKED_VIEWS
    with memory_errors():
        return read_tables(storage, work, derived=views, setup=setup)


_THERE = """
SELECT count(*), min(created_at)::DATE, max(created_at)::DATE,
    list_sort(list(DISTINCT status)), list_sort(list(DISTINCT run_type)),
    count(DISTINCT workflow_id)
FROM runs
"""


def what_there_is(connection: duckdb.DuckDBPyConnection) -> str:
    """Say which runs there are, where those that were asked for are not. Raises duckdb.Error."""
    ((count, first, last, statuses, types, workflows),) = connection.sql(_THERE).fetchall()
    if not count:
        return "The archive has no runs"
    return (
        f"The archive's latest revisions: {count}, created {first} to {last}; status "
        f"{', '.join(statuses)}; run type {', '.join(filter(None, types))}; workflows: {workflows}"
    )


def unknown_statuses(connection: duckdb.DuckDBPyConnection, statuses: Sequence[str]) -> list[str]:
    """Return those that Skyvern does not know and no run has. Raises duckdb.Error."""
    held = {status for (status,) in connection.sql("SELECT DISTINCT status FROM runs").fetchall()}
    return [status for status in statuses if status not in held | KNOWN_STATUSES]


def require_statuses(connection: duckdb.DuckDBPyConnection, statuses: Sequence[str]) -> None:
    """Raises UsageError for a status that Skyvern does not know and no run has; duckdb.Error."""
    if unknown := unknown_statuses(connection, statuses):
        raise UsageError(
            f"no run has the status {', '.join(unknown)}", hint=what_there_is(connection)
        )


def table_rows(
    storage: LocalStorage, table: Table, runs: Sequence[ChosenRun], setup: Setup | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows of these revisions, in order of the run's id; columns in the table's order.

    Raises ArchiveDamaged where they cannot be read, UsageError where memory does not suffice.
    """
    keys = pa.table(
        {
            "run_id": pa.array((run.run_id for run in runs), pa.string()),
            "revision": pa.array((run.revision for run in runs), pa.int64()),
        }
    )
    columns = ", ".join(f'"{name}"' for name in table.column_names)
    order = ", ".join(table.sorted_by)
    sql = (
        f"SELECT {columns} FROM {ALL_REVISIONS[table]} "  # noqa: S608 # names of the project
        f"SEMI JOIN chosen USING (run_id, revision) ORDER BY {order}"
    )

    def work(connection: duckdb.DuckDBPyConnection) -> Reading:
        connection.register("chosen", keys)
        reader = connection.sql(sql).to_arrow_reader(_BATCH)
        return connection, reader, next(reader, None)

    with tables_errors(), memory_errors():
        connection, reader, batch = open_tables(storage, work, derived=False, setup=setup)
    with connection:
        while batch is not None:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
            with tables_errors(), memory_errors():
                batch = interruptible(connection, partial(_next, reader))


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    """The next batch. What goes wrong on the way is OSError as Arrow has it, and DuckDB's here."""
    try:
        return next(reader, None)
    except (OSError, pa.ArrowException) as error:
        is_memory = "Out of Memory" in str(error)
        kind = duckdb.OutOfMemoryException if is_memory else duckdb.IOException
        raise kind(str(error)) from None


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turns what DuckDB says where it may take no more memory into UsageError."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            "the export needs more memory than it may take", hint="Give it more with --memory"
        ) from None


def _check(condition: str) -> None:
    """A condition must be one expression: else it could be more than a condition."""
    try:
        duckdb.SQLExpression(condition)
    except (duckdb.Error, ValueError, TypeError) as error:
        raise _refused(condition, error) from None


def _choose_where(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    try:
        # In lines of its own, for it may end with a comment.
        connection.execute(f"{_CHOSEN}WHERE (\n{condition}\n)")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        # Raises where it is the tables that cannot be read.
        connection.execute("SELECT count(COLUMNS(*)) FROM runs").fetchall()
        raise _refused(condition, error) from None


def _choose_ids(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[RunId], lacking: list[str] | None
) -> None:
    connection.register("asked", pa.table({"asked_id": pa.array(map(str, ids), pa.string())}))
    connection.execute(_RESOLVED)
    missing = connection.sql("SELECT asked_id FROM resolved WHERE run_id IS NULL").fetchall()
    if lacking is not None:
        lacking += (run_id for (run_id,) in missing)
    elif missing:
        named = ", ".join(run_id for (run_id,) in missing[:_MOST_NAMED])
        more = " …" if len(missing) > _MOST_NAMED else ""
        raise UsageError(
            f"the archive does not hold {len(missing)} of {len(ids)} "
            f"{'run' if len(ids) == 1 else 'runs'}: {named}{more}",
            hint="`archiver fetch` fetches them",
        )
    connection.execute(_CHOSEN + "SEMI JOIN resolved USING (run_id)")


def _refused(condition: str, error: Exception) -> UsageError:
    # Where DuckDB points to is a line of the project's query, in which the condition stands.
    message = without_descriptors(str(error), TABLES_FOLDER).partition("\n\nLINE ")[0].rstrip()
    return UsageError(
        f"--where {condition!r} is no condition over the runs: {message}",
        hint="It is what follows WHERE in SQL; `archiver query '\\d runs'` lists the columns",
    )
