"""Results for people: as a table, or line by line, and how a terminal shows them."""

import io
import itertools
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import click

from archiver.cli.output.pager import has_pager, page
from archiver.cli.output.text import counted, printable
from archiver.cli.output.values import is_number, rows_of
from archiver.cli.output.wide import print_table
from archiver.model.rows import text_of
from archiver.query.sql import QueryResult

_READABLE = 12
"""Characters that each column should have: a table of many is not folded, but scrolled."""
_NEWLINE = "\n"
_Table: TypeAlias = tuple[Sequence[tuple[str, bool]], Iterable[Sequence[str]]]
"""The columns, each with its name and whether it holds numbers, and the rows as texts."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a terminal is shown: at most ``max_rows`` rows (0: all), what does not fit in a pager.

    ``all_rows`` says how to see them all.
    """

    max_rows: int = 1_000
    pager: bool = True
    all_rows: str = "--max-rows 0"


def write_table(result: QueryResult, out: Any) -> None:
    """A table with all rows, or the plan that EXPLAIN gives."""
    if result.is_plan:
        out.write(_plan(rows_of(result)))
    else:
        print_table(*_cells(result, rows_of(result)), out)


def write_lines(result: QueryResult, out: Any) -> None:
    """All rows, with a line for each column."""
    names = [printable(name) for name in result.schema.names]
    for number, row in enumerate(rows_of(result), 1):
        out.write(_lines(names, number, row))


def show(result: QueryResult, screen: Screen, *, lines: bool = False) -> None:
    """Show a result on the terminal that standard output is."""
    rows: Any = rows_of(result)
    limited = list(itertools.islice(rows, screen.max_rows or None))
    is_cut = next(rows, None) is not None
    rows.close()
    terminal = shutil.get_terminal_size()
    is_paged = screen.pager and has_pager()
    text = io.StringIO()
    if lines:
        names = [printable(name) for name in result.schema.names]
        text.writelines(_lines(names, number, row) for number, row in enumerate(limited, 1))
    elif result.is_plan:
        text.write(_plan(limited))
    else:
        scrolls = is_paged and len(result.schema) * _READABLE > terminal.columns
        columns, cells = _cells(result, limited)
        width = None if scrolls else terminal.columns
        print_table(columns, cells, text, width=width, encoding=sys.stdout.encoding)
    if is_paged:
        page(text.getvalue())
    else:
        click.echo(text.getvalue(), nl=False)
    if is_cut:
        click.echo(
            f"the first {counted(len(limited), 'row is', 'rows are')} shown; "
            f"{screen.all_rows} shows all",
            err=True,
        )


def _plan(rows: Iterable[Sequence[Any]]) -> str:
    return "".join(printable(str(row[-1]), keep=_NEWLINE) for row in rows)


def _lines(names: Sequence[str], number: int, row: Sequence[Any]) -> str:
    width = max(map(len, names), default=0)
    cells = (
        f"{name:<{width}}  {printable(text_of(value))}".rstrip()
        for name, value in zip(names, row, strict=True)
    )
    return f"row {number}\n" + "".join(f"  {cell}\n" for cell in cells)


def _cells(result: QueryResult, rows: Iterable[Sequence[Any]]) -> _Table:
    columns = [(field.name, is_number(field.type)) for field in result.schema]
    return columns, (list(map(text_of, row)) for row in rows)
