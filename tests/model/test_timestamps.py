from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.ids import parse_timestamp, seconds_between
from tests.model.strategies import ANY_TEXT, INSTANTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-13T18:03:12.306839", datetime(2026, 11, 13, 18, 3, 12, 306839, UTC)),
        ("2026-11-13T18:03:12", datetime(2026, 11, 13, 18, 3, 12, 0, UTC)),
        ("2026-11-13T18:03:12Z", datetime(2026, 11, 13, 18, 3, 12, 0, UTC)),
        ("2026-11-13T18:03:12.5Z", datetime(2026, 11, 13, 18, 3, 12, 500000, UTC)),
        ("2026-11-13T18:03:12.306Z", datetime(2026, 11, 13, 18, 3, 12, 306000, UTC)),
        ("2026-11-13T18:03:12.123456789Z", datetime(2026, 11, 13, 18, 3, 12, 123456, UTC)),
        ("2026-11-13T18:03:12+00:00", datetime(2026, 11, 13, 18, 3, 12, 0, UTC)),
        ("2026-11-13T18:03:12+02:00", datetime(2026, 11, 13, 16, 3, 12, 0, UTC)),
        ("2026-11-13T23:03:12-05:30", datetime(2026, 11, 14, 4, 33, 12, 0, UTC)),
        ("2026-11-13 18:03:12", datetime(2026, 11, 13, 18, 3, 12, 0, UTC)),
        (" 2026-11-13T18:03:12\n", datetime(2026, 11, 13, 18, 3, 12, 0, UTC)),
        ("2024-02-29T00:00:00", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_the_forms_that_the_api_uses(text: str, expected: datetime) -> None:
    parsed = parse_timestamp(text)
    assert parsed == expected
    assert parsed.utcoffset() == timedelta()


@given(INSTANTS)
def test_naive_and_zoned_forms_of_an_instant_mean_the_same(instant: datetime) -> None:
    naive = instant.replace(tzinfo=None).isoformat()
    assert parse_timestamp(naive) == instant
    assert parse_timestamp(naive + "Z") == instant
    assert parse_timestamp(instant.isoformat()) == instant


@given(INSTANTS, st.integers(-23, 23))
def test_an_offset_is_converted(instant: datetime, hours: int) -> None:
    sign = "-" if hours < 0 else "+"
    text = f"{instant.replace(tzinfo=None).isoformat()}{sign}{abs(hours):02d}:00"
    assert parse_timestamp(text) == instant - timedelta(hours=hours)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "null", "1795462322", "2026-13-01T00:00:00", "2026-11-13T25:00:00"),
        *("2026-02-29T00:00:00", "13.11.2026", "2026-11-13T18:03:60", "\ud800"),
        *("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-01:00", "٢٠٢٦-11-13T18:03:12"),
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_timestamp(text)


@given(ANY_TEXT | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.[0-9:.]{0,20}[Z+0-9:-]{0,7}"))
def test_any_text_is_an_aware_time_in_utc_or_a_value_error(text: str) -> None:
    try:
        parsed = parse_timestamp(text)
    except ValueError:
        return
    assert parsed.tzinfo is UTC


@given(INSTANTS, INSTANTS)
def test_seconds_are_never_negative(one: datetime, other: datetime) -> None:
    seconds = seconds_between(one, other)
    if other < one:
        assert seconds is None
    else:
        assert seconds is not None
        assert seconds == pytest.approx((other - one).total_seconds())


def test_seconds_of_a_missing_time_are_unknown() -> None:
    now = datetime(2026, 11, 13, tzinfo=UTC)
    assert seconds_between(None, now) is None
    assert seconds_between(now, None) is None
    assert seconds_between(None, None) is None
    assert seconds_between(now, now) == 0
