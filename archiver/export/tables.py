"""Export: the tables handed on, as a database file or as files that other programs read."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged, OutputUnwritable, UsageError
from archiver.ledger.records import head
from archiver.model.schema import ALL_REVISIONS, DAILY, DOCUMENTS, VIEWS, Column, ColumnType, View
from archiver.store.archive_file import TOOL
from archiver.store.storage import LocalStorage
from archiver.system.atomic import atomic_file, atomic_folder
from archiver.tables.connect import database_path
from archiver.tables.views import open_tables, view_queries, with_sources

STORAGE_VERSION = "v1.4.0"
"""The oldest DuckDB that can read the file: the long-term support release before this one's."""
_INFO = "archive_info"
_FULL = re.compile("|".join(map(os.strerror, (ENOSPC, EDQUOT, EFBIG, EIO))) + "|ould not write all")
"""What DuckDB says where a disk takes no more."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A column of the one row that says what the file is: its value, and what it means."""

    value: Any
    meaning: str


def write_database(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    views: Collection[str],
    facts: Mapping[str, Fact],
    begins: Callable[[str], None],
) -> dict[str, int]:
    """Write ``views``, and those that they are made of, to a new database file.

    The connection has the archive's views. The tables' own become tables in the file, the others
    views over them; all are described. ``begins`` is told of each table before it is written.
    Returns the number of rows of each table. Raises duckdb.Error.
    """
    path.unlink(missing_ok=True)
    quoted = database_path(path)
    connection.execute(f"ATTACH '{quoted}' AS exported (STORAGE_VERSION '{STORAGE_VERSION}')")
    needed = with_sources(views)
    rows = {}
    for name in ALL_REVISIONS.values():
        if name in needed:
            begins(name)
            # In the order of the archive's files. Sorting all would take memory and bring nothing:
            # what DuckDB keeps of a block's texts to skip it by are their first 8 bytes.
            made = connection.execute(f"CREATE TABLE exported.{name} AS FROM memory.{name}")
            ((rows[name],),) = made.fetchall()
    connection.execute("USE exported")
    for name, view in view_queries().items():
        if name in needed:
            connection.execute(f"CREATE VIEW {name} AS {view.query}")
    for statement in _descriptions(needed):
        connection.execute(statement)
    _write_facts(connection, facts)
    connection.execute("USE memory")
    connection.execute("DETACH exported")
    return rows


def _descriptions(needed: Collection[str]) -> Iterator[str]:
    tables = set(ALL_REVISIONS.values())
    for view in VIEWS:
        if view.name in needed:
            kind = "TABLE" if view.name in tables else "VIEW"
            yield f"COMMENT ON {kind} {view.name} IS {_quoted(f'A row is {view.row}')}"
            yield from _column_comments(view.name, view.columns)


