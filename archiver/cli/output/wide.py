"""Tables on a terminal, in parts where they are wider: a number that is cut cannot be read."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archiver.cli.output.text import printable

_ANY_WIDTH = 1_000_000
_NEWLINE = "\n"
_FOLDED = 24
"""Characters that a column of longer texts keeps at least; and so that words, such as ids, stay
whole, up to as many as the longest word has,"""
_WORD = 30
"""or this."""
_BORDERS = 3
"""What each column takes besides its text: a line, and a space on either side."""
_NAMES = 2
"""Columns at most that say whose the others are."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A column of a part: its place in the whole table, its heading, and how wide its text is."""

    index: int
    heading: str
    width: int


@dataclass(frozen=True, slots=True)
class _Sized:
    """A column, how wide it must be, and how wide it is where nothing is folded."""

    index: int
    heading: str
    least: int
    most: int


def parts(
    columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], width: int
) -> list[list[Placed]]:
    """A table's columns in parts that fit ``width``, as far as a part of few columns can.

    Of each column its name is given, and whether it holds numbers. What names a row, the texts
    before the first number, begins each part: two at most, in half of the width. Headings and long
    texts are folded, numbers never.
    """
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    sized = [
        _sized(index, name, is_number, cells[index])
        for index, (name, is_number) in enumerate(columns)
    ]
    first_number = next((n for n, (_, is_number) in enumerate(columns) if is_number), 0)
    names = sized[: min(first_number, _NAMES)]
    while len(names) > 1 and 2 * _width(names) > width:
        names.pop()
    found = [list(names)]
    for column in sized[len(names) :]:
        if len(found[-1]) > len(names) and _width([*found[-1], column]) > width:
            found.append(list(names))
        found[-1].append(column)
    return [_placed(part, width) for part in found]


def _sized(index: int, name: str, is_number: bool, cells: Sequence[str]) -> _Sized:
    shown = list(map(printable, cells))
    longest = max(map(cell_len, shown), default=0)
    needed = longest
    if not is_number:
        word = max((cell_len(word) for cell in shown for word in cell.split()), default=0)
        needed = min(longest, max(_FOLDED, min(word, _WORD)))
    lines = textwrap.wrap(name, max(needed, 1), break_long_words=False)
    heading = max(map(len, lines), default=0)
    return _Sized(index, "\n".join(lines), max(needed, heading), max(longest, heading))


def _width(part: Sequence[_Sized]) -> int:
    return sum(column.least + _BORDERS for column in part) + 1


def _placed(part: Sequence[_Sized], width: int) -> list[Placed]:
    """The columns of a part, with what room is left given to those that would be folded."""
    left = max(width - _width(part), 0)
    widths = {}
    for number, column in enumerate(sorted(part, key=lambda column: column.most - column.least)):
        more = min(column.most - column.least, left // (len(part) - number))
        widths[column.index] = column.least + more
        left -= more
    return [Placed(column.index, column.heading, widths[column.index]) for column in part]


def print_table(
    columns: Sequence[tuple[str, bool]],
    rows: Iterable[Sequence[str]],
    out: Any,
    widths: Sequence[int] = (),
    *,
    width: int | None = None,
    encoding: str | None = None,
) -> None:
    """Print a table for people; of each column the name, and whether it holds numbers.

    Where no column has a name there is no heading. ``widths`` say how wide the columns are,
    whose names then have line ends where they are folded; else they are as wide as they must, or
    as there is room. Without ``width`` that is the terminal's;
    off a terminal nothing limits it: what is cut off cannot be searched. ``encoding`` is that of
    where the text goes, else it is that of ``out``.
    """
    table = Table(
        box=box.ROUNDED if _is_unicode(encoding or getattr(out, "encoding", None)) else box.ASCII2,
        show_header=any(name for name, _ in columns),
    )
    for index, (name, is_numeric) in enumerate(columns):
        justify: Literal["left", "right"] = "right" if is_numeric else "left"
        fixed = widths[index] if widths else None
        heading = Text(printable(name, keep=_NEWLINE if widths else ""))
        table.add_column(heading, justify=justify, overflow="fold", width=fixed)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    limited = width is not None or out.isatty()
    console = Console(file=out, width=width if limited else _ANY_WIDTH, highlight=False)
    console.print(table, soft_wrap=not limited, crop=limited)


def table_width(out: Any) -> int:
    """How wide a table may be. Off a terminal nothing limits it: what is cut is not found again."""
    return Console(file=out).width if out.isatty() else _ANY_WIDTH


def _is_unicode(encoding: str | None) -> bool:
    return "utf" in (encoding or "utf-8").lower()
