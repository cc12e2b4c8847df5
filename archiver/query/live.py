"""Connections that stay open while the archive goes on: their views follow its files."""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import duckdb

from archiver.errors import UsageError
from archiver.model.schema import ALL_REVISIONS
from archiver.store.storage import LocalStorage
from archiver.system.folders import FolderSnapshot
from archiver.tables.connect import SpillFolder
from archiver.tables.pin import snapshot_tables
from archiver.tables.views import define_tables, prepare, table_files, tables_errors


class LiveViews:
    """The archive's views in DuckDB, for as long as a program wants to ask.

    Any thread may ask: each has a cursor of its own. No lock of the archive's is taken, and nothing
    written.
    """

    def __init__(self, storage: LocalStorage) -> None:
        """Opens nothing yet."""
        self._storage = storage
        self._changing = threading.Lock()
        self._views: _Views | None = None
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._is_closed = False

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's connection, whose views are over the files that are there now.

        Those of earlier calls follow where files were added, and keep the tables that they have
        where others took their place. Raises ArchiveDamaged where the tables cannot be read,
        UsageError where all was closed.
        """
        with self._changing:
            if self._is_closed:
                raise UsageError(f"the archive {self._storage} was closed", hint="Open it again")
            tables = snapshot_tables(self._storage)
            with tables_errors():
                if self._views is None or not self._views.are_over(tables):
                    self._views = _Views(self._storage, tables)
                else:
                    tables.release()
                    self._views.follow()
            cursor = self._views.cursor()
            self._cursors.add(cursor)
            return cursor

    def close(self) -> None:
        """End all connections, and with them all relations."""
        with self._changing:
            self._is_closed = True
            self._views = None
            for cursor in self._cursors:
                cursor.close()


class _Views:
    """The views over the tables of one folder, kept readable while anybody has a cursor."""

    def __init__(self, storage: LocalStorage, tables: FolderSnapshot) -> None:
        self._tables = tables
        self._folder = _identity(tables)
        self._files = table_files(tables)
        self._own = threading.local()
        self._spill = SpillFolder()
        self._connection = self._spill.connect()
        try:
            prepare(self._connection, storage, self._files, snapshots=[tables.path])
            for table, name in ALL_REVISIONS.items():
                # What cannot be read is better told now than when somebody has begun to work.
                first = f'SELECT "{table.column_names[0]}" FROM {name} LIMIT 1'  # noqa: S608 # ours
                self._connection.execute(first).fetchall()
        except BaseException:
            self._connection.close()
            raise

    def are_over(self, tables: FolderSnapshot) -> bool:
        return self._folder == _identity(tables)

    def follow(self) -> None:
        """Take in the files that were added."""
        files = table_files(self._tables)
        if files != self._files:
            with _all_at_once(self._connection):
                define_tables(self._connection, files)
            self._files = files

    def cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._own, "cursor", None)
        if cursor is None:
            cursor = self._own.cursor = self._connection.cursor()
            weakref.finalize(cursor, _let_go, self._tables, self._spill)
        return cursor


def _let_go(_tables: FolderSnapshot, _spill: SpillFolder) -> None:
    """Having been kept until now is all; with the last one that keeps them the tables are free."""


def _identity(tables: FolderSnapshot) -> tuple[int, int] | None:
    try:
        status = Path(tables.path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def _all_at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
