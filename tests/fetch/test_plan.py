from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.plan import ARCHIVED, NOT_OFFERED, Fetch, Keep, Record, Selection
from archiver.model.artifact import ArtifactKind, ArtifactSource, ArtifactState
from tests.model.builders import (
    DOWNLOAD,
    manifest,
)
from tests.model.planning import SELECTIONS, decide, held_of, kept_paths, place
from tests.model.strategies import offers


@given(offers(), st.booleans(), st.booleans(), SELECTIONS)
def test_every_artifact_of_the_answer_has_one_decision_in_order(
    sources: tuple[ArtifactSource, ...], settled: bool, take: bool, selection: Selection
) -> None:
    decisions = decide(sources, None, selection, settled=settled, take_unsettled=take)
    assert [place(d) for d in decisions] == [(s.kind, s.ordinal) for s in sources]
    assert not any(isinstance(d, Keep) for d in decisions)


@given(offers(), offers(), st.booleans(), st.booleans(), st.booleans(), SELECTIONS)
def test_no_two_decisions_have_the_same_kind_and_number(
    earlier: tuple[ArtifactSource, ...],
    sources: tuple[ArtifactSource, ...],
    was_settled: bool,
    settled: bool,
    take: bool,
    selection: Selection,
) -> None:
    held = held_of(earlier, is_settled=was_settled)
    decisions = decide(sources, held, selection, settled=settled, take_unsettled=take)
    places = [place(d) for d in decisions]
    assert len(set(places)) == len(places)
    assert places[: len(sources)] == [(s.kind, s.ordinal) for s in sources]


@given(offers(), st.booleans(), SELECTIONS)
def test_before_the_run_settles_nothing_is_fetched(
    sources: tuple[ArtifactSource, ...], archive_known: bool, selection: Selection
) -> None:
    held = manifest() if archive_known else None
    decisions = decide(sources, held, selection, settled=False)
    assert not any(isinstance(d, Fetch) for d in decisions)
    assert all(
        d.state in (ArtifactState.EXCLUDED, ArtifactState.GONE)
        for d in decisions
        if isinstance(d, Record)
    )


@given(offers(), st.booleans())
def test_everything_with_a_url_is_fetched_when_settled_or_when_the_user_says_so(
    sources: tuple[ArtifactSource, ...], settled: bool
) -> None:
    for decision, of in zip(
        decide(sources, settled=settled, take_unsettled=not settled), sources, strict=True
    ):
        if of.url is not None:
            assert decision == Fetch(of)
        elif of.archived:
            assert decision == Record(of, ArtifactState.GONE, ARCHIVED)
        else:
            assert isinstance(decision, Record)
            assert decision.state is ArtifactState.FAILED


@given(offers(), SELECTIONS, st.booleans())
def test_what_is_not_selected_is_excluded_with_the_reason(
    sources: tuple[ArtifactSource, ...], selection: Selection, settled: bool
) -> None:
    limit = selection.max_file_size
    for decision, of in zip(
        decide(sources, None, selection, settled=settled), sources, strict=True
    ):
        too_large = limit is not None and (of.expected_size or 0) > limit
        if not of.archived and (of.kind not in selection.kinds or too_large):
            assert isinstance(decision, Record)
            assert decision.state is ArtifactState.EXCLUDED
            assert decision.reason


@given(offers(), st.booleans(), st.booleans(), st.booleans(), SELECTIONS)
def test_what_is_held_and_offered_as_before_is_not_dropped(
    sources: tuple[ArtifactSource, ...],
    was_settled: bool,
    settled: bool,
    take: bool,
    selection: Selection,
) -> None:
    held = held_of(sources, is_settled=was_settled)
    decisions = decide(sources, held, selection, settled=settled, take_unsettled=take)
    assert kept_paths(decisions) == {a.path for a in held.artifacts}


@given(offers(), st.booleans(), SELECTIONS)
def test_what_is_held_is_not_dropped_when_the_answer_offers_nothing_any_more(
    sources: tuple[ArtifactSource, ...], settled: bool, selection: Selection
) -> None:
    held = held_of(sources)
    decisions = decide((), held, selection, settled=settled)
    assert [place(d) for d in decisions] == [
        (kind, number)
        for kind in ArtifactKind
        for number in range(1, sum(a.kind is kind for a in held.artifacts) + 1)
    ]
    assert kept_paths(decisions) == {a.path for a in held.artifacts}
    assert all(isinstance(d, Keep) and d.entry.reason == NOT_OFFERED for d in decisions)


@given(offers(), offers(), st.booleans(), st.booleans(), SELECTIONS)
def test_a_held_download_with_the_checksum_offered_is_kept_and_verified(
    earlier: tuple[ArtifactSource, ...],
    sources: tuple[ArtifactSource, ...],
    was_settled: bool,
    settled: bool,
    selection: Selection,
) -> None:
    held = held_of([s for s in earlier if s.kind is DOWNLOAD], is_settled=was_settled)
    for decision in decide(sources, held, selection, settled=settled):
        if isinstance(decision, Keep) and decision.entry.expected_sha256 is not None:
            assert decision.entry.state is ArtifactState.VERIFIED
            assert decision.entry.sha256 == decision.entry.expected_sha256
        if isinstance(decision, Fetch) and decision.source.expected_sha256 is not None:
            assert decision.fallback is None


@given(offers())
def test_of_a_settled_run_that_is_held_nothing_is_fetched_again(
    sources: tuple[ArtifactSource, ...],
) -> None:
    assert not any(isinstance(d, Fetch) for d in decide(sources, held_of(sources)))
