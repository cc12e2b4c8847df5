"""DuckDB over the archive's tables: the views, and a connection that has them."""

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import duckdb

from archiver.adapters.derived_views import view_statements
from archiver.adapters.pinned import PinnedFolder, without_descriptors
from archiver.adapters.storage import LocalStorage
from archiver.adapters.tables_aside import pin_tables
from archiver.domain.paths import TABLES_ASIDE, TABLES_FOLDER
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
"""The paths of each table's files, below the folder of the tables."""


def ask(
    storage: LocalStorage,
    work: Callable[[duckdb.DuckDBPyConnection], ResultT],
    *,
    allow_files: bool = False,
    derived: bool = True,
) -> ResultT:
    """What ``work`` gets out of a connection with the archive's views; times are UTC.

    Not ``derived``: with those of all revisions and ``fetches`` only, which are there much sooner.
    Reads nothing outside the archive's tables unless ``allow_files``. That it writes nothing
    either is what :mod:`archiver.adapters.query` sees to. The connection is closed when ``work``
    fails, else it is for ``work`` to close; until then the tables are read as they are now, even if
    others take their place. Where that cannot be and files are gone, it is done again with those.
    Raises duckdb.Error, and ArchiveDamaged where the tables cannot be read.
    """
    while True:
        tables = pin_tables(storage)
        connection = duckdb.connect(":memory:")
        weakref.finalize(connection, tables.release)
        files: _Files = {}
        try:
            files = _table_files(tables)
            with damage_found():
                _prepare(connection, storage, tables.path, files, allow_files=allow_files)
                for statement in view_statements() if derived else ():
                    connection.execute(statement)
                connection.execute("SET lock_configuration = true")
            return work(connection)
        except (duckdb.IOException, ArchiveDamaged):
            connection.close()
            if _table_files(pin_tables(storage)) == files:
                raise
        except BaseException:
            connection.close()
            raise


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    storage: LocalStorage,
    tables: str,
    files: _Files,
    *,
    allow_files: bool,
) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    if not allow_files:
        # DuckDB looks where a file really is: elsewhere, once these tables are replaced.
        places = (f"{storage.locate(folder)}/" for folder in (TABLES_FOLDER, TABLES_ASIDE))
        allowed = ", ".join(map(_quoted, (tables, *places)))
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
    for table in TABLES:
        selected = _select(table, [f"{tables}{path}" for path in files[table.name]])
        connection.execute(f"CREATE VIEW {ALL_REVISIONS[table]} AS {selected}")


@contextlib.contextmanager
def damage_found() -> Iterator[None]:
    """Turns what DuckDB finds wrong with the tables into ArchiveDamaged."""
    try:
        yield
    except duckdb.Error as error:
        message = without_descriptors(str(error), TABLES_FOLDER)
        raise ArchiveDamaged(
            f"the tables cannot be read: {message.splitlines()[0]}",
            hint="`archiver reindex` rebuilds them",
        ) from None


def _table_files(tables: PinnedFolder) -> _Files:
    return {
        table.name: [
            f"{table.name}/{month}/{name}"
            for month in tables.names(table.name)
            for name in tables.names(f"{table.name}/{month}")
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
