"""What the page consists of: sections, and in them charts with their tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any

from jinja2.filters import do_filesizeformat

from archiver.query.page import wording
from archiver.query.page.charts import Chart

NOTHING = "–"
"""What stands where there is no value."""


class ColumnKind(Enum):
    """What a column holds."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    SECONDS = "seconds"
    BYTES = "bytes"
    DAY = "day"
    MONTH = "month"
    MOMENT = "moment"


_TEXTS: dict[ColumnKind, Callable[[Any], str]] = {
    ColumnKind.TEXT: lambda text: wording.shortened(text, _LONGEST_TEXT),
    ColumnKind.COUNT: wording.count,
    ColumnKind.SHARE: wording.percent,
    ColumnKind.SECONDS: wording.seconds,
    ColumnKind.BYTES: do_filesizeformat,
    ColumnKind.DAY: wording.day,
    ColumnKind.MONTH: wording.month,
    ColumnKind.MOMENT: wording.moment,
}
_LONGEST_TEXT = 500
_MOST_ROWS = 400
_NUMBERS = frozenset({ColumnKind.COUNT, ColumnKind.SHARE, ColumnKind.SECONDS, ColumnKind.BYTES})
_ROUNDED = frozenset({ColumnKind.SHARE, ColumnKind.SECONDS, ColumnKind.BYTES, ColumnKind.MOMENT})


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table: as it is read, and exactly (None where there is none)."""

    text: str
    exact: str | None
    is_number: bool
    is_rounded: bool


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A column: the name its values have in a row, its heading, what they are.

    ``missing`` is what stands for a value that is not there.
    """

    name: str
    heading: str
    kind: ColumnKind = ColumnKind.TEXT
    missing: str = NOTHING

    @property
    def is_number(self) -> bool:
        return self.kind in _NUMBERS


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of the page. The first cell of each row says what the row is of."""

    name: str
    caption: str
    columns: Sequence[PageColumn]
    rows: Sequence[Sequence[Cell]]
    note: str | None = None


def table(
    name: str,
    caption: str,
    columns: Sequence[PageColumn],
    rows: Sequence[Mapping[str, Any]],
    of: int | None = None,
) -> PageTable:
    """Return a table of those columns of ``rows``, cut where there are too many.

    ``of`` is how many rows there are in all, where ``rows`` are only the first.
    """
    shown = rows[:_MOST_ROWS]
    cells = [[cell(column, row[column.name]) for column in columns] for row in shown]
    note, number = None, len(rows) if of is None else of
    if number > len(shown):
        note = f"The first {len(shown)} of {number:,}. “archiver report” in a terminal lists all."
    return PageTable(name, caption, columns, cells, note)


def cell(column: PageColumn, value: Any) -> Cell:
    """Return a value as the column shows it."""
    if value is None or value == "":
        return Cell(column.missing, None, column.is_number, False)
    return Cell(
        _TEXTS[column.kind](value), _exact(value), column.is_number, column.kind in _ROUNDED
    )


def _exact(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure at the top of the page.

    ``exact`` is the value unrounded. ``change`` says how it was before, and ``tone`` whether that
    is ``good``, ``bad`` or neither (empty).
    """

    name: str
    label: str
    value: str
    exact: str
    detail: str
    change: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, what it shows in one sentence, and its numbers as a table.

    Without ``chart`` there is nothing to draw; ``is_open`` shows the table without being asked.
    """

    name: str
    title: str
    message: str
    table: PageTable | None
    chart: Chart | None = None
    description: str = ""
    notes: Sequence[str] = ()
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A screenshot to show (a ``data:`` address), or why none is shown."""

    source: str | None
    why_not: str = ""
    path: str | None = None


@dataclass(frozen=True, slots=True)
class FailedRun:
    """An example of a failure."""

    run_id: str
    status: str
    run_type: str
    created: str
    reason: str
    folder: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason of failures with its examples."""

    rank: int
    text: str
    summary: str
    runs: Sequence[FailedRun]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading of its own."""

    name: str
    heading: str
    sentences: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    title: str
    period: str
    generated: str
    generated_exact: str
    filters: Sequence[str]
    location: str
    summary: str
    headlines: Sequence[Headline]
    sections: Sequence[Section] = field(default_factory=tuple)
