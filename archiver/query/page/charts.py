"""The page's charts: what each shows. How it is drawn stands in ``charts.json.j2``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from archiver.query.page import wording

Values: TypeAlias = Sequence[Mapping[str, Any]]
Span: TypeAlias = tuple[int, int]
"""Where a time axis begins and ends: milliseconds since 1970, UTC."""

_LABEL_LENGTH = 160


@dataclass(frozen=True, slots=True)
class StackedOverTime:
    """Bars on a time axis that has room for ``bars``, cut by status; each has its colour.

    ``values`` have ``at`` (milliseconds, UTC), ``name``, ``place`` (of the part in the bar),
    ``runs``, ``all`` and ``period``, of which ``period`` is the heading.
    """

    macro: ClassVar = "stacked_over_time"
    values: Values
    span: Span
    bars: int
    colors: Mapping[str, str]
    period: str


@dataclass(frozen=True, slots=True)
class LinesOverTime:
    """Lines on a time axis, which break where there is no value; each has its colour.

    ``values`` have ``at`` (milliseconds, UTC), ``name``, ``value`` (None where there is none),
    ``text`` (the same for people), ``runs`` (of which it tells) and ``period``. The axis of values
    has ``title`` and writes numbers in the format ``tick`` (of d3-format).
    """

    macro: ClassVar = "lines_over_time"
    values: Values
    span: Span
    colors: Mapping[str, str]
    period: str
    title: str
    tick: str


@dataclass(frozen=True, slots=True)
class StackedGroups:
    """Bars side by side, one for each of ``groups``, cut by outcome; each has its colour.

    ``values`` have ``group``, ``name``, ``place`` (of the outcome in the bar), ``runs``, ``all``.
    """

    macro: ClassVar = "stacked_groups"
    values: Values
    groups: Sequence[str]
    colors: Mapping[str, str]
    title: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """Bars one below the other, each under its label, which may be long.

    ``values`` have ``rank``, ``label``, ``value`` and ``text`` (the value for people).
    """

    macro: ClassVar = "ranked"
    values: Values
    color: str


Chart: TypeAlias = StackedOverTime | LinesOverTime | StackedGroups | Ranked


def label(text: str) -> str:
    """Return a text as a chart has it: on one line, and not longer than any screen is wide."""
    return wording.on_one_line(text, _LABEL_LENGTH)
