r"""``\d``: what there is to ask, and what it means."""

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from archiver.domain.views import VIEWS, View
from archiver.errors import UsageError
from archiver.query.sql import QueryResult

_ATTACHED = """
SELECT name, kind FROM (
    SELECT database_name, concat_ws('.', database_name, nullif(schema_name, 'main'), table_name)
        AS name, 'table' AS kind FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT database_name, concat_ws('.', database_name, nullif(schema_name, 'main'), view_name),
        'view' FROM duckdb_views() WHERE NOT internal
) WHERE database_name NOT IN ('memory', 'system', 'temp') ORDER BY name
"""


def describe(name: str | None, ask: Callable[[str], QueryResult]) -> QueryResult:
    """The views, with what a row of each is; with ``name``, its columns.

    Raises UsageError when there is nothing of this name.
    """
    if name is None:
        attached = rows_asked(ask, _ATTACHED)
        rows = [(view.name, view.row) for view in VIEWS]
        return _result(("view", "a row is"), [*rows, *((a, f"attached {b}") for a, b in attached)])
    for view in VIEWS:
        if view.name == name.lower():
            return _columns(view)
    return _of_database(name, ask)


def rows_asked(ask: Callable[[str], QueryResult], sql: str) -> list[tuple[str, ...]]:
    """All rows of a query for texts."""
    return [tuple(row.values()) for batch in ask(sql).batches for row in batch.to_pylist()]


def _columns(view: View) -> QueryResult:
    rows = [(c.name, c.type.value, c.unit or "", c.meaning) for c in view.columns]
    return _result(("column", "type", "unit", "meaning"), rows)


def _of_database(name: str, ask: Callable[[str], QueryResult]) -> QueryResult:
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
    try:
        found = [row[:2] for row in rows_asked(ask, f"DESCRIBE {quoted}")]
    except UsageError:
        raise UsageError(
            f"there is no {name}", hint=r"`\d` lists the views, and the tables attached"
        ) from None
    return _result(("column", "type"), found)


def _result(names: Sequence[str], rows: Iterable[Sequence[str]]) -> QueryResult:
    schema = pa.schema([(name, pa.string()) for name in names])
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema)
    return QueryResult(schema, iter(table.to_batches()))
