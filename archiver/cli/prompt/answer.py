"""One question to the archive, from the shell or at the prompt, and its answer."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import click
import pyarrow as pa

from archiver.cli.output.formats import write_result
from archiver.cli.output.tables import Screen
from archiver.errors import UsageError
from archiver.model.schema import VIEWS, View
from archiver.query.sql import QueryResult
from archiver.system.atomic import require_outside

_ATTACHED = """
SELECT name, kind FROM (
    SELECT database_name, concat_ws('.', database_name, nullif(schema_name, 'main'), table_name)
        AS name, 'table' AS kind FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT database_name, concat_ws('.', database_name, nullif(schema_name, 'main'), view_name),
        'view' FROM duckdb_views() WHERE NOT internal
) WHERE database_name NOT IN ('memory', 'system', 'temp') ORDER BY name
"""


def describe(name: str | None, run_query: Callable[[str], QueryResult]) -> QueryResult:
    """The views, with what a row of each is; with ``name``, its columns.

    Raises UsageError when there is nothing of this name.
    """
    if name is None:
        attached = rows_asked(run_query, _ATTACHED)
        rows = [(view.name, view.row) for view in VIEWS]
        return _result(("view", "a row is"), [*rows, *((a, f"attached {b}") for a, b in attached)])
    for view in VIEWS:
        if view.name == name.lower():
            return _columns(view)
    return _of_database(name, run_query)


def rows_asked(run_query: Callable[[str], QueryResult], sql: str) -> list[tuple[str, ...]]:
    """All rows of a query for texts."""
    return [tuple(row.values()) for batch in run_query(sql).batches for row in batch.to_pylist()]


def _columns(view: View) -> QueryResult:
    rows = [(c.name, c.type.value, c.unit or "", c.meaning) for c in view.columns]
    return _result(("column", "type", "unit", "meaning"), rows)


def _of_database(name: str, run_query: Callable[[str], QueryResult]) -> QueryResult:
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
    try:
        found = [row[:2] for row in rows_asked(run_query, f"DESCRIBE {quoted}")]
    except UsageError:
        raise UsageError(
            f"there is no {name}", hint=r"`\d` lists the views, and the tables attached"
        ) from None
    return _result(("column", "type"), found)


def _result(names: Sequence[str], rows: Iterable[Sequence[str]]) -> QueryResult:
    schema = pa.schema([(name, pa.string()) for name in names])
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema)
    return QueryResult(schema, iter(table.to_batches()))


RunQuery: TypeAlias = Callable[[str], QueryResult]
"""Runs one SQL statement."""
DESCRIBE = "\\d"


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers of ``archive`` are written: the format, the file (none: standard output), with
    the time or not, and what a terminal is shown.
    """

    archive: Path
    format: str = "table"
    output: Path | None = None
    timing: bool = False
    screen: Screen = dataclasses.field(default_factory=Screen)


def answer(text: str, run_query: RunQuery, settings: Settings) -> None:
    r"""Run a statement, or describe what ``\d`` names, and write what comes of it."""
    output = settings.output
    require_outside(output, settings.archive)
    words = text.rstrip(";").split()
    if words[:1] == [DESCRIBE]:
        result = describe(words[1] if len(words) > 1 else None, run_query)
        write_result(result, settings.format, output, settings.screen)
        return
    clock = _Clock()
    result = clock.timed(lambda: run_query(text))
    batches = clock.iterated(result.batches)
    result = dataclasses.replace(result, batches=batches)
    write_result(result, settings.format, output, settings.screen)
    if settings.timing:
        click.echo(f"{clock.seconds:.3f} s", err=True)


class _Clock:
    """Counts the time that DuckDB takes, not that of writing, nor of reading in a pager."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, work: Callable[[], QueryResult]) -> QueryResult:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds += time.perf_counter() - started

    def iterated(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch
