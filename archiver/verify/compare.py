"""What the levels of an archive say of its revisions, side by side: compared by DuckDB, in sets.

Everything is in a database of its own, in limited memory; what does not fit is set aside in the
system's folder for temporary files.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Self

import duckdb
import msgspec
import pyarrow as pa

from archiver.model.rows import RevisionRows, Row
from archiver.model.schema import DOCUMENTS, TABLES, Table
from archiver.tables.write import to_arrow

_MEMORY = 512 << 20
_BATCH = 20_000
_TABLES = {
    "walked": "folder VARCHAR",
    "found": "folder VARCHAR, run_id VARCHAR, revision BIGINT, sha256 VARCHAR, session VARCHAR, "
    "has_rows BOOLEAN",
    "listed": "folder VARCHAR, sha256 VARCHAR, session VARCHAR",
    "removed": "folder VARCHAR, sha256 VARCHAR",
    "pending": "folder VARCHAR",
    "hidden": "path VARCHAR",
    "sessions": "session VARCHAR, kind VARCHAR, explains BOOLEAN",
    "unlike": "folder VARCHAR, session VARCHAR, state VARCHAR",
    "seen_again": "folder VARCHAR, state VARCHAR",
    "expected": "table_name VARCHAR, run_id VARCHAR, revision BIGINT, rows BIGINT, digest VARCHAR",
    "stored": "table_name VARCHAR, run_id VARCHAR, revision BIGINT, rows BIGINT, digest VARCHAR",
    "explained": "table_name VARCHAR, run_id VARCHAR, revision BIGINT",
}
_MACROS = (
    "run_of(folder) AS regexp_replace(folder, '/r[0-9]+$', '')",
    "id_of(folder) AS split_part(folder, '/', -2)",
    "number_of(folder) AS TRY_CAST(regexp_extract(folder, '/r([0-9]+)$', 1) AS BIGINT)",
)
_VIEWS = {
    "revision": """
        SELECT folder, session, coalesce(seen_again.state, unlike.state) AS state
        FROM unlike LEFT JOIN seen_again USING (folder)""",
    "forgetting": """
        SELECT DISTINCT run_of(folder) AS run FROM revision JOIN sessions USING (session)
        WHERE kind IN ('erase', 'prune') AND state IN ('altered', 'missing', 'unreadable')""",
    "doubtful": """
        SELECT id_of(folder) AS run_id, number_of(folder) AS revision FROM revision
        WHERE state NOT IN ('pending', 'removed', 'unrecorded') AND number_of(folder) IS NOT NULL
        UNION SELECT run_id, revision FROM found WHERE run_of(folder) IN (FROM forgetting)
        UNION SELECT run_id, revision FROM found SEMI JOIN removed USING (folder)
        UNION SELECT id_of(folder), number_of(folder) FROM removed
        WHERE run_of(folder) IN (SELECT run_of(folder) FROM pending)
        AND number_of(folder) IS NOT NULL""",
}


class RevisionState(StrEnum):
    """What has become of a revision that is not plainly as it was committed.

    ``altered``: its manifest is not what the ledger lists. ``missing``: the ledger lists it, and it
    is not there. ``unreadable``: it is there, or its folder is, and cannot be read. ``removed``: a
    tombstone names it, or it is gone again. ``pending``: a session is at work on it, or was killed.
    ``uncommitted``: it has no manifest. ``unrecorded``: its session has no record. ``forged``: no
    session committed it.
    """

    ALTERED = "altered"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    REMOVED = "removed"
    PENDING = "pending"
    UNCOMMITTED = "uncommitted"
    UNRECORDED = "unrecorded"
    FORGED = "forged"


class Comparison:
    """All that the levels of an archive say of revisions, as sets to be filled and then asked.

    ``walked``: the folders of revisions that are there. ``found``: those that were looked at, with
    the digest and session of their manifest; ``has_rows`` where it is known what the tables should
    have of them. ``listed``: what the ledger lists. ``removed``: what a tombstone names.
    ``pending``: what a journal names. ``hidden``: folders that could not be looked into.
    ``sessions``: those that the ledger tells of, by kind; one ``explains`` why no list has what it
    committed. ``unlike``: revisions that are not plainly as they were committed, by state;
    ``seen_again``: what became of some of them meanwhile; ``revision``: both in one.
    ``forgetting``: runs of which a revision is harmed that says what was removed. ``doubtful``:
    revisions whose rows nothing can be said of. ``expected`` and ``stored``: digests of rows.
    ``explained``: rows that may be missing, for their file is harmed.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="archiver-verify-")
        self._connection = duckdb.connect(":memory:")
        self._waiting: dict[str, list[Sequence[Any]]] = {name: [] for name in _TABLES}
        spill = self._folder.name.replace("'", "''")
        self._connection.execute(f"SET memory_limit = '{_MEMORY} B'")
        self._connection.execute(f"SET temp_directory = '{spill}'")
        self._connection.execute("SET preserve_insertion_order = false")
        self._connection.execute("SET TimeZone = 'UTC'")
        for name, columns in _TABLES.items():
            self._connection.execute(f"CREATE TABLE {name} ({columns})")
        for macro in _MACROS:
            self._connection.execute(f"CREATE MACRO {macro}")
        for name, query in _VIEWS.items():
            self._connection.execute(f"CREATE VIEW {name} AS {query}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
        self._folder.cleanup()

    def add(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a set; they are put there when there are many, or somebody asks."""
        waiting = self._waiting[table]
        for row in rows:
            waiting.append(row)
            if len(waiting) >= _BATCH:
                self._write_waiting(table)

    def clear(self, table: str) -> None:
        """Empty a set."""
        self._waiting[table].clear()
        self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 # names of this module's own

    def add_query(
        self, table: str, query: str, parameters: Sequence[Any] = (), **given: pa.Table
    ) -> None:
        """Add what a query gives, over tables that are ``given`` by name. Raises duckdb.Error."""
        if not given:
            self._write_waiting()
        for name, rows in given.items():
            self._connection.register(name, rows)
        self._connection.execute(f"INSERT INTO {table} BY NAME {query}", list(parameters))
        for name in given:
            self._connection.unregister(name)

    def folders(self, *states: RevisionState) -> list[str]:
        """Return the folders of the revisions in these states, in order."""
        query = "SELECT folder FROM revision WHERE list_contains(?, state) ORDER BY folder"
        return [folder for (folder,) in self.each(query, [[str(state) for state in states]])]

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Return the rows of a query as an Arrow table. Raises duckdb.Error."""
        self._write_waiting()
        return self._connection.sql(query, params=list(parameters)).to_arrow_table()

    def each(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query over the sets. Raises duckdb.Error."""
        self._write_waiting()
        cursor = self._connection.cursor()
        cursor.execute(query, list(parameters))
        while rows := cursor.fetchmany(1_000):
            yield from rows

    def _write_waiting(self, *tables: str) -> None:
        """Put what waits into its set."""
        for table in tables or _TABLES:
            rows = self._waiting[table]
            if rows:
                names = [column.split()[0] for column in _TABLES[table].split(", ")]
                columns = map(list, zip(*rows, strict=True))
                new = pa.table(dict(zip(names, columns, strict=True)))
                rows.clear()
                self.add_query(table, "FROM new", new=new)


PROJECTED = tuple(table for table in TABLES if not table.is_log)
_LONG = {DOCUMENTS: ("output", "document")}
"""Columns with long texts. Their digests stand for them, which needs neither JSON nor room."""
_TEXT = "VARCHAR"


def digest_query(table: Table, source: str) -> str:
    """Return the query that gives, of each revision's rows in ``source``, their number and digest.

    Columns: table_name, run_id, revision, rows, digest. Times must be shown in UTC.
    """
    columns = ", ".join(f'"{name}"' for name in table.column_names)
    return (
        f"SELECT '{table.name}' AS table_name, run_id, revision, count(*) AS rows, "  # noqa: S608 # names of the project's own
        f"sha256(string_agg(row, '' ORDER BY row)) AS digest FROM ("
        f"SELECT run_id, revision, sha256(to_json(t)::VARCHAR) AS row "
        f"FROM (SELECT {columns} FROM {source}) AS t) GROUP BY run_id, revision"
    )


def rows_with_digests(table: Table, source: str) -> str:
    """Return the rows of a table in ``source`` as SQL, with digests in place of long texts."""
    if table not in _LONG:
        return source
    digests = ", ".join(
        f"typeof({name}) || ':' || sha256({name}::{_TEXT}) AS {name}" for name in _LONG[table]
    )
    return f"(SELECT * REPLACE ({digests}) FROM {source})"  # noqa: S608 # names of the project's own


def with_digests(rows: RevisionRows) -> RevisionRows:
    """Return a revision's rows with digests in place of long texts, so that many can wait."""
    if rows.document is None:
        return rows
    document = tuple(
        _digest(value) if name in _LONG[DOCUMENTS] else value
        for name, value in zip(DOCUMENTS.column_names, rows.document, strict=True)
    )
    return msgspec.structs.replace(rows, document=document)


def as_tables(rows: Sequence[RevisionRows]) -> dict[str, pa.Table]:
    """Return the rows of some revisions, by table, as they would be written."""
    by_table: dict[str, list[Row]] = {table.name: [] for table in PROJECTED}
    for one in rows:
        for table, of_table in one.by_table():
            by_table[table.name].extend(of_table)
    return {table.name: to_arrow(table, by_table[table.name]) for table in PROJECTED}


def _digest(text: object) -> str | None:
    if text is None:
        return None
    return f"{_TEXT}:{hashlib.sha256(str(text).encode()).hexdigest()}"
