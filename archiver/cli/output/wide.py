"""Tables wider than a terminal, in parts that fit: a number that is cut in two cannot be read."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from archiver.cli.output.text import printable

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
