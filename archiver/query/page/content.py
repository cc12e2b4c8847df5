"""What the page consists of: sections, and in them charts with their tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from archiver.adapters.page.tables import Table
from archiver.query.page.charts import Spec


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
    table: Table | None
    chart: Spec | None = None
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
