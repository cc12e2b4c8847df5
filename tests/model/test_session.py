from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.ids import SessionId
from tests.model.builders import AT

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_a_session_id_is_the_time_and_chance() -> None:
    assert SessionId.at(AT, bytes.fromhex("0011aabb")) == "20261124T010203.456Z-0011aabb"


@given(MOMENTS, MOMENTS, st.binary(min_size=4, max_size=4))
def test_session_ids_sort_by_time(one: datetime, other: datetime, random: bytes) -> None:
    if abs(one - other) >= timedelta(milliseconds=2):
        assert (SessionId.at(one, random) < SessionId.at(other, random)) is (one < other)


@given(MOMENTS, MOMENTS, st.binary(min_size=4, max_size=4))
def test_a_session_id_sorts_behind_the_one_before(
    one: datetime, other: datetime, random: bytes
) -> None:
    before = SessionId.at(one, random)
    assert SessionId.at(other, b"\0\0\0\0", after=before) > before


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "20261124T010203.000Z",
            "20261124T010203.000Z-0011AABB",
            "20261124T010203.000Z-0011aabb\n",
        ),
        *(
            "../20261124T010203.000Z-0011aabb",
            "2026-11-24T01:02:03.000Z-0011aabb",
            "20261124T010203Z-0011aabb",
            "٢0261124T010203Z-0",
        ),
    ],
)
def test_other_texts_are_no_session_ids(text: str) -> None:
    with pytest.raises(ValueError, match="not a session id"):
        SessionId(text)
