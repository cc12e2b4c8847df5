"""Moments on the command line: days, times, and how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from archiver.cli.options import Duration
from archiver.domain.timestamps import parse_timestamp

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
