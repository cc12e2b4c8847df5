import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.fetch.answer import Answer
from archiver.fetch.plan import Keep, Selection, plan
from archiver.fetch.revision import (
    ArtifactOutcome,
    NextRevision,
    Received,
    Recorded,
    entry_for,
    next_revision,
)
from archiver.model.artifact import ArtifactSource, ArtifactState, MediaType
from archiver.model.ids import Sha256, sha256_of
from archiver.model.manifest import Manifest, decode_manifest, encode_manifest
from archiver.store.staging import Staged
from tests.model.builders import (
    AT,
    DIGEST,
    DOWNLOAD,
    KEY,
    OTHER_DIGEST,
    RECORDING,
    SAMPLE_NAMES,
    SCREENSHOT,
    SESSION,
    changed,
    document,
    entry,
    read,
    read_sample,
    sample,
    source,
)

LATER = AT + timedelta(days=1)
LATER_SESSION = "20261125T010203Z-0011aabb"
PDF = MediaType("application/pdf", "pdf")


def arrival(
    of: ArtifactSource, *, sha256: Sha256 | None = None, media_type: MediaType = PDF
) -> Received:
    """Five bytes that arrived."""
    digest = sha256 or of.expected_sha256 or DIGEST
    return Received(of, Staged("aside"), 5, digest, media_type, 1, "text/html", AT)


def commit(
    answer: Answer,
    *settlements: ArtifactOutcome,
    held: Manifest | None = None,
    settled: bool = True,
    at: datetime = AT,
    session: str = SESSION,
) -> NextRevision | None:
    return next_revision(
        answer.run.run_id,
        answer,
        held,
        settlements,
        settled=settled,
        fetched_at=at,
        session=session,
        tool="skyvern-archiver 0.1.0",
    )


def committed(answer: Answer, *settlements: ArtifactOutcome, **more: Any) -> NextRevision:
    new = commit(answer, *settlements, **more)
    assert new is not None
    return new


def minted_anew(name: str) -> Answer:
    """The same real answer a day later: every link has another signature."""
    text = sample(name).decode().replace("expiry=17", "expiry=18").replace("&sig=", "&sig=X")
    return read(json.loads(text))


def kept(answer: Answer, held: Manifest) -> list[Recorded]:
    decisions = plan(answer.sources, held, Selection(), settled=True, take_unsettled=False)
    assert all(isinstance(decision, Keep) for decision in decisions)
    return [Recorded(d.entry) for d in decisions if isinstance(d, Keep)]


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_a_run_that_did_not_change_gets_no_new_revision(name: str) -> None:
    answer = read_sample(name)
    held = committed(answer, *map(arrival, answer.sources)).manifest
    again = minted_anew(name)
    assert again.received_sha256 != answer.received_sha256
    assert commit(again, *kept(again, held), held=held, at=LATER, session=LATER_SESSION) is None


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_the_first_revision_holds_document_and_artifacts(name: str) -> None:
    answer = read_sample(name)
    new = committed(answer, *map(arrival, answer.sources))
    stored = answer.document.encode()
    assert new.document == answer.document
    assert new.manifest.revision == 1
    assert new.manifest.document is not None
    assert new.manifest.document.path == "r1/run.json"
    assert new.manifest.document.size == len(stored)
    assert new.manifest.document.sha256 == sha256_of(stored)
    assert new.manifest.document_sha256 == sha256_of(sample(name))
    assert (new.manifest.is_final, new.manifest.is_settled, new.manifest.is_complete) == (
        True,
        True,
        True,
    )
    assert [path for _, path in new.files] == [a.path for a in new.manifest.artifacts]
    for made, of in zip(new.manifest.artifacts, answer.sources, strict=True):
        assert (made.kind, made.ordinal, made.filename) == (of.kind, of.ordinal, of.filename)
        assert made.state is (
            ArtifactState.VERIFIED if of.expected_sha256 else ArtifactState.UNVERIFIED
        )
        assert made.url == (of.url or "").partition("?")[0]
    assert b"sig=" not in encode_manifest(new.manifest)


@pytest.mark.parametrize(
    ("held_changes", "settled"),
    [
        ({"is_settled": False, "is_complete": False}, True),
        ({"is_complete": False}, True),
        ({}, False),
    ],
)
def test_a_run_that_settled_or_became_complete_gets_a_revision_that_reuses_the_document(
    held_changes: dict[str, bool], settled: bool
) -> None:
    answer = read(document())
    held = changed(committed(answer).manifest, **held_changes)
    new = committed(answer, held=held, settled=settled, at=LATER)
    assert new.manifest.revision == 2
    assert new.document is None
    assert new.manifest.document == held.document
    assert new.manifest.fetched_at == LATER


def test_a_changed_answer_gets_a_revision_with_its_own_document() -> None:
    held = committed(read(document(status="running")), settled=False).manifest
    new = committed(read(document()), held=held)
    assert new.manifest.revision == 2
    assert new.manifest.document is not None
    assert new.manifest.document.path == "r2/run.json"
    assert new.document is not None
    assert (held.is_final, new.manifest.is_final) == (False, True)


