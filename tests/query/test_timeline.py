"""Days, weeks and months follow each other without gaps, and stay few enough to be drawn."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.query.page.timeline import LONGEST, before, period_length, timeline
from archiver.query.reports.options import By, Filters

_DAY = 86_400_000


@pytest.mark.parametrize(
    ("days", "by"),
    [(1, By.DAY), (92, By.DAY), (93, By.WEEK), (731, By.WEEK), (732, By.MONTH), (1100, By.MONTH)],
)
def test_the_longer_the_time_the_longer_its_parts(days: int, by: By) -> None:
    first = date(2024, 1, 1)
    assert period_length(first, first + timedelta(days=days - 1)) is by


def test_empty_parts_are_not_left_out() -> None:
    drawn = timeline(By.MONTH, {date(2025, 11, 1): 3, date(2026, 2, 1): 1})
    assert [period.first_day for period in drawn] == [
        *(date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1))
    ]
    assert drawn[0].begins == 1_761_955_200_000  # date -d '2025-11-01 UTC' +%s
    assert [(p.ends - p.begins) // _DAY for p in drawn] == [30, 31, 31, 28]


def test_weeks_begin_on_monday() -> None:
    drawn = timeline(By.WEEK, {date(2026, 11, 16): 1, date(2026, 11, 30): 1})
    assert [period.first_day for period in drawn] == [
        *(date(2026, 11, 16), date(2026, 11, 23), date(2026, 11, 30))
    ]


@given(
    st.sampled_from([By.DAY, By.WEEK, By.MONTH]),
    st.dictionaries(st.dates(), st.integers(1, 1000), max_size=30),
)
def test_what_is_drawn_is_the_fullest_part(by: By, runs: dict[date, int]) -> None:
    counts: dict[date, int] = {}
    for day, number in runs.items():
        first = {
            By.DAY: day,
            By.WEEK: date.fromordinal((day.toordinal() - 1) // 7 * 7 + 1),
            By.MONTH: day.replace(day=1),
        }[by]
        counts[first] = counts.get(first, 0) + number
    drawn = timeline(by, counts)
    days = [period.first_day for period in drawn]
    assert len(days) <= LONGEST
    assert days == sorted(set(days))
    assert all(a.ends == b.begins for a, b in pairwise(drawn))
    held = sum(counts.get(day, 0) for day in days)
    for begin in counts:
        window = (n for day, n in counts.items() if 0 <= _distance(by, begin, day) < LONGEST)
        assert held >= sum(window)


def _distance(by: By, begin: date, day: date) -> int:
    if by is By.MONTH:
        return (day.year - begin.year) * 12 + day.month - begin.month
    return (day - begin).days // (7 if by is By.WEEK else 1)


def test_the_time_before_is_as_long_and_ends_where_the_chosen_one_begins() -> None:
    since, until = datetime(2026, 11, 8, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)
    chosen = Filters(since, until, ("task_v1",), ("failed",), ("wpid_1",))
    earlier = Filters(since - timedelta(days=7), since, ("task_v1",), ("failed",), ("wpid_1",))
    assert before(chosen, until + timedelta(days=30)) == earlier
    assert before(Filters(since), since + timedelta(hours=1)) == Filters(
        since - timedelta(hours=1), since
    )


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(until=datetime(2026, 1, 1, tzinfo=UTC)),
        Filters(since=datetime(2027, 1, 1, tzinfo=UTC)),
        Filters(since=datetime(2, 1, 1, tzinfo=UTC)),
    ],
)
def test_without_a_begin_in_the_past_there_is_no_time_before(filters: Filters) -> None:
    assert before(filters, datetime(2026, 11, 23, tzinfo=UTC)) is None
