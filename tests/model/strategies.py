"""What the world may send: JSON of any shape, names of any kind, artifacts in any state."""

import math
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from archiver.model.artifact import ArtifactKind, ArtifactSource, ArtifactState
from archiver.model.manifest import ArtifactEntry, FileEntry, Manifest, is_complete
from archiver.model.run import FINAL_STATUSES
from tests.model.builders import AT, SESSION, digest

ANY_TEXT = st.text(st.characters(), max_size=20)
"""Any text that JSON can carry, lone surrogates too."""

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)

JSON_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)
JSON = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
JSON_OBJECTS = st.dictionaries(ANY_TEXT, JSON, max_size=5)

INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SIZES = st.integers(min_value=0, max_value=2**62)
DIGESTS = st.sampled_from([digest(letter) for letter in "abc"])
FILE_NAMES = st.text(
    st.sampled_from('aAéÉe\u0301 ._-/\\:*?"<>|\0\n\t\u202e\u200d\u2028\ufb01con\u212b1日😀')
    | st.characters(),
    max_size=300,
)


def revision_paths() -> st.SearchStrategy[str]:
    part = st.from_regex(r"[a-z0-9][a-z0-9 .é-]{0,8}[a-z0-9]", fullmatch=True)
    return st.builds(
        lambda number, parts: "/".join([f"r{number}", *parts]),
        st.integers(min_value=1, max_value=99),
        st.lists(part, min_size=1, max_size=3),
    )


@st.composite
def entries(draw: st.DrawFn, kind: ArtifactKind | None = None, ordinal: int = 1) -> ArtifactEntry:
    """An artifact in any state that the tool may record."""
    state = draw(st.sampled_from(ArtifactState))
    seen = state.has_bytes or state is ArtifactState.MISMATCH
    fields: dict[str, Any] = {
        "filename": draw(st.none() | TEXT),
        "media_type": draw(st.none() | st.sampled_from(["image/png", "video/webm"])),
        "served_type": draw(st.none() | TEXT),
        "modified_at": draw(st.none() | INSTANTS),
        "url": draw(st.none() | TEXT),
        "artifact_id": draw(st.none() | TEXT),
        "attempts": draw(st.integers(0, 9)),
        "reason": draw(st.none() | TEXT),
        "fetched_at": draw(st.none() | INSTANTS),
        "expected_size": draw(st.none() | SIZES),
        "expected_sha256": draw(st.none() | DIGESTS),
    }
    if seen:
        fields |= {"size": draw(SIZES), "sha256": draw(DIGESTS)}
    if state.has_bytes:
        fields["path"] = draw(revision_paths())
    if state is ArtifactState.EXCLUDED and draw(st.booleans()):
        fields |= {"size": draw(SIZES), "sha256": draw(DIGESTS), "pruned_at": draw(INSTANTS)}
    if state is ArtifactState.VERIFIED:
        fields["expected_sha256"] = fields["sha256"]
    return ArtifactEntry(
        kind=kind or draw(st.sampled_from(ArtifactKind)),
        ordinal=ordinal,
        state=state,
        session=SESSION,
        **fields,
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any manifest that the tool may write."""
    artifacts = tuple(
        draw(entries(kind, ordinal))
        for kind in ArtifactKind
        for ordinal in range(1, draw(st.integers(0, 2)) + 1)
    )
    status = draw(st.sampled_from([*sorted(FINAL_STATUSES), "running", "brand_new"]))
    settled = status in FINAL_STATUSES and draw(st.booleans())
    run_id = draw(st.from_regex(r"(tsk_v2_|tsk_|wr_)[A-Za-z0-9_-]{1,20}", fullmatch=True))
    return Manifest(
        run_id=run_id,
        asked_id=draw(st.sampled_from([run_id, "wr_1"])),
        revision=draw(st.integers(1, 1000)),
        session=SESSION,
        tool=draw(TEXT),
        fetched_at=draw(INSTANTS),
        status=status,
        is_final=status in FINAL_STATUSES,
        is_settled=settled,
        is_complete=is_complete(settled, artifacts),
        document=FileEntry(path=draw(revision_paths()), size=draw(SIZES), sha256=draw(DIGESTS)),
        document_sha256=draw(DIGESTS),
        artifacts=artifacts,
    )


@st.composite
def sources(draw: st.DrawFn, kind: ArtifactKind, ordinal: int) -> ArtifactSource:
    """An artifact as an answer may offer it; ids and names come from few, so that they repeat."""
    archived = kind is ArtifactKind.RECORDING and draw(st.booleans())
    is_download = kind is ArtifactKind.DOWNLOAD
    number = draw(st.integers(1, 3))
    named = draw(st.booleans())
    url = f"https://storage.example/{kind}/{number}?expiry=1&sig=s1gn4ture"
    return ArtifactSource(
        kind,
        ordinal,
        None if archived or (is_download and draw(st.integers(0, 5)) == 0) else url,
        filename=draw(st.none() | st.sampled_from(["a.pdf", "A.pdf"])) if is_download else None,
        expected_sha256=draw(st.none() | DIGESTS) if is_download else None,
        expected_size=draw(st.none() | st.integers(0, 100)) if is_download else None,
        modified_at=draw(st.none() | st.just(AT)) if is_download else None,
        artifact_id=f"a_{kind}_{number}" if named and not archived else None,
        archived=archived,
    )


@st.composite
def offers(draw: st.DrawFn) -> tuple[ArtifactSource, ...]:
    """The artifacts of an answer: numbers rise, but entries that made no sense leave gaps."""
    found = []
    for kind, most in ((ArtifactKind.RECORDING, 1), (ArtifactKind.SCREENSHOT, 3)):
        found += [draw(sources(kind, n)) for n in range(1, draw(st.integers(0, most)) + 1)]
    numbers = sorted(draw(st.sets(st.integers(1, 5), max_size=4)))
    return (*found, *[draw(sources(ArtifactKind.DOWNLOAD, n)) for n in numbers])


def is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
