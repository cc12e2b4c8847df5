"""DuckDB over the archive's tables: the views, and a connection that has them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import duckdb

from archiver.adapters.derived_views import view_statements
from archiver.adapters.storage import LocalStorage
from archiver.domain.paths import TABLES_FOLDER
from archiver.domain.tables import TABLES, ColumnType, Table
from archiver.domain.views import ALL_REVISIONS
from archiver.errors import ArchiveDamaged

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
        selected = _select(table, files[table.name])
        connection.execute(f"CREATE VIEW {ALL_REVISIONS[table]} AS {selected}")
    for statement in view_statements():
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
