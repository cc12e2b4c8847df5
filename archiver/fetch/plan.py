"""The plan: for each artifact of a run, keep what is held, fetch it, or record why not.

Pure: the answer, what is held already and the user's choice go in, decisions come out; the loop
that acts only obeys.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias
from unicodedata import normalize

import msgspec

from archiver.model.artifact import KINDS, ArtifactKind, ArtifactSource, ArtifactState
from archiver.model.manifest import ArtifactEntry, Manifest

NOT_SETTLED = "the run is not settled yet"
ARCHIVED = "the service moved the recording to cold storage (recording_archived)"
NOT_OFFERED = "no longer offered by the API"
NO_URL = "the API names the file without a URL"
ERROR_PAGE = "no longer offered by the API, and what an earlier version kept as it is none"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which artifacts the user wants: kinds, and the largest size in bytes (None: any).

    Not those whose name, or media type, is like one of ``without_names`` or ``without_types``:
    patterns of file names (``*.exe``, ``video/*``), whatever the case.
    """

    kinds: frozenset[ArtifactKind] = field(default_factory=lambda: frozenset(ArtifactKind))
    max_file_size: int | None = None
    without_names: tuple[str, ...] = ()
    without_types: tuple[str, ...] = ()

    def unwanted_type(self, media_type: str | None) -> str | None:
        """Why files of this media type are left out, None if they are not."""
        return _left_out(media_type, self.without_types, "--without-type")

    def unwanted_name(self, name: str | None) -> str | None:
        """Why files of this name are left out, None if they are not."""
        return _left_out(name, self.without_names, "--without-name")


def _left_out(text: str | None, patterns: tuple[str, ...], option: str) -> str | None:
    for pattern in patterns:
        if text is not None and fnmatchcase(_folded(text), _folded(pattern)):
            return f"left out: {option} {pattern}"
    return None


def _folded(text: str) -> str:
    """Case, and the ways to write an accent, make no difference."""
    return normalize("NFC", normalize("NFC", text).casefold())


class Keep(msgspec.Struct, frozen=True):
    """The archive holds the bytes already, and ``entry`` says where; or held and pruned them. Or
    the artifact is of a kind that only a later version knows."""

    entry: ArtifactEntry


class Fetch(msgspec.Struct, frozen=True):
    """Download it. ``fallback`` is an older copy of one that has no checksum: it stands in when
    the bytes cannot be had again."""

    source: ArtifactSource
    fallback: ArtifactEntry | None = None


class Record(msgspec.Struct, frozen=True):
    """There is nothing to download; the state and the reason are recorded."""

    source: ArtifactSource
    state: ArtifactState
    reason: str


Decision: TypeAlias = Keep | Fetch | Record


def plan(
    sources: Sequence[ArtifactSource],
    latest: Manifest | None,
    selection: Selection,
    *,
    settled: bool,
    take_unsettled: bool,
) -> list[Decision]:
    """One decision for each artifact: those of the answer, then those that it no longer offers.

    ``held`` is the run's latest revision. ``settled`` says that the service will not replace the
    artifacts any more, ``take_unsettled`` that the user wants them even so.
    """
    earlier = _StoredArtifacts(latest)
    take = settled or take_unsettled
    decisions = [_decide(source, earlier, selection, settled, take) for source in sources]
    return decisions + _no_longer_offered(sources, earlier) + earlier.others


def _decide(
    source: ArtifactSource,
    earlier: "_StoredArtifacts",
    selection: Selection,
    settled: bool,
    take: bool,
) -> Decision:
    entry = earlier.match(source)
    if entry is not None and entry.pruned_at is not None:
        if source.expected_sha256 in (None, entry.sha256):
            return Keep(msgspec.structs.replace(entry, ordinal=source.ordinal))
        entry = None
    if entry is not None and entry.is_error_page:
        entry = None  # what earlier versions took for it
    if entry is not None and _still_good(source, entry, settled and not earlier.settled):
        return Keep(with_source(entry, source))
    record = _not_to_be_had(source, selection, take)
    if record is None:
        return Fetch(source, entry if source.expected_sha256 is None else None)
    # What was kept stays kept, also where it would not be taken today.
    return Keep(msgspec.structs.replace(entry, ordinal=source.ordinal)) if entry else record


def _not_to_be_had(source: ArtifactSource, selection: Selection, take: bool) -> Record | None:
    """Why an artifact is not to be downloaded, None if it is."""
    if source.archived:
        return Record(source, ArtifactState.GONE, ARCHIVED)
    if source.kind not in selection.kinds:
        return Record(source, ArtifactState.EXCLUDED, f"left out: {source.kind}s")
    if (reason := selection.unwanted_name(source.true_name)) is not None:
        return Record(source, ArtifactState.EXCLUDED, reason)
    limit = selection.max_file_size
    if limit is not None and source.expected_size is not None and source.expected_size > limit:
        reason = f"larger than --max-file-size: {source.expected_size} bytes"
        return Record(source, ArtifactState.EXCLUDED, reason)
    if not take:
        return Record(source, ArtifactState.EXCLUDED, NOT_SETTLED)
    if source.url is None:
        return Record(source, ArtifactState.FAILED, NO_URL)
    return None


