"""Types of values that options have: paths, spans of time, moments, sizes, shares, texts."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from archiver.model.ids import parse_timestamp
from archiver.model.urls import without_query

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*([smhdwy]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_SCHEME = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]+://"
    r"|(?:s3[an]?|gs|gcs|az|azure|abfss?|adl|wasbs?|r2|oss|file|https?|ftps?|sftp|hdfs|(?:web)?dav):/",
    re.IGNORECASE,
)
"""How a URL begins: with one slash where a known scheme is before it, as where one was lost."""
_LONGEST = 36_500 * 86_400
_MODE = re.compile(r"0?6[046][046]", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?", re.ASCII | re.IGNORECASE)


def _is_text(path: str) -> bool:
    """Whether a path is UTF-8, as DuckDB and JSON need it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class Location(click.Path):
    """A folder or file of this machine; a ``~`` at its beginning is the user's home.

    A path that is not UTF-8 is refused before anything is done: DuckDB could not read there.

    Where ``endings`` are given, a name that ends in another is refused: what would be in the file
    is not what the ending says.
    """

    def __init__(self, *, endings: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(path_type=Path, **options)
        self._endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = os.fspath(value)
        if (scheme := _SCHEME.match(text)) is not None:
            self.fail(
                f"{without_query(text)!r} cannot be used: {scheme[0]} is not supported. Name a "
                "folder or a file",
                param,
                ctx,
            )
        if not _is_text(os.path.realpath(text)):
            self.fail(f"{text!r} has bytes in its full path that are no UTF-8", param, ctx)
        ending = Path(text).suffix.lower()
        if ending and self._endings and ending not in self._endings:
            self.fail(f"{text!r} does not end in {' or '.join(self._endings)}", param, ctx)
        try:
            return super().convert(Path(text).expanduser(), param, ctx)
        except RuntimeError:
            self.fail(f"{text!r} begins with the home of a user that there is not", param, ctx)


class Duration(click.ParamType[timedelta]):
    """A span of time: ``30s``, ``10m``, ``2h``, ``1d``, ``2w``, ``7y`` (of 365.25 days), or ``0``.

    A number without a unit is refused: some mean seconds by it, others minutes or days. But for a
    timeout (``in_seconds``) it is seconds, as everywhere.
    """

    name = "duration"

    def __init__(self, *, in_seconds: bool = False) -> None:
        self._in_seconds = in_seconds

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no duration: use 30s, 10m, 2h, 1d, 2w or 7y", param, ctx)
        if not match[2] and float(match[1]) and not self._in_seconds:
            self.fail(f"{value!r} has no unit: use 30s, 10m, 2h, 1d, 2w or 7y", param, ctx)
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST:
            self.fail(f"{value!r} is longer than a hundred years", param, ctx)
        return timedelta(seconds=seconds)


class Size(click.ParamType[int]):
    """A number of bytes: ``500``, ``20MB``, ``1.5GiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no size: use 500, 20MB or 1GiB", param, ctx)
        power = " kmgt".index(match[2].lower() or " ")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class Mode(click.ParamType[int]):
    """Rights of files as ``chmod`` has them, in octal digits: ``0640``."""

    name = "mode"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if not _MODE.fullmatch(str(value)):
            self.fail(
                f"{value!r} is no mode of files: use 0600, 0640, 0644 or 0660; folders get what "
                "belongs to it",
                param,
                ctx,
            )
        return int(str(value), 8)


class Line(click.ParamType[str]):
    """A text that may hold spaces: of several, a variable of the environment has one a line."""

    name = "text"

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line for line in rv.splitlines() if line]


_DAY = re.compile(r"\d{4}-?\d\d-?\d\d", re.ASCII)
_WEEK = re.compile(r"\d{4}-?W", re.ASCII)


class Moment(click.ParamType[datetime]):
    """A moment in UTC: a day, a date and time as in ISO 8601, or a span of time before now.

    As an end (``is_end``), a day counts whole.
    """

    name = "moment"

    def __init__(self, *, is_end: bool = False) -> None:
        self._is_end = is_end

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            moment = parse_timestamp(text)
            if _WEEK.match(text):  # Python takes 2026-W48 for its Monday
                raise ValueError(text)
            is_day = _DAY.fullmatch(text) is not None
            return moment + timedelta(days=1) if is_day and self._is_end else moment
        except OverflowError:
            self.fail(f"{value!r} is outside the calendar", param, ctx)
        except ValueError:
            pass
        try:
            span = Duration().convert(text, param, ctx)
            if text.isdecimal():
                raise click.BadParameter(text)
            return datetime.now(UTC) - span
        except (click.BadParameter, OverflowError):
            self.fail(
                f"{value!r} is no moment: use 2026-11-25, 2026-11-25T14:30 (UTC) or 30d",
                param,
                ctx,
            )


_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)


class Percentage(click.ParamType[float]):
    """A share in percent, as a share of 1: ``5%`` is 0.05."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = _PERCENT.fullmatch(str(value).strip())
        if match is None or not 0 < float(match[1]) <= 100:
            self.fail(f"{value!r} is no share: use 5% or 0.5%", param, ctx)
        return float(match[1]) / 100
