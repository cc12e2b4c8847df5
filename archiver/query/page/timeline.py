"""Time as charts have it: days, weeks or months one after the other, none left out."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from archiver.query.reports.options import By, Filters

_DAYS_BY_DAY = 92
_DAYS_BY_WEEK = 731
LONGEST = 120
"""The most bars that are drawn side by side."""
_DAY_MILLISECONDS = 86_400_000


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a week or a month: its first day, and when it begins and ends.

    The two are milliseconds since 1970 in UTC, as scripts count time.
    """

    first_day: date
    begins: int
    ends: int


def period_length(first: date, last: date) -> By:
    """What to count by from ``first`` to ``last``, so that a chart has room for every bar."""
    days = (last - first).days + 1
    if days <= _DAYS_BY_DAY:
        return By.DAY
    return By.WEEK if days <= _DAYS_BY_WEEK else By.MONTH


def timeline(by: By, counts: Mapping[date, int]) -> list[Period]:
    """The periods from the first that has something to the last, in order, empty ones too.

    ``counts`` has how much there is in each, by its first day. Where that is more than LONGEST,
    since a single run may be of another century, they are those LONGEST that have most in them.
    """
    first_days = sorted(counts)
    if not first_days:
        return []
    begin = _fullest(by, first_days, counts)
    last = min(_number(by, begin) + LONGEST - 1, _number(by, first_days[-1]))
    return [_period(by, number) for number in range(_number(by, begin), last + 1)]


def _fullest(by: By, first_days: list[date], counts: Mapping[date, int]) -> date:
    """The day with which the LONGEST periods begin that hold most; of equals the latest."""
    best, best_begin = -1, first_days[0]
    held, tail = 0, 0
    for day in first_days:
        held += counts[day]
        while _number(by, day) - _number(by, first_days[tail]) >= LONGEST:
            held -= counts[first_days[tail]]
            tail += 1
        if held >= best:
            best, best_begin = held, first_days[tail]
    return best_begin


def _number(by: By, day: date) -> int:
    """The periods one after the other, as whole numbers; weeks begin on Monday."""
    match by:
        case By.MONTH:
            return day.year * 12 + day.month - 1
        case By.WEEK:
            return (day.toordinal() - 1) // 7
        case _:
            return day.toordinal()


def _period(by: By, number: int) -> Period:
    match by:
        case By.MONTH:
            first_day = date(number // 12, number % 12 + 1, 1)
            days = calendar.monthrange(first_day.year, first_day.month)[1]
        case By.WEEK:
            first_day, days = date.fromordinal(number * 7 + 1), 7
        case _:
            first_day, days = date.fromordinal(number), 1
    begins = (first_day.toordinal() - date(1970, 1, 1).toordinal()) * _DAY_MILLISECONDS
    return Period(first_day, begins, begins + days * _DAY_MILLISECONDS)


def before(filters: Filters, now: datetime) -> Filters | None:
    """The same runs of the time just before, as long as that of ``filters``; None without a begin.

    Without an end it is ``now`` that ends it.
    """
    if filters.since is None:
        return None
    length = (filters.until or now) - filters.since
    if length <= timedelta(0):
        return None
    try:
        since = filters.since - length
    except OverflowError:
        return None
    return Filters(since, filters.since, filters.run_types, filters.statuses, filters.workflows)


def utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
