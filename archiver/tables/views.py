"""DuckDB over the archive's tables: the views, and a connection that has them."""

import contextlib
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import duckdb

from archiver.adapters.derived_views import view_queries, with_sources
from archiver.adapters.pinned import PinnedFolder, without_descriptors
from archiver.domain.views import ALL_REVISIONS
from archiver.errors import ArchiveDamaged
from archiver.model.paths import TABLES_ASIDE, TABLES_FOLDER
from archiver.model.schema import TABLES, ColumnType, Table
from archiver.store.storage import LocalStorage
from archiver.tables.connect import interruptible
from archiver.tables.pin import pin_tables

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


def ask(
    storage: LocalStorage,
    work: Callable[[duckdb.DuckDBPyConnection], ResultT],
    *,
    allow_files: bool = False,
    derived: bool | Collection[str] = True,
    setup: Setup | None = None,
) -> ResultT:
    """What ``work`` gets out of a connection with the archive's views; times are UTC.

    Not ``derived``: with those of all revisions and ``fetches`` only, which are there much sooner;
    the names of others are of those that are wanted besides.
    Reads nothing outside the archive's tables unless ``allow_files``, or what ``setup`` attached.
    That it writes nothing either is what :mod:`archiver.query.sql` sees to. The connection is
    closed when ``work`` fails, else it is for ``work`` to close; until then the tables are read as
    they are now, even if others take their place. Where that cannot be and files are gone, it is
    done again with those. KeyboardInterrupt ends ``work`` at once. Raises duckdb.Error, and
    ArchiveDamaged where the tables cannot be read.
    """

    def prepared(connection: duckdb.DuckDBPyConnection, tables: PinnedFolder) -> ResultT:
        if setup is not None:
            setup(connection)
        with damage_found():
            files = table_files(tables)
            prepare(
                connection,
                storage,
                files,
                allow_files=allow_files,
                derived=derived,
                pinned=[tables.path],
            )
        return work(connection)

    while True:
        tables = pin_tables(storage)
        connection = duckdb.connect(":memory:")
        weakref.finalize(connection, tables.release)
        try:
            return interruptible(connection, partial(prepared, connection, tables))
        except (duckdb.IOException, ArchiveDamaged):
            connection.close()
            if _files(tables.names, "") == _files(pin_tables(storage).names, ""):
                raise
        except BaseException:
            connection.close()
            raise


def prepare(
    connection: duckdb.DuckDBPyConnection,
    storage: LocalStorage,
    files: Files,
    *,
    allow_files: bool = False,
    derived: bool | Collection[str] = True,
    pinned: Sequence[str] = (),
) -> None:
    """Give a connection, and all its cursors, the archive's views over these files.

    It can read nothing else then, unless ``allow_files``, or below a folder that is ``pinned``.
    Raises duckdb.Error.
    """
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    if not allow_files:
        # DuckDB looks where a file really is: elsewhere, once these tables are replaced.
        places = (f"{storage.locate(folder)}/" for folder in (TABLES_FOLDER, TABLES_ASIDE))
        allowed = ", ".join(map(_quoted, (*pinned, *places)))
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


def table_files(tables: PinnedFolder) -> Files:
    """The files that the tables consist of."""
    return _files(tables.names, tables.path)


def _files(names: Callable[[str], Sequence[str]], prefix: str) -> Files:
    return {
        table.name: [
            f"{prefix}{table.name}/{month}/{name}"
            for month in names(table.name)
            for name in names(f"{table.name}/{month}")
            if name.endswith(".parquet")
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
