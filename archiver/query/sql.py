"""One SQL query over the archive, which can only read."""

import contextlib
import itertools
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from archiver.errors import SystemLimit, UsageError
from archiver.model.paths import TABLES_FOLDER
from archiver.store.storage import LocalStorage
from archiver.system.folders import without_descriptors
from archiver.tables.connect import database_path, interruptible, limit_in
from archiver.tables.views import open_tables

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TAKEN = frozenset({"main", "memory", "system", "temp", "pg_catalog", "information_schema"})
"""Names of DuckDB's own."""
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Attached:
    """A database file, and the name under which queries find its tables."""

    path: Path
    name: str

    @classmethod
    def parse(cls, text: str) -> "Attached":
        """Of ``FILE`` or ``FILE=NAME``; without a name it is the file's, without its ending.

        Raises UsageError when the name is none that SQL can have without quotes.
        """
        file, equals, name = text.rpartition("=")
        if not equals or not _NAME.fullmatch(name):
            file, name = text, Path(text).stem
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be the name of a database in SQL",
                hint=f"Give it one of letters, digits and _: {file}=NAME",
            )
        if name.lower() in _TAKEN:
            raise UsageError(
                f"{name} is a name that DuckDB has itself", hint=f"Give it another: {file}=NAME"
            )
        return cls(Path(file), name)


def attach(connection: duckdb.DuckDBPyConnection, database: Attached) -> None:
    """Attach a database to read. Raises UsageError that says why it cannot be."""
    path = database.path.absolute()
    try:
        with path.open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if is_sqlite:
        raise UsageError(
            f"{path} is a SQLite database, and only DuckDB's can be attached",
            hint="DuckDB's own command makes one of it: "
            "ATTACH … (TYPE sqlite), then COPY FROM DATABASE … TO …",
        )
    quoted = database_path(path)
    try:
        connection.execute(f"ATTACH '{quoted}' AS \"{database.name}\" (TYPE duckdb, READ_ONLY)")
    except duckdb.BinderException:
        raise UsageError(f"two databases are to be attached as {database.name}") from None
    except duckdb.Error as error:
        raise _attach_error(path, str(error)) from None


def _attach_error(path: Path, text: str) -> UsageError:
    if "Could not set lock" in text:
        return UsageError(
            f"{path} is open in another process that may write",
            hint="Wait until it has ended, or attach a copy",
        )
    if "newer version of DuckDB" in text:
        return UsageError(
            f"{path} is of a newer DuckDB than the one that reads it, {duckdb.__version__}",
            hint="Install a newer duckdb, or write the file with an older STORAGE_VERSION",
        )
    if "not a valid DuckDB database" in text:
        return UsageError(f"{path} is no DuckDB database")
    return UsageError(f"cannot attach {path}: {text.splitlines()[0]}")


_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n)*EXPLAIN\b\s*(\([\w\s,]*\)|ANALYZE\b)?(.*)", re.DOTALL | re.IGNORECASE
)
_TEXT_HINT = "A parameter is a text until it is cast: $name::BIGINT, $name::TIMESTAMPTZ"
_END = re.compile(r"(?:\s|;|--[^\n]*$)+\Z", re.MULTILINE)


def ends_statement(text: str) -> bool:
    """Whether the last of ``text``, besides comments, is a semicolon that ends a statement."""
    ends = False
    for offset, kind in duckdb.tokenize(text):
        if kind != duckdb.token_type.comment:
            ends = kind == duckdb.token_type.operator and text.encode()[offset : offset + 1] == b";"
    return ends


def split_statements(text: str) -> list[str]:
    """The statements of ``text``, which is one where it cannot be read as SQL."""
    try:
        return [statement.query for statement in duckdb.extract_statements(text)]
    except (duckdb.Error, ValueError, TypeError):
        return [text]


Parameters: TypeAlias = Mapping[str, Any]
"""Values for ``$name`` in the SQL. A text is taken for what it stands beside, as in quotes."""