def _column_comments(of: str, columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        unit = f" ({column.unit})" if column.unit else ""
        yield f'COMMENT ON COLUMN {of}."{column.name}" IS {_quoted(column.meaning + unit)}'


def _write_facts(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, Fact]) -> None:
    columns = ", ".join(f"${name} AS {name}" for name in facts)
    values = {name: fact.value for name, fact in facts.items()}
    connection.execute(f"CREATE TABLE {_INFO} AS SELECT {columns}", values)
    connection.execute(f"COMMENT ON TABLE {_INFO} IS 'What this file was made of, and when'")
    for name, fact in facts.items():
        connection.execute(f"COMMENT ON COLUMN {_INFO}.{name} IS {_quoted(fact.meaning)}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_ROW_GROUP = 122_880
_LARGE = {DOCUMENTS.name, ALL_REVISIONS[DOCUMENTS]}
_SECONDS = "%Y-%m-%d %H:%M:%S"


def write_csv(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> int:
    """Write a view to a new CSV file; returns the number of rows. Raises duckdb.Error.

    Times and lists are written as ``archiver query`` writes them.
    """
    columns = ", ".join(map(_as_text, view.columns))
    target = str(path).replace("'", "''")
    copied = connection.execute(
        f"COPY (SELECT {columns} {_from(view)}) TO '{target}' (FORMAT csv, HEADER)"
    )
    ((rows,),) = copied.fetchall()
    return int(rows)


def write_parquet(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> int:
    """Write a view to a new Parquet file; returns the number of rows. Raises duckdb.Error.

    What a row is stands in the file's metadata, what a column means in the column's (``comment``
    and ``unit``).
    """
    names = ", ".join(f'"{column.name}"' for column in view.columns)
    size = DOCUMENTS.row_group_size if view.name in _LARGE else _ROW_GROUP
    reader = connection.sql(f"SELECT {names} {_from(view)}").to_arrow_reader(size)
    schema = pa.schema(
        [
            field.with_metadata(_metadata(column)).with_nullable(column.nullable)
            for field, column in zip(reader.schema, view.columns, strict=True)
        ],
        {"view": view.name, "row": view.row},
    )
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(reader):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            rows += batch.num_rows
    return rows


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches. What goes wrong on the way is OSError as Arrow has it, and DuckDB's here."""
    while True:
        try:
            batch = next(reader, None)
        except OSError as error:
            is_memory = str(error).startswith("Out of Memory")
            kind = duckdb.OutOfMemoryException if is_memory else duckdb.IOException
            raise kind(str(error)) from None
        if batch is None:
            return
        yield batch


def _from(view: View) -> str:
    """Days come one after the other; all else as it comes, for sorting it takes memory."""
    return f"FROM {view.name}" + (" ORDER BY day, run_type" if view is DAILY else "")


def _metadata(column: Column) -> dict[str, str]:
    return {"comment": column.meaning} | ({"unit": column.unit} if column.unit else {})


def _as_text(column: Column) -> str:
    name = f'"{column.name}"'
    if column.type is ColumnType.TIMESTAMP:
        text = (
            f"CASE WHEN epoch_us({name}) % 1000000 = 0 THEN strftime({name}, '{_SECONDS}+00:00') "
            f"ELSE strftime({name}, '{_SECONDS}.%f+00:00') END"
        )
    elif column.type is ColumnType.TEXT_LIST:
        text = f"to_json({name})"
    else:
        return name
    return f"{text} AS {name}"


ResultT = TypeVar("ResultT")
Work: TypeAlias = Callable[[duckdb.DuckDBPyConnection], ResultT]
_WRITERS = {"csv": write_csv, "parquet": write_parquet}
_OF_ALL_REVISIONS = frozenset(
    {"run_revisions", "document_revisions", "artifact_revisions", "error_revisions"}
)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written: how many rows of which tables or views, and its size in bytes."""

    format: str
    path: Path
    rows: Mapping[str, int]
    bytes: int


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported: ``only`` these views, or those that each format has by itself.

    ``begins`` is told of each table or view before it is written, in another thread. ``memory`` are
    the bytes that DuckDB may take; what does not fit is set aside beside the target.
    """

    begins: Callable[[str], None]
    only: Sequence[str] = ()
    overwrite: bool = False
    memory: int = 1_000_000_000


def export_database(
    storage: LocalStorage, target: Path, options: ExportOptions, now: datetime
) -> WrittenFile:
    """Write a DuckDB database with all tables and views, or ``only`` some and what they need.

    Raises UsageError where it cannot be written, ArchiveDamaged where the tables cannot be read.
    """
    check_place(storage, target)
    wal = target.with_name(f"{target.name}.wal")
    if wal.exists():
        raise UsageError(
            f"{target} is open, or was not closed: {wal.name} lies beside it",
            hint="Close it in DuckDB, then run the same command again",
        )
    views = [view.name for view in _chosen(options.only, VIEWS)]
    session, sha256 = head(storage)
    facts = {
        "archive": Fact(storage.root.name, "The name of the archive's folder"),
        "tool": Fact(TOOL, "What wrote this file"),
        "exported_at": Fact(now, "When"),
        "last_session": Fact(session, "The last session in the archive's ledger by then"),
        "ledger_sha256": Fact(sha256, "SHA-256 of that session's record, which seals all before"),
    }
    with atomic_file(target, overwrite=options.overwrite) as aside:
        rows = _asked(
            storage,
            aside.parent,
            options.memory,
            lambda connection: write_database(connection, aside, views, facts, options.begins),
        )
        return WrittenFile("duckdb", target, rows, aside.stat().st_size)


def export_files(
    storage: LocalStorage, target: Path, file_format: str, options: ExportOptions
) -> list[WrittenFile]:
    """Write one file for each view to a folder, as ``csv`` or ``parquet``.

    Without ``only`` these are the views of the latest revisions and those derived from them. Raises
    as :func:`export_database` does.
    """
    check_place(storage, target)
    views = _chosen(options.only, [view for view in VIEWS if view.name not in _OF_ALL_REVISIONS])

    def write(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> int:
        options.begins(view.name)
        return _WRITERS[file_format](connection, view, path)

    with atomic_folder(target, overwrite=options.overwrite) as aside:
        paths = {view: aside / f"{view.name}.{file_format}" for view in views}
        counts = _asked(
            storage,
            aside.parent,
            options.memory,
            lambda connection: [write(connection, view, path) for view, path in paths.items()],
        )
        return [
            WrittenFile(file_format, target / path.name, {view.name: rows}, path.stat().st_size)
            for (view, path), rows in zip(paths.items(), counts, strict=True)
        ]


def _chosen(only: Sequence[str], views: Sequence[View]) -> list[View]:
    if not only:
        return list(views)
    known = {view.name: view for view in VIEWS}
    for name in only:
        if name not in known:
            raise UsageError(f"there is no view {name}", hint=f"There are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(only)]


def check_place(storage: LocalStorage, target: Path) -> None:
    """Raises UsageError where ``target`` is inside the archive."""
    if target.resolve().is_relative_to(storage.root.resolve()):
        raise UsageError(f"{target} is inside the archive", hint="Name a place elsewhere")


def _asked(storage: LocalStorage, folder: Path, memory: int, work: Work[ResultT]) -> ResultT:
    """What ``work`` gets, within this memory; what is more than that is spilled to ``beside``."""

    def limited(connection: duckdb.DuckDBPyConnection) -> None:
        spill = str(folder / "spill").replace("'", "''")
        connection.execute(f"SET memory_limit = '{memory} B'")
        connection.execute(f"SET temp_directory = '{spill}'")

    def whole(connection: duckdb.DuckDBPyConnection) -> ResultT:
        with connection:
            return work(connection)

    with _export_errors(folder):
        return open_tables(storage, whole, allow_files=True, setup=limited)


@contextmanager
def _export_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            "the export needs more memory than it may take", hint="Give it more with --memory"
        ) from None
    except duckdb.Error as error:
        if str(folder) in str(error) or _FULL.search(str(error)):
            kind = OutputUnwritable if _FULL.search(str(error)) else UsageError
            said = str(error).replace(f"{folder}/", "").splitlines()[0]
            raise kind(f"cannot write to {folder.parent}: {said}") from None
        raise ArchiveDamaged(
            f"the tables cannot be read: {str(error).splitlines()[0]}",
            hint="`archiver reindex` rebuilds them",
        ) from None