def _still_good(source: ArtifactSource, entry: ArtifactEntry, newly_settled: bool) -> bool:
    """Whether held bytes are what the answer offers.

    A checksum decides. Without one, bytes that were taken before the run settled may have been
    replaced under the same URL, and are fetched again once; after that a change in what the API
    says of them is the only sign.
    """
    if source.expected_sha256 is not None:
        return entry.sha256 == source.expected_sha256
    if newly_settled:
        return False
    if source.kind is not ArtifactKind.DOWNLOAD:
        return True
    return source.expected_size == entry.expected_size and source.modified_at == entry.modified_at


def _no_longer_offered(
    sources: Sequence[ArtifactSource], earlier: "_StoredArtifacts"
) -> list[Decision]:
    """What was kept stays kept: held artifacts that the answer does not list any more.

    Screenshots are the exception: the API lists the last few, so that new ones push old ones out.
    """
    left = earlier.unmatched()
    if not left:
        return []
    offered = {source.kind for source in sources}
    last: dict[str, int] = {
        kind: max((source.ordinal for source in sources if source.kind is kind), default=0)
        for kind in ArtifactKind
    }
    decisions: list[Decision] = []
    for entry in left:
        if entry.kind == ArtifactKind.SCREENSHOT and entry.kind in offered:
            continue
        if entry.kind == ArtifactKind.RECORDING and entry.kind in offered:
            continue
        last[entry.kind] += 1
        if entry.is_error_page:
            decisions.append(Keep(_gone(entry, last[entry.kind])))
            continue
        reason = entry.reason if entry.pruned_at else NOT_OFFERED
        carried = msgspec.structs.replace(entry, ordinal=last[entry.kind], reason=reason)
        decisions.append(Keep(carried))
    return decisions


def _gone(page: ArtifactEntry, ordinal: int) -> ArtifactEntry:
    """An artifact of which an error page was kept, now that it cannot be asked for any more."""
    return msgspec.structs.replace(
        page,
        ordinal=ordinal,
        state=ArtifactState.GONE,
        path=None,
        size=None,
        sha256=None,
        media_type=None,
        reason=ERROR_PAGE,
    )


class _StoredArtifacts:
    """The artifacts whose bytes the latest revision holds, or held until they were pruned, by what
    tells that two are the same."""

    def __init__(self, manifest: Manifest | None) -> None:
        self.settled = manifest is not None and manifest.is_settled
        self.others: list[Decision] = []
        """Artifacts of kinds that a later version asked for, whatever became of them."""
        self._left: dict[int, ArtifactEntry] = {}
        self._places: dict[tuple[object, ...], deque[int]] = {}
        for number, entry in enumerate(manifest.artifacts if manifest else ()):
            if entry.kind not in KINDS:
                self.others.append(Keep(entry))
            elif entry.state.has_bytes or entry.pruned_at is not None:
                self._left[number] = entry
                for key in _keys_of_entry(entry):
                    self._places.setdefault(key, deque()).append(number)

    def match(self, source: ArtifactSource) -> ArtifactEntry | None:
        """The held artifact that is ``source``; each is given out once."""
        if not self._left:
            return None
        for key in _keys_of_source(source):
            places = self._places.get(key)
            while places:
                # One that was given out under another key is passed over, once.
                entry = self._left.pop(places.popleft(), None)
                if entry is not None:
                    return entry
        return None

    def unmatched(self) -> list[ArtifactEntry]:
        return list(self._left.values())


def _keys_of_source(source: ArtifactSource) -> Iterator[tuple[object, ...]]:
    """What tells an artifact, the surest first; of an entry see :func:`_keys_of_entry`."""
    kind = source.kind
    if source.artifact_id is not None:
        yield kind, "id", source.artifact_id
    if source.address is not None:
        yield kind, "url", source.address
    if kind is ArtifactKind.DOWNLOAD and source.expected_sha256 is not None:
        yield kind, "bytes", source.filename, source.expected_sha256
    if source.archived:
        yield kind, "recording"


def _keys_of_entry(entry: ArtifactEntry) -> Iterator[tuple[object, ...]]:
    kind = entry.kind
    if entry.artifact_id is not None:
        yield kind, "id", entry.artifact_id
    if entry.url is not None:
        yield kind, "url", entry.url
    if kind == ArtifactKind.DOWNLOAD:
        yield kind, "bytes", entry.filename, entry.sha256
    if kind == ArtifactKind.RECORDING:
        yield kind, "recording"


def with_source(
    entry: ArtifactEntry, source: ArtifactSource, reason: str | None = None
) -> ArtifactEntry:
    """The held bytes under the number, name and expectations that the answer gives now."""
    if source.archived:
        return msgspec.structs.replace(entry, ordinal=source.ordinal, reason=ARCHIVED)
    proven = source.expected_sha256 is not None and source.expected_sha256 == entry.sha256
    return msgspec.structs.replace(
        entry,
        ordinal=source.ordinal,
        state=ArtifactState.VERIFIED if proven else ArtifactState.UNVERIFIED,
        filename=source.filename,
        expected_sha256=source.expected_sha256,
        expected_size=source.expected_size,
        modified_at=source.modified_at,
        url=source.address,
        artifact_id=source.artifact_id,
        reason=reason,
    )
