"""Export: the tables handed on, as a database file or as files that other programs read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

import duckdb

from archiver.adapters.database_file import Fact, write_database
from archiver.adapters.exported_files import write_csv, write_parquet
from archiver.domain.views import VIEWS, View
from archiver.errors import ArchiveDamaged, UsageError
from archiver.ledger.records import head
from archiver.store.lock import TOOL
from archiver.store.storage import LocalStorage
from archiver.system.atomic import placed_file, placed_folder
from archiver.tables.views import ask

ResultT = TypeVar("ResultT")
Work: TypeAlias = Callable[[duckdb.DuckDBPyConnection], ResultT]
_WRITERS = {"csv": write_csv, "parquet": write_parquet}
_OF_ALL_REVISIONS = frozenset(
    {"run_revisions", "document_revisions", "artifact_revisions", "error_revisions"}
)


@dataclass(frozen=True, slots=True)
class Written:
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
) -> Written:
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
    with placed_file(target, overwrite=options.overwrite) as aside:
        rows = _asked(
            storage,
            aside.parent,
            options.memory,
            lambda connection: write_database(connection, aside, views, facts, options.begins),
        )
        return Written("duckdb", target, rows, aside.stat().st_size)


def export_files(
    storage: LocalStorage, target: Path, file_format: str, options: ExportOptions
) -> list[Written]:
    """Write one file for each view to a folder, as ``csv`` or ``parquet``.

    Without ``only`` these are the views of the latest revisions and those derived from them. Raises
    as :func:`export_database` does.
    """
    check_place(storage, target)
    views = _chosen(options.only, [view for view in VIEWS if view.name not in _OF_ALL_REVISIONS])

    def write(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> int:
        options.begins(view.name)
        return _WRITERS[file_format](connection, view, path)

    with placed_folder(target, overwrite=options.overwrite) as aside:
        paths = {view: aside / f"{view.name}.{file_format}" for view in views}
        counts = _asked(
            storage,
            aside.parent,
            options.memory,
            lambda connection: [write(connection, view, path) for view, path in paths.items()],
        )
        return [
            Written(file_format, target / path.name, {view.name: rows}, path.stat().st_size)
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


def _asked(storage: LocalStorage, beside: Path, memory: int, work: Work[ResultT]) -> ResultT:
    """What ``work`` gets, within this memory; what is more than that is spilled to ``beside``."""

    def limited(connection: duckdb.DuckDBPyConnection) -> None:
        spill = str(beside / "spill").replace("'", "''")
        connection.execute(f"SET memory_limit = '{memory} B'")
        connection.execute(f"SET temp_directory = '{spill}'")

    def whole(connection: duckdb.DuckDBPyConnection) -> ResultT:
        with connection:
            return work(connection)

    with _explained(beside):
        return ask(storage, whole, allow_files=True, setup=limited)


@contextmanager
def _explained(beside: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            "the export needs more memory than it may take", hint="Give it more with --memory"
        ) from None
    except duckdb.Error as error:
        if str(beside) in str(error):
            raise UsageError(f"cannot write to {beside.parent}: {error}") from None
        raise ArchiveDamaged(
            f"the tables cannot be read: {str(error).splitlines()[0]}",
            hint="`archiver reindex` rebuilds them",
        ) from None
