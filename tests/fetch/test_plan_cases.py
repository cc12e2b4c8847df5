from typing import Any

import msgspec
import pytest

from archiver.fetch.plan import ARCHIVED, NOT_OFFERED, NOT_SETTLED, Fetch, Keep, Record, Selection
from archiver.model.artifact import ArtifactKind, ArtifactSource, ArtifactState
from tests.model.builders import (
    AT,
    DIGEST,
    DOWNLOAD,
    OTHER_DIGEST,
    RECORDING,
    SCREENSHOT,
    absent,
    entry,
    manifest,
    source,
)
from tests.model.planning import decide, held_entry, held_of, kept_paths, place


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("was_settled", [True, False])
def test_the_expected_checksum_decides(settled: bool, was_settled: bool) -> None:
    of = source(DOWNLOAD, expected_sha256=DIGEST)
    held = manifest(entry(artifact_id=of.artifact_id, sha256=DIGEST), is_settled=was_settled)
    (decision,) = decide([of], held, settled=settled)
    assert isinstance(decision, Keep)
    assert decision.entry.state is ArtifactState.VERIFIED


def test_a_file_with_another_checksum_is_fetched_and_the_old_one_does_not_stand_in() -> None:
    of = source(DOWNLOAD, expected_sha256=OTHER_DIGEST)
    held = manifest(entry(artifact_id=of.artifact_id, sha256=DIGEST))
    assert decide([of], held) == [Fetch(of)]


@pytest.mark.parametrize("kind", ArtifactKind)
def test_what_was_taken_before_the_run_settled_is_fetched_again_once(kind: ArtifactKind) -> None:
    of = source(kind)
    taken = held_entry(of)
    assert decide([of], manifest(taken, is_settled=False)) == [Fetch(of, taken)]
    (kept,) = decide([of], manifest(taken, is_settled=True))
    assert isinstance(kept, Keep)


@pytest.mark.parametrize(
    "changed", [{"expected_size": 6}, {"modified_at": AT}, {"expected_sha256": OTHER_DIGEST}]
)
def test_a_download_that_changed_by_what_the_api_says_is_fetched(changed: dict[str, Any]) -> None:
    held = held_of([source(DOWNLOAD)])
    (decision,) = decide([source(DOWNLOAD, **changed)], held)
    assert isinstance(decision, Fetch)


def test_new_signatures_do_not_make_an_artifact_new() -> None:
    for kind in ArtifactKind:
        old = source(kind, url="https://h/a?expiry=1&sig=one", artifact_id=None)
        new = source(kind, url="https://h/a?expiry=2&sig=two", artifact_id=None)
        (decision,) = decide([new], held_of([old]))
        assert isinstance(decision, Keep)
        assert decision.entry.url == "https://h/a"


def test_a_file_of_the_same_name_and_checksum_is_the_same_under_any_url() -> None:
    one: dict[str, Any] = {"filename": "a.pdf", "expected_sha256": DIGEST, "artifact_id": None}
    held = held_of([source(DOWNLOAD, url="https://h/1", **one)])
    (decision,) = decide([source(DOWNLOAD, url="file:///2", **one)], held)
    assert isinstance(decision, Keep)


def test_artifacts_that_moved_keep_their_bytes_under_the_new_number() -> None:
    held = held_of([source(DOWNLOAD, 1), source(DOWNLOAD, 2)])
    swapped = [
        source(DOWNLOAD, 1, artifact_id="a_download_2"),
        source(DOWNLOAD, 2, artifact_id="a_download_1"),
    ]
    decisions = decide(swapped, held)
    assert [place(d) for d in decisions] == [(DOWNLOAD, 1), (DOWNLOAD, 2)]
    assert [d.entry.path for d in decisions if isinstance(d, Keep)] == [
        "r1/downloads/02.bin",
        "r1/downloads/01.bin",
    ]


def test_new_screenshots_push_old_ones_out_but_downloads_stay() -> None:
    held = held_of([source(SCREENSHOT, 1), source(DOWNLOAD, 1)])
    new = source(SCREENSHOT, 1, artifact_id="a_new", url="https://h/new")
    decisions = decide([new], held)
    assert decisions[0] == Fetch(new)
    assert [place(d) for d in decisions[1:]] == [(DOWNLOAD, 1)]
    assert isinstance(decisions[1], Keep)
    assert decisions[1].entry.reason == NOT_OFFERED


def test_a_download_that_left_the_list_gets_a_number_that_is_free() -> None:
    held = held_of([source(DOWNLOAD, 1), source(DOWNLOAD, 2)])
    decisions = decide([source(DOWNLOAD, 2)], held)
    assert len({place(d) for d in decisions}) == 2


def test_a_recording_that_was_moved_to_cold_storage_after_it_was_kept_stays_kept() -> None:
    held = held_of([source(RECORDING)])
    archived = ArtifactSource(RECORDING, 1, None, archived=True)
    (decision,) = decide([archived], held)
    assert isinstance(decision, Keep)
    assert decision.entry.path == "r1/recordings/01.bin"
    assert decision.entry.reason == ARCHIVED


def test_a_held_recording_is_not_dropped_because_the_user_leaves_recordings_out_now() -> None:
    of = source(RECORDING)
    held = held_of([of], is_settled=False)
    downloads_only = Selection(frozenset({DOWNLOAD}))
    assert kept_paths(decide([of], held, downloads_only)) == {"r1/recordings/01.bin"}


@pytest.mark.parametrize(
    ("offer", "choice"),
    [
        ({}, {"selection": Selection(frozenset())}),
        ({"expected_size": 11}, {"selection": Selection(max_file_size=10)}),
        ({}, {"settled": False}),
        ({"url": None}, {}),
    ],
)
def test_a_held_file_that_changed_but_cannot_be_fetched_now_is_not_dropped(
    offer: dict[str, Any], choice: dict[str, Any]
) -> None:
    held = held_of([source(DOWNLOAD)])
    changed = source(DOWNLOAD, modified_at=AT, **offer)
    assert kept_paths(decide([changed], held, **choice)) == {"r1/downloads/01.bin"}


@pytest.mark.parametrize(
    "state", [ArtifactState.FAILED, ArtifactState.MISMATCH, ArtifactState.EXCLUDED]
)
def test_what_could_not_be_had_or_was_left_out_is_fetched_now(state: ArtifactState) -> None:
    of = source(DOWNLOAD)
    gap = msgspec.structs.replace(absent(state), artifact_id=of.artifact_id)
    assert decide([of], manifest(gap)) == [Fetch(of)]


def test_an_unfinished_run_waits_with_the_reason() -> None:
    of = source(DOWNLOAD)
    assert decide([of], settled=False) == [Record(of, ArtifactState.EXCLUDED, NOT_SETTLED)]
    assert decide([of], settled=False, take_unsettled=True) == [Fetch(of)]


def test_the_size_limit_takes_a_file_of_just_that_size() -> None:
    limited = Selection(max_file_size=10)
    assert decide([source(expected_size=10)], None, limited) == [Fetch(source(expected_size=10))]
    (decision,) = decide([source(expected_size=11)], None, limited)
    assert isinstance(decision, Record)
    assert "11 bytes" in decision.reason
