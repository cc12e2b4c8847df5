"""The page's tables: values as people read them, with the exact ones beside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from jinja2.filters import do_filesizeformat

from archiver.query.page import wording

NOTHING = "–"
"""What stands where there is no value."""


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    SECONDS = "seconds"
    BYTES = "bytes"
    DAY = "day"
    MONTH = "month"
    MOMENT = "moment"


_TEXTS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: lambda text: wording.shortened(text, _LONGEST_TEXT),
    Kind.COUNT: wording.count,
    Kind.SHARE: wording.percent,
    Kind.SECONDS: wording.seconds,
    Kind.BYTES: do_filesizeformat,
    Kind.DAY: wording.day,
    Kind.MONTH: wording.month,
    Kind.MOMENT: wording.moment,
}
_LONGEST_TEXT = 500
_MOST_ROWS = 400
_NUMBERS = frozenset({Kind.COUNT, Kind.SHARE, Kind.SECONDS, Kind.BYTES})
_ROUNDED = frozenset({Kind.SHARE, Kind.SECONDS, Kind.BYTES, Kind.MOMENT})


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table: as it is read, and exactly (None where there is none)."""

    text: str
    exact: str | None
    is_number: bool
    is_rounded: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the name its values have in a row, its heading, what they are.

    ``missing`` is what stands for a value that is not there.
    """

    name: str
    heading: str
    kind: Kind = Kind.TEXT
    missing: str = NOTHING

    @property
    def is_number(self) -> bool:
        return self.kind in _NUMBERS


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page. The first cell of each row says what the row is of."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str | None = None


def table(
    name: str,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    of: int | None = None,
) -> Table:
    """A table of those columns of ``rows``, which are the first ``of`` so many; not of too many."""
    shown = rows[:_MOST_ROWS]
    cells = [[cell(column, row[column.name]) for column in columns] for row in shown]
    note, number = None, len(rows) if of is None else of
    if number > len(shown):
        note = f"The first {len(shown)} of {number:,}. “archiver report” in a terminal lists all."
    return Table(name, caption, columns, cells, note)


def cell(column: Column, value: Any) -> Cell:
    if value is None or value == "":
        return Cell(column.missing, None, column.is_number, False)
    return Cell(
        _TEXTS[column.kind](value), _exact(value), column.is_number, column.kind in _ROUNDED
    )


def _exact(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)
