"""One SQL query over the archive, which can only read."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from archiver.adapters.pinned import without_descriptors
from archiver.adapters.storage import LocalStorage
from archiver.adapters.views import ask
from archiver.domain.paths import TABLES_FOLDER
from archiver.errors import UsageError

_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n)*EXPLAIN\b\s*(\([\w\s,]*\)|ANALYZE\b)?(.*)", re.DOTALL | re.IGNORECASE
)
_END = re.compile(r"(?:\s|;|--[^\n]*$)+\Z", re.MULTILINE)


def checked_query(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The statement to run for ``sql``, which must be one that only reads.

    Raises UsageError when it is not. EXPLAIN ANALYZE runs what it explains, so that what is run is
    put together anew from the explanation's options and a query that was found to be one.
    """
    explained = _EXPLAIN.fullmatch(sql)
    if explained is None:
        return _checked_select(connection, sql)
    options, query = explained.groups()
    return f"EXPLAIN {options or ''}\n{_checked_select(connection, query)}"


def _checked_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = _statements(connection, sql)
    if len(statements) != 1:
        raise UsageError(
            f"one SQL statement is needed, {len(statements)} were given"
            if statements
            else "the SQL is empty"
        )
    kind = statements[0].type.name
    if kind == "SELECT":
        return sql
    if kind == "MULTI":
        # So DuckDB takes whatever has a PIVOT in it, COPY too. Only a query can be in parentheses.
        query = _END.sub("", sql)
        with contextlib.suppress(UsageError):
            _statements(connection, f"FROM (\n{query}\n)")
            return query
    raise UsageError(
        f"a query can only read, and this is {kind}",
        hint="Use SELECT (or FROM, DESCRIBE, SUMMARIZE, EXPLAIN); --output writes the result",
    )


def _statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    try:
        return connection.extract_statements(sql)
    except (duckdb.Error, ValueError, TypeError) as error:
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

    def work(connection: duckdb.DuckDBPyConnection) -> QueryResult:
        reader = connection.sql(checked_query(connection, sql)).to_arrow_reader()
        names = _distinct(reader.schema.names)
        first = next(reader, None)  # only now is it known that all files are there

        def batches() -> Iterator[pa.RecordBatch]:
            with connection, _explained():
                for batch in itertools.chain([first] if first else [], reader):
                    yield batch.rename_columns(names)

        return QueryResult(pa.schema(map(pa.Field.with_name, reader.schema, names)), batches())

    with _explained():
        return ask(storage, work, allow_files=allow_files)


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
        message = without_descriptors(str(error), TABLES_FOLDER)
        raise UsageError(f"the query failed: {message}") from None
