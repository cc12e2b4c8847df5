import hashlib
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ArchiveDamaged
from archiver.model.ids import Sha256, digest_of_lines, sha256_of
from archiver.model.ledger import (
    Actor,
    LedgerRecord,
    ListedManifest,
    ManifestList,
    decode_list,
    decode_record,
    encode_record,
    root_of,
)
from tests.model.builders import AT, DIGEST, SESSION
from tests.model.strategies import TEXT

RECORD = LedgerRecord(
    format=2,
    kind="fetch",
    by=Actor("root", "archive-1", {"settle": "0s"}),
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
    manifests_root=DIGEST,
    bytes_downloaded=123,
    previous_session="20261123T010203.000Z-0011aabb",
    previous_sha256=DIGEST,
)

LISTS = st.lists(
    st.builds(
        lambda number, data: ListedManifest(
            sha256_of(data), f"runs/2026/11/23/tsk_{number}/r1/manifest.json"
        ),
        st.integers(0, 999),
        st.binary(max_size=4),
    ),
    max_size=9,
)


def test_a_ledger_record_survives() -> None:
    data = encode_record(RECORD)
    assert data.endswith(b"}\n")
    assert data.count(b"\n") > 10
    assert decode_record(data, "here") == RECORD


def test_the_first_record_has_none_before_it() -> None:
    first = msgspec.structs.replace(RECORD, previous_session=None, previous_sha256=None)
    assert decode_record(encode_record(first), "here") == first


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_damage(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match=r"ledger/x\.json"):
        decode_record(data, "ledger/x.json")


@pytest.mark.parametrize("data", [b"", b"null", b"{}", b"[" * 100_000, b'{"format":0}', b"\xff"])
def test_what_is_no_record_is_damage(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged):
        decode_record(data, "here")


@given(st.lists(TEXT))
def test_the_digest_of_lines_is_that_of_the_text(lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines)
    assert digest_of_lines(lines) == hashlib.sha256(text.encode()).hexdigest()
    assert digest_of_lines([*lines, ""]) != digest_of_lines(lines)


def test_a_record_of_the_first_format_is_read() -> None:
    record = decode_record(
        b'{"format":1,"session":"20261124T010203.456Z-0011aabb","tool":"skyvern-archiver 0.1.0",'
        b'"started_at":"2026-11-24T01:02:03.456Z","finished_at":"2026-11-24T01:02:08.456Z",'
        b'"interrupted":false,"ids_asked":3,"ids_sha256":"00","runs":{"fetched":2},"artifacts":{},'
        b'"manifests":2,"manifests_sha256":"11","bytes_downloaded":123,"recovered":[],'
        b'"previous_session":null,"previous_sha256":null}',
        "here",
    )
    assert (record.kind, record.manifests_sha256, record.manifests_root) == ("fetch", "11", None)


@given(LISTS)
def test_a_list_survives_and_its_root_is_that_of_its_lines(manifests: list[ListedManifest]) -> None:
    grown = ManifestList()
    grown.extend(manifests)
    assert decode_list(bytes(grown.data), "here") == manifests
    assert (grown.count, grown.root) == (len(manifests), root_of(manifests))


@pytest.mark.parametrize(
    "data",
    [
        DIGEST.encode() + b"  runs/2026/11/23/tsk_1/r1/manifest.json",
        DIGEST.encode() + b" runs/2026/11/23/tsk_1/r1/manifest.json\n",
        DIGEST.encode() + b"  /etc/passwd\n",
        b"\n",
        b"\xff\n",
    ],
)
def test_what_is_no_list_is_damage(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match=r"^x\.sha256"):
        decode_list(data, "x.sha256")


def test_a_line_is_one_of_sha256sum() -> None:
    manifest = ListedManifest(Sha256(DIGEST), "runs/2026/11/23/tsk_1/r1/manifest.json")
    assert manifest.line == f"{DIGEST}  runs/2026/11/23/tsk_1/r1/manifest.json"