def checked_query(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The statement to run for ``sql``, which must be one that only reads.

    Raises UsageError when it is not. EXPLAIN ANALYZE runs what it explains, so that what is run is
    put together anew from the explanation's options and a query that was found to be one.
    """
    explanation = _EXPLAIN.fullmatch(sql)
    if explanation is None:
        return _checked_select(connection, sql)
    options, query = explanation.groups()
    return f"EXPLAIN {options or ''} {_checked_select(connection, query)}"


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


def bound(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Parameters,
    *,
    spare: bool = False,
) -> dict[str, Any]:
    """The values to run a checked query with: one for each parameter that it has.

    Raises UsageError for one that is missing, and, unless there may be ``spare`` ones, for one that
    the query does not have.
    """
    (*_, statement) = connection.extract_statements(query)
    names = {name.lower(): name for name in statement.named_parameters}
    values = {}
    for name, value in parameters.items():
        if name.lower() in names:
            values[names[name.lower()]] = value
        elif not spare:
            raise UsageError(
                f"the SQL has no parameter ${name}"
                + (f", it has {_listed(names.values())}" if names else ""),
                hint="In a shell, put the SQL in single quotes: in double quotes $ is the shell's",
            )
    if missing := set(names.values()) - values.keys():
        raise UsageError(f"the SQL needs a value for {_listed(missing)}")
    return values


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(names))


@dataclass(frozen=True, slots=True)
class Limits:
    """How many ``seconds`` a query may take, and how many bytes of ``memory``; None: no limit."""

    seconds: float | None = None
    memory: int | None = None

    def set(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a connection take no more memory."""
        if self.memory is not None:
            connection.execute(f"SET memory_limit = '{self.memory} B'")

    @contextlib.contextmanager
    def running(self, connection: duckdb.DuckDBPyConnection, spent: list[float]) -> Iterator[None]:
        """Interrupt what runs when its time is up, and note what it ``spent``, in seconds.

        Raises SystemLimit then.
        """
        begun = time.monotonic()
        is_over = threading.Event()

        def end() -> None:
            is_over.set()
            with contextlib.suppress(duckdb.Error):  # it has just ended
                connection.interrupt()

        timer = threading.Timer(max(0, (self.seconds or 0) - sum(spent)), end)
        timer.daemon = True
        if self.seconds is not None:
            timer.start()
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError):
            if not is_over.is_set():
                raise
            raise SystemLimit(
                f"the query takes longer than {self.seconds:g} s",
                hint="Give it more time with --timeout, or ask for less",
            ) from None
        finally:
            timer.cancel()
            spent.append(time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's result: its columns, and its rows in batches that can be read once.

    ``is_plan``: it is what EXPLAIN says, a text in the last column of each row. Reading the batches
    raises UsageError where the query fails on the way, and can be ended by KeyboardInterrupt.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    is_plan: bool = False


def run_query(
    storage: LocalStorage,
    sql: str,
    *,
    parameters: Parameters | None = None,
    spare: bool = False,
    attached: Sequence[Attached] = (),
    allow_files: bool = False,
    limits: Limits | None = None,
) -> QueryResult:
    """The result of one query that only reads. Raises UsageError when it cannot be run, SystemLimit
    where a limit of the machine's or one of ``limits`` is met.

    There may be ``spare`` parameters that it does not have. The databases ``attached`` can be read.
    """

    limits = limits or Limits()
    spent: list[float] = []

    def setup(connection: duckdb.DuckDBPyConnection) -> None:
        limits.set(connection)
        for database in attached:
            attach(connection, database)

    def work(connection: duckdb.DuckDBPyConnection) -> QueryResult:
        query = checked_query(connection, sql)
        values = bound(connection, query, parameters or {}, spare=spare)
        with limits.running(connection, spent):
            reader = connection.sql(query, params=values or None).to_arrow_reader()
            names = _distinct(reader.schema.names)
            first = next(reader, None)  # only now is it known that all files are there

        def batches() -> Iterator[pa.RecordBatch]:
            with connection, query_errors():
                batch = first
                while batch is not None:
                    yield batch.rename_columns(names)
                    with limits.running(connection, spent):
                        batch = interruptible(connection, lambda: next(reader, None))

        schema = pa.schema(map(pa.Field.with_name, reader.schema, names))
        return QueryResult(schema, batches(), _EXPLAIN.fullmatch(query) is not None)

    with query_errors():
        return open_tables(storage, work, allow_files=allow_files, setup=setup)


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
def query_errors() -> Iterator[None]:
    """Turns what is wrong with a query into UsageError, limits of the machine into SystemLimit."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if (limit := limit_in(error)) is not None:
            raise limit from None
        hint = _TEXT_HINT if "STRING_LITERAL" in str(error) else None
        message = without_descriptors(str(error), TABLES_FOLDER)
        raise UsageError(f"the query failed: {message}", hint=hint) from None
