"""Moments on the command line: days, times in any zone, and spans before now."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from archiver.cli.param_types import Moment


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-11-25", "2026-11-25", "2026-11-26"),
        (" 20261125 ", "2026-11-25", "2026-11-26"),
        ("2026-12-31", "2026-12-31", "2027-01-01"),
        ("2024-02-28", "2024-02-28", "2024-02-29"),
        ("2026-11-25T00:00", "2026-11-25", "2026-11-25"),
        ("2026-11-25T14", "2026-11-25T14:00", "2026-11-25T14:00"),
        ("2026-11-25 14:30:15.5", "2026-11-25T14:30:15.5", "2026-11-25T14:30:15.5"),
        ("2026-11-25T14:30Z", "2026-11-25T14:30", "2026-11-25T14:30"),
        ("2026-11-25T00:30+02:00", "2026-11-24T22:30", "2026-11-24T22:30"),
        ("2026-11-24T20:00-05:30", "2026-11-25T01:30", "2026-11-25T01:30"),
        ("0001-01-01", "0001-01-01", "0001-01-02"),
    ],
)
def test_a_day_as_an_end_counts_whole_and_times_are_utc(text: str, since: str, until: str) -> None:
    for is_end, expected in ((False, since), (True, until)):
        found = Moment(is_end=is_end).convert(text, None, None)
        assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
        assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("12 H", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_a_span_is_so_long_ago(text: str, ago: timedelta) -> None:
    for is_end in (False, True):
        before = datetime.now(UTC)
        found = Moment(is_end=is_end).convert(text, None, None)
        assert before - ago <= found <= datetime.now(UTC) - ago


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "30", "-5d", "2026", "2026-11", "2026-W48", "2026W483", "2026-02-30", "٣d"),
        *("2026-11-25T25:00", "30 years", "9999999d", "0001-01-01T00:00+05:00", "25.11.2026"),
    ],
)
def test_what_is_no_moment_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"no moment|outside the calendar"):
        Moment().convert(text, None, None)


def test_the_calendar_ends() -> None:
    assert Moment().convert("9999-12-31", None, None).year == 9999
    with pytest.raises(click.BadParameter, match="outside the calendar"):
        Moment(is_end=True).convert("9999-12-31", None, None)
