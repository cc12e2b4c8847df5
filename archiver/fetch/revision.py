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


class Recorded(msgspec.Struct, frozen=True):
    """An artifact of which nothing new arrived.

    ``failure`` says why an older copy had to stand in for one that should have been fetched again.
    """

    entry: ArtifactEntry
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Received(Generic[FileT]):
    """An artifact whose bytes arrived, and are what was expected. Still without a path."""

    source: ArtifactSource
    file: FileT
    attempts: int
    served_type: str | None
    at: datetime


ArtifactOutcome: TypeAlias = Recorded | Received[FileT]


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
    latest: Manifest | None,
    outcomes: Sequence[ArtifactOutcome[FileT]],
    *,
    settled: bool,
    fetched_at: datetime,
    session: str,
    tool: str,
) -> NextRevision[FileT] | None:
    """The revision to commit, None if it would be the same as ``held``."""
    revision = latest.revision + 1 if latest else 1
    artifacts, files = _place(revision, session, outcomes)
    # While an older copy stands in for one that could not be fetched again, the run is not settled
    # for this archive: the next session tries once more.
    settled = settled and not any(isinstance(s, Recorded) and s.failure for s in outcomes)
    document = answer.document.encode()
    digest = sha256_of(document)
    is_new = latest is None or latest.document is None or latest.document.sha256 != digest
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
        if latest is None or latest.document is None or is_new
        else latest.document,
        document_sha256=answer.received_sha256,
        artifacts=artifacts,
        redacted=answer.redacted,
    )
    if latest is not None and _same(manifest, latest):
        return None
    return NextRevision(manifest, answer.document if is_new else None, files)


def _place(
    revision: int, session: str, outcomes: Sequence[ArtifactOutcome[FileT]]
) -> tuple[tuple[ArtifactEntry, ...], tuple[tuple[FileT, str], ...]]:
    """The entries, and the files with their paths in the run's folder."""
    received = [s for s in outcomes if isinstance(s, Received)]
    types = [one.file.media_type for one in received]
    sources = [one.source for one in received]
    paths = artifact_paths(
        revision,
        [
            (source.kind, source.ordinal, source.filename, kind.extension)
            for source, kind in zip(sources, types, strict=True)
        ],
    )
    entered = iter(
        entry_for(
            one.source,
            ArtifactState.VERIFIED if one.source.expected_sha256 else ArtifactState.UNVERIFIED,
            session,
            path=path,
            size=one.file.size,
            sha256=one.file.sha256,
            media_type=kind.name,
            served_type=one.served_type,
            attempts=one.attempts,
            fetched_at=one.at,
        )
        for one, kind, path in zip(received, types, paths, strict=True)
    )
    entries = tuple(s.entry if isinstance(s, Recorded) else next(entered) for s in outcomes)
    return entries, tuple((a.file, path) for a, path in zip(received, paths, strict=True))


def _same(new: Manifest, latest: Manifest) -> bool:
    """Whether a revision would say nothing new: how and when it was asked does not count."""
    return (
        new.document == latest.document
        and (new.is_settled, new.is_complete) == (latest.is_settled, latest.is_complete)
        and [_content(entry) for entry in new.artifacts] == [_content(e) for e in latest.artifacts]
    )


def _content(entry: ArtifactEntry) -> ArtifactEntry:
    return msgspec.structs.replace(
        entry, attempts=0, reason=None, fetched_at=None, session="", served_type=None
    )
