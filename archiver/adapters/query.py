"""One SQL query over the archive, which can only read."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from archiver.adapters.storage import LocalStorage
from archiver.adapters.views import connect
from archiver.errors import UsageError

_READING = {"SELECT", "EXPLAIN", "MULTI"}
"""Statement types that only read; MULTI is how DuckDB parses PIVOT."""
_LEADING_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_EXPLAIN = re.compile(r"EXPLAIN\b\s*(?:\([^)]*\)|ANALYZE\b)?", re.IGNORECASE)
_QUERY_BEGINS = re.compile(r"(?:PIVOT|PIVOT_WIDER|SELECT|FROM|WITH|VALUES)\b|\(", re.IGNORECASE)
"""How a MULTI statement begins that is a query, not one that writes what a PIVOT gives."""


def checked_query(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """``sql`` if it is one statement that only reads. Raises UsageError when it is not."""
    statements = _statements(connection, sql)
    if len(statements) != 1:
        raise UsageError(
            f"one SQL statement is needed, {len(statements)} were given"
            if statements
            else "the SQL is empty"
        )
    kind = _kind(connection, statements[0])
    if kind not in _READING:
        raise UsageError(
            f"a query can only read, and this is {kind}",
            hint="Use SELECT (or FROM, DESCRIBE, SUMMARIZE, EXPLAIN); --output writes the result",
        )
    return sql


def _kind(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> str:
    """What a statement does: of EXPLAIN, which may run it, what is explained."""
    kind, text = statement.type.name, _LEADING_COMMENTS.sub("", statement.query, count=1)
    if kind == "EXPLAIN":
        inner = _statements(connection, _EXPLAIN.sub("", text, count=1))
        return _kind(connection, inner[0]) if len(inner) == 1 else kind
    if kind == "MULTI" and not _QUERY_BEGINS.match(text):
        # EXPLAIN ANALYZE runs what it explains, and what that is cannot be seen around a PIVOT.
        return f"{text.split(maxsplit=1)[0].upper()} with PIVOT"
    return kind


def _statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    try:
        return connection.extract_statements(sql)
    except (duckdb.Error, ValueError) as error:
        raise UsageError(f"the SQL cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's result: its columns, and its rows in batches that can be read once.

    Reading the batches raises UsageError where the query fails on the way.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def run_query(storage: LocalStorage, sql: str, *, allow_files: bool = False) -> QueryResult:
    """The result of one query that only reads. Raises UsageError when it cannot be run."""
    connection = connect(storage, allow_files=allow_files)
    statement = checked_query(connection, sql)
    with _explained():
        relation = connection.sql(statement)
        reader = relation.to_arrow_reader()

    names = _distinct(reader.schema.names)

    def batches() -> Iterator[pa.RecordBatch]:
        with connection, _explained():
            for batch in reader:
                yield batch.rename_columns(names)

    return QueryResult(pa.schema(map(pa.Field.with_name, reader.schema, names)), batches())


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, each once: a row as a JSON object, or in pandas, has no two of a name."""
    distinct: dict[str, None] = {}
    for name in names:
        numbers = itertools.count(1)
        unique = name
        while unique in distinct:
            unique = f"{name}_{next(numbers)}"
        distinct[unique] = None
    return list(distinct)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise UsageError(f"the query failed: {error}") from None
