"""From what was planned and what arrived to the next manifest, or to none if nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeAlias, TypedDict, TypeVar, Unpack

import msgspec

from archiver.fetch.answer import Answer
from archiver.model.artifact import ArtifactSource, ArtifactState, MediaType
from archiver.model.ids import RunId, Sha256, sha256_of
from archiver.model.manifest import ArtifactEntry, FileEntry, Manifest, is_complete
from archiver.model.paths import DOCUMENT, artifact_paths, revision_name

EARLIER_COPY = "an earlier copy: the service does not have it any more"


class Arrived(Protocol):
    """What a file knows of the bytes that arrived in it."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> Sha256: ...
    @property
    def media_type(self) -> MediaType: ...


FileT = TypeVar("FileT", bound=Arrived)


class Entered(msgspec.Struct, frozen=True):
    """An artifact of which nothing new arrived.

    ``failure`` says why an older copy had to stand in for one that should have been fetched again.
    """

    entry: ArtifactEntry
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival(Generic[FileT]):
    """An artifact whose bytes arrived, and are what was expected. Still without a path."""

    source: ArtifactSource
    file: FileT
    attempts: int
    served_type: str | None
    at: datetime


Settlement: TypeAlias = Entered | Arrival[FileT]


@dataclass(frozen=True, slots=True)
class NextRevision(Generic[FileT]):
    """A manifest to be committed, the document if it is new, and where files go."""

    manifest: Manifest
    document: str | None
    files: tuple[tuple[FileT, str], ...]


class _Details(TypedDict, total=False):
    path: str
    size: int
    sha256: str
    media_type: str
    served_type: str | None
    attempts: int
    reason: str
    fetched_at: datetime


def entry_for(
    source: ArtifactSource, state: ArtifactState, session: str, **details: Unpack[_Details]
) -> ArtifactEntry:
    """The entry of an artifact as the answer names it, with what became of it."""
    return ArtifactEntry(
        kind=source.kind,
        ordinal=source.ordinal,
        state=state,
        filename=source.filename,
        expected_sha256=source.expected_sha256,
        expected_size=source.expected_size,
        modified_at=source.modified_at,
        url=source.address,
        artifact_id=source.artifact_id,
        session=session,
        **details,
    )


def next_revision(
    asked: RunId,
    answer: Answer,
    held: Manifest | None,
    settlements: Sequence[Settlement[FileT]],
    *,
    settled: bool,
    fetched_at: datetime,
    session: str,
    tool: str,
) -> NextRevision[FileT] | None:
    """The revision to commit, None if it would be the same as ``held``."""
    revision = held.revision + 1 if held else 1
    artifacts, files = _place(revision, session, settlements)
    # While an older copy stands in for one that could not be fetched again, the run is not settled
    # for this archive: the next session tries once more.
    settled = settled and not any(isinstance(s, Entered) and s.failure for s in settlements)
    document = answer.document.encode()
    digest = sha256_of(document)
    is_new = held is None or held.document is None or held.document.sha256 != digest
    manifest = Manifest(
        run_id=answer.run.run_id,
        asked_id=asked,
        revision=revision,
        session=session,
        tool=tool,
        fetched_at=fetched_at,
        status=answer.run.status,
        is_final=answer.run.is_final,
        is_settled=settled,
        is_complete=is_complete(settled, artifacts),
        document=FileEntry(
            path=f"{revision_name(revision)}/{DOCUMENT}",
            size=len(document),
            sha256=digest,
        )
        if held is None or held.document is None or is_new
        else held.document,
        document_sha256=answer.received_sha256,
        artifacts=artifacts,
        redacted=answer.redacted,
    )
    if held is not None and _same(manifest, held):
        return None
    return NextRevision(manifest, answer.document if is_new else None, files)


def _place(
    revision: int, session: str, settlements: Sequence[Settlement[FileT]]
) -> tuple[tuple[ArtifactEntry, ...], tuple[tuple[FileT, str], ...]]:
    """The entries, and the files with their paths in the run's folder."""
    arrivals = [s for s in settlements if isinstance(s, Arrival)]
    types = [arrival.file.media_type for arrival in arrivals]
    sources = [arrival.source for arrival in arrivals]
    paths = artifact_paths(
        revision,
        [
            (source.kind, source.ordinal, source.filename, kind.extension)
            for source, kind in zip(sources, types, strict=True)
        ],
    )
    placed = iter(
        entry_for(
            arrival.source,
            ArtifactState.VERIFIED if arrival.source.expected_sha256 else ArtifactState.UNVERIFIED,
            session,
            path=path,
            size=arrival.file.size,
            sha256=arrival.file.sha256,
            media_type=kind.name,
            served_type=arrival.served_type,
            attempts=arrival.attempts,
            fetched_at=arrival.at,
        )
        for arrival, kind, path in zip(arrivals, types, paths, strict=True)
    )
    entries = tuple(s.entry if isinstance(s, Entered) else next(placed) for s in settlements)
    return entries, tuple((a.file, path) for a, path in zip(arrivals, paths, strict=True))


def _same(new: Manifest, held: Manifest) -> bool:
    """Whether a revision would say nothing new: how and when it was asked does not count."""
    return (
        new.document == held.document
        and (new.is_settled, new.is_complete) == (held.is_settled, held.is_complete)
        and [_content(entry) for entry in new.artifacts] == [_content(e) for e in held.artifacts]
    )


def _content(entry: ArtifactEntry) -> ArtifactEntry:
    return msgspec.structs.replace(
        entry, attempts=0, reason=None, fetched_at=None, session="", served_type=None
    )
