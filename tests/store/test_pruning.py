"""Laws of pruning by kind, and the words of its rules."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.plan import Fetch, Keep, Selection, plan
from archiver.model.artifact import ArtifactKind, ArtifactState
from archiver.model.manifest import Manifest, RemovalKind
from archiver.retention.rules import Disposal, Rule, disposals, split_rule
from archiver.store.tombstones import Order, pruned_paths, without_artifacts
from tests.model.builders import AT, DIGEST, OTHER_DIGEST, entry, manifest, source
from tests.model.strategies import manifests

ORDER = Order(RemovalKind.PRUNED, AT, "root", "archive-1", "old", "session", "tool")
KINDS = st.frozensets(st.sampled_from(ArtifactKind), min_size=1)


@given(st.lists(manifests(), min_size=1, max_size=3), KINDS)
def test_after_pruning_nothing_of_the_kinds_is_held_and_all_else_is(
    drawn: list[Manifest], kinds: frozenset[ArtifactKind]
) -> None:
    revisions = [
        msgspec.structs.replace(one, revision=number) for number, one in enumerate(drawn, 1)
    ]
    before = {
        (one.revision, file.path, file.sha256)
        for one in revisions
        for file in one.artifacts
        if file.path is not None and file.kind in kinds
    }
    pruned = without_artifacts(ORDER, revisions, kinds)
    assert (pruned is None) == (not before)
    if pruned is None:
        return
    latest = revisions[-1]
    assert pruned.revision == latest.revision + 1
    assert pruned.document == latest.document
    assert not [a for a in pruned.artifacts if a.kind in kinds and a.path is not None]
    for old, new in zip(latest.artifacts, pruned.artifacts, strict=True):
        if old.path is None or old.kind not in kinds:
            assert new == old
        else:
            assert (new.sha256, new.size) == (old.sha256, old.size)
    gone = pruned_paths([*revisions, pruned])
    assert {path for _, path, _ in before} == set(gone.by_path)
    for revision, path, _ in before:
        assert not gone.explains(path, "0" * 64, revision)
        assert not gone.explains(path, gone.by_path[path][1], pruned.revision)
    assert without_artifacts(ORDER, [*revisions, pruned], kinds) is None


@pytest.mark.parametrize(
    ("expected_sha256", "is_fetched"), [(None, False), (DIGEST, False), (OTHER_DIGEST, True)]
)
def test_what_was_pruned_is_fetched_only_where_the_api_has_other_bytes(
    expected_sha256: str | None, *, is_fetched: bool
) -> None:
    held = manifest(entry(url="https://h/a", expected_sha256=None))
    pruned = without_artifacts(ORDER, [held], frozenset(ArtifactKind))
    offered = source(url="https://h/a", expected_sha256=expected_sha256)
    (decision,) = plan([offered], pruned, Selection(), settled=True, take_unsettled=False)
    if is_fetched:
        assert isinstance(decision, Fetch)
        assert decision.fallback is None
    else:
        assert isinstance(decision, Keep)
        assert decision.entry.state is ArtifactState.EXCLUDED
        assert decision.entry.pruned_at == AT


def test_what_was_pruned_and_is_no_longer_offered_keeps_its_reason() -> None:
    pruned = without_artifacts(ORDER, [manifest(entry())], frozenset(ArtifactKind))
    (decision,) = plan([], pruned, Selection(), settled=True, take_unsettled=False)
    assert isinstance(decision, Keep)
    assert decision.entry.reason == "pruned: old"


def test_a_rule_says_which_runs_and_what_of_them() -> None:
    text = "older-than=90d status=failed kind=recording,download"
    assert split_rule(text) == (
        "90d",
        {"status": "failed"},
        frozenset({ArtifactKind.RECORDING, ArtifactKind.DOWNLOAD}),
    )
    assert split_rule("older-than=7y")[2] == frozenset()


def test_whole_runs_come_first_and_kinds_by_themselves() -> None:
    kinds = frozenset({ArtifactKind.RECORDING})
    week, day = timedelta(days=7), timedelta(days=1)
    rules = [Rule(day, (("status", "it's"),), kinds), Rule(week), Rule(week, kinds=kinds)]
    whole, of_kind = disposals(rules, datetime(2026, 1, 8, tzinfo=UTC))
    assert whole == Disposal(
        "removed IS NULL AND ((coalesce(finished_at, modified_at, created_at, fetched_at)"
        " < TIMESTAMPTZ '2026-01-01T00:00:00+00:00'))"
    )
    assert of_kind.kinds == kinds
    assert "status = 'it''s'" in of_kind.condition
    assert "kind IN ('recording')" in of_kind.condition
