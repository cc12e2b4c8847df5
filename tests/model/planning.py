"""Plans made of answers and of what is held."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from archiver.fetch.plan import Decision, Fetch, Keep, Selection, plan, with_source
from archiver.model.artifact import ArtifactKind, ArtifactSource
from archiver.model.manifest import ArtifactEntry, Manifest
from tests.model.builders import (
    DIGEST,
    entry,
    manifest,
)

ALL = Selection()
SELECTIONS = st.builds(
    Selection,
    kinds=st.frozensets(st.sampled_from(ArtifactKind)),
    max_file_size=st.none() | st.integers(0, 100),
)


def decide(
    sources: Sequence[ArtifactSource],
    held: Manifest | None = None,
    selection: Selection = ALL,
    *,
    settled: bool = True,
    take_unsettled: bool = False,
) -> list[Decision]:
    return plan(sources, held, selection, settled=settled, take_unsettled=take_unsettled)


def held_of(sources: Sequence[ArtifactSource], **fields: Any) -> Manifest:
    """The revision that holds everything of an answer."""
    return manifest(*(held_entry(s) for s in sources if not s.archived), **fields)


def held_entry(of: ArtifactSource) -> ArtifactEntry:
    plain = entry(of.kind, of.ordinal, sha256=of.expected_sha256 or DIGEST)
    return with_source(plain, of)


def place(decision: Decision) -> tuple[str, int]:
    of = decision.entry if isinstance(decision, Keep) else decision.source
    return of.kind, of.ordinal


def kept_paths(decisions: Sequence[Decision]) -> set[str | None]:
    """Where the held bytes are that the decisions keep, for good or to stand in."""
    kept = {d.entry.path for d in decisions if isinstance(d, Keep)}
    return kept | {d.fallback.path for d in decisions if isinstance(d, Fetch) and d.fallback}
