"""Digests of rows: to compare what the tables hold with what they should, without keeping it."""

import hashlib
from collections.abc import Sequence

import msgspec
import pyarrow as pa

from archiver.model.rows import RevisionRows, Row
from archiver.model.schema import DOCUMENTS, TABLES, Table
from archiver.tables.write import to_arrow

PROJECTED = tuple(table for table in TABLES if not table.is_log)
_LONG = {DOCUMENTS: ("output", "document")}
"""Columns with long texts. Their digests stand for them, which needs neither JSON nor room."""
_TEXT = "VARCHAR"


def digest_query(table: Table, source: str) -> str:
    """The query that gives, of each revision's rows in ``source``, their number and digest.

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
    """The rows of a table in ``source``, with digests in place of long texts."""
    if table not in _LONG:
        return source
    digests = ", ".join(
        f"typeof({name}) || ':' || sha256({name}::{_TEXT}) AS {name}" for name in _LONG[table]
    )
    return f"(SELECT * REPLACE ({digests}) FROM {source})"  # noqa: S608 # names of the project's own


def with_digests(rows: RevisionRows) -> RevisionRows:
    """A revision's rows with digests in place of long texts, so that many can wait."""
    if rows.document is None:
        return rows
    document = tuple(
        _digest(value) if name in _LONG[DOCUMENTS] else value
        for name, value in zip(DOCUMENTS.column_names, rows.document, strict=True)
    )
    return msgspec.structs.replace(rows, document=document)


def as_tables(rows: Sequence[RevisionRows]) -> dict[str, pa.Table]:
    """The rows of some revisions, by table, as they would be written."""
    by_table: dict[str, list[Row]] = {table.name: [] for table in PROJECTED}
    for one in rows:
        for table, of_table in one.by_table():
            by_table[table.name].extend(of_table)
    return {table.name: to_arrow(table, by_table[table.name]) for table in PROJECTED}


def _digest(text: object) -> str | None:
    if text is None:
        return None
    return f"{_TEXT}:{hashlib.sha256(str(text).encode()).hexdigest()}"
