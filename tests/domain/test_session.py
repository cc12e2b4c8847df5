import hashlib
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.domain.session import (
    LedgerRecord,
    SessionId,
    decode_ledger_record,
    digest_of_lines,
    encode_ledger_record,
)
from archiver.errors import ArchiveDamaged
from tests.domain.builders import AT, DIGEST, SESSION
from tests.domain.strategies import TEXT

RECORD = LedgerRecord(
    session=SESSION,
    tool="skyvern-archiver 0.1.0",
    started_at=AT,
    finished_at=AT + timedelta(seconds=5),
    interrupted=False,
    ids_asked=3,
    ids_sha256=DIGEST,
    runs={"fetched": 2, "failed": 1},
    artifacts={"verified": 4},
    manifests=2,
    manifests_sha256=DIGEST,
    bytes_downloaded=123,
    previous_session="20261123T010203.000Z-0011aabb",
    previous_sha256=DIGEST,
)

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


def test_a_ledger_record_survives() -> None:
    data = encode_ledger_record(RECORD)
    assert data.endswith(b"}\n")
    assert data.count(b"\n") > 10
    assert decode_ledger_record(data, "here") == RECORD


def test_the_first_record_has_none_before_it() -> None:
    first = msgspec.structs.replace(RECORD, previous_session=None, previous_sha256=None)
    assert decode_ledger_record(encode_ledger_record(first), "here") == first


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_damage(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match=r"ledger/x\.json"):
        decode_ledger_record(data, "ledger/x.json")


@pytest.mark.parametrize("data", [b"", b"null", b"{}", b"[" * 100_000, b'{"format":0}', b"\xff"])
def test_what_is_no_record_is_damage(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged):
        decode_ledger_record(data, "here")


@given(st.lists(TEXT))
def test_the_digest_of_lines_is_that_of_the_text(lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines)
    assert digest_of_lines(lines) == hashlib.sha256(text.encode()).hexdigest()
    assert digest_of_lines([*lines, ""]) != digest_of_lines(lines)