def test_what_was_kept_is_listed_where_it_lies() -> None:
    answer = read(document())
    old = entry(RECORDING, path="r1/recording.webm")
    held = committed(answer, Recorded(old)).manifest
    new = committed(answer, Recorded(old), arrival(source(DOWNLOAD, filename="a.pdf")), held=held)
    assert [a.path for a in new.manifest.artifacts] == ["r1/recording.webm", "r2/downloads/a.pdf"]
    assert [path for _, path in new.files] == ["r2/downloads/a.pdf"]


@pytest.mark.parametrize(
    "quirk",
    [
        {"attempts": 7},
        {"reason": "another way to say it"},
        {"fetched_at": LATER},
        {"session": LATER_SESSION},
        {"served_type": "text/html"},
    ],
)
def test_how_and_when_it_was_tried_makes_no_revision(quirk: dict[str, Any]) -> None:
    answer = read(document())
    gap = entry_for(source(), ArtifactState.FAILED, SESSION, reason="HTTP 500", attempts=3)
    held = committed(answer, Recorded(gap)).manifest
    assert commit(answer, Recorded(changed_entry(gap, **quirk)), held=held) is None


def changed_entry(of: Any, **fields: Any) -> Any:
    return type(of)(**{name: getattr(of, name) for name in of.__struct_fields__} | fields)


@pytest.mark.parametrize("state", list(ArtifactState))
def test_only_gaps_make_a_settled_run_incomplete(state: ArtifactState) -> None:
    held = {"path": "r1/a/b", "size": 5, "sha256": DIGEST} if state.has_bytes else {}
    of = source(expected_sha256=DIGEST)
    new = committed(read(document()), Recorded(entry_for(of, state, SESSION, **held)))  # type: ignore[arg-type]
    assert new.manifest.is_settled
    assert new.manifest.is_complete is (state not in (ArtifactState.FAILED, ArtifactState.MISMATCH))


def test_while_an_older_copy_stands_in_the_run_is_tried_again_next_time() -> None:
    answer = read(document())
    old = entry(RECORDING, path="r1/recording.webm")
    held = committed(answer, Recorded(old), settled=False).manifest
    assert commit(answer, Recorded(old, failure="HTTP 500"), held=held) is None
    assert not held.is_complete


def test_bytes_that_are_not_the_expected_ones_cannot_be_committed() -> None:
    of = source(expected_sha256=DIGEST)
    with pytest.raises(ValueError, match="verified"):
        commit(read(document()), arrival(of, sha256=OTHER_DIGEST))


def test_endings_follow_the_bytes_and_names_follow_the_server() -> None:
    mp4, png = MediaType("video/mp4", "mp4"), MediaType("image/png", "png")
    new = committed(
        read(document()),
        arrival(source(RECORDING), media_type=mp4),
        arrival(source(SCREENSHOT), media_type=png),
        arrival(source(DOWNLOAD, 1, filename="../Run.json")),
        arrival(source(DOWNLOAD, 2, filename="report.PDF")),
        arrival(source(DOWNLOAD, 3, filename="REPORT.pdf")),
    )
    assert [path for _, path in new.files] == [
        "r1/recording.mp4",
        "r1/screenshots/01.png",
        "r1/downloads/_._Run.json",
        "r1/downloads/report.PDF",
        "r1/downloads/REPORT-2.pdf",
    ]
    assert [a.filename for a in new.manifest.artifacts[2:]] == [
        "../Run.json",
        "report.PDF",
        "REPORT.pdf",
    ]
    assert new.manifest.artifacts[0].served_type == "text/html"
    assert new.manifest.artifacts[0].media_type == "video/mp4"


@given(
    st.lists(st.text(st.characters(), max_size=30), min_size=1, max_size=5),
    st.text(st.characters(), max_size=20),
)
@example(["\ud800"], "")
@example(["a"], "\ud800")
def test_whatever_names_and_links_an_answer_has_its_manifest_can_be_written(
    names: list[str], tail: str
) -> None:
    url = f"http://h.example/{tail}"
    answer = read(
        document(
            recording_url=url,
            screenshot_urls=[url],
            downloaded_files=[{"url": url, "filename": name} for name in names],
        )
    )
    new = committed(answer, *map(arrival, answer.sources))
    assert decode_manifest(encode_manifest(new.manifest), "here") == new.manifest
    paths = [path for _, path in new.files]
    assert len({path.casefold() for path in paths}) == len(paths)


def test_the_key_does_not_reach_the_manifest_through_names_and_links() -> None:
    value = document(
        recording_url=f"http://h.example/{KEY}/a.webm",
        downloaded_files=[{"url": f"http://h.example/{KEY}", "filename": f"{KEY}.pdf"}],
    )
    answer = read(value, KEY)
    new = committed(answer, *map(arrival, answer.sources))
    assert KEY not in encode_manifest(new.manifest).decode()
