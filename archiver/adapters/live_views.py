"""Connections that stay open while the archive goes on: their views follow its files."""

import contextlib
import threading
import weakref
from collections.abc import Iterator

import duckdb

from archiver.adapters.storage import LocalStorage
from archiver.adapters.views import Files, damage_found, define_tables, prepare, table_files
from archiver.errors import UsageError


class LiveViews:
    """The archive's views in DuckDB, for as long as a program wants to ask.

    Any thread may ask: each has a cursor of its own. No lock is taken, and nothing written.
    """

    def __init__(self, storage: LocalStorage) -> None:
        """Opens nothing yet."""
        self._storage = storage
        self._own = threading.local()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._changing = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._files: Files = {}
        self._is_closed = False

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's connection, whose views are over the files that are there now.

        Relations of earlier calls read these files too. Raises ArchiveDamaged where the tables
        cannot be read, UsageError where all was closed.
        """
        with self._changing:
            if self._is_closed:
                raise UsageError(f"the archive {self._storage} was closed", hint="Open it again")
            with damage_found():
                self._follow(table_files(self._storage))
            cursor: duckdb.DuckDBPyConnection | None = getattr(self._own, "cursor", None)
            if cursor is None:
                assert self._connection is not None  # noqa: S101 -- _follow opened it
                cursor = self._own.cursor = self._connection.cursor()
                self._cursors.add(cursor)
            return cursor

    def close(self) -> None:
        """End all connections, and with them all relations."""
        with self._changing:
            self._is_closed = True
            for cursor in self._cursors:
                cursor.close()
            if self._connection is not None:
                self._connection.close()

    def _follow(self, files: Files) -> None:
        if self._connection is None:
            connection = duckdb.connect(":memory:")
            try:
                prepare(connection, self._storage, files)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        elif files != self._files:
            with _all_at_once(self._connection):
                define_tables(self._connection, files)
        self._files = files


@contextlib.contextmanager
def _all_at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
