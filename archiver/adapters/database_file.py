"""The archive's tables as a DuckDB database file that works by itself."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from archiver.adapters.derived_views import view_queries, with_sources
from archiver.domain.views import ALL_REVISIONS, VIEWS
from archiver.model.schema import Column

STORAGE_VERSION = "v1.4.0"
"""The oldest DuckDB that can read the file: the long-term support release before this one's."""
_INFO = "archive_info"


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
    quoted = str(path).replace("'", "''")
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
