"""From what was planned and what arrived to the next manifest, or to none if nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypedDict, Unpack

import msgspec

from archiver.fetch.answer import Answer
from archiver.model.artifact import ArtifactSource, ArtifactState, MediaType
from archiver.model.ids import RunId, Sha256, sha256_of
from archiver.model.manifest import ArtifactEntry, FileEntry, Manifest, is_complete
from archiver.model.paths import DOCUMENT, artifact_paths, revision_name
from archiver.store.staging import Staged

EARLIER_COPY = "an earlier copy: the service does not have it any more"


class Recorded(msgspec.Struct, frozen=True):
    """An artifact of which nothing new arrived.

    ``failure`` says why an older copy had to stand in for one that should have been fetched again.
    """

    entry: ArtifactEntry
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """An artifact whose bytes arrived in ``file``, and are what was expected.

    ``size`` (in bytes), ``sha256`` and ``media_type`` are those of all that arrived. Its path in
    the archive is still open.
    """

    source: ArtifactSource
    file: Staged
    size: int
    sha256: Sha256
    media_type: MediaType
    attempts: int
    served_type: str | None
    at: datetime


ArtifactOutcome: TypeAlias = Recorded | Received


@dataclass(frozen=True, slots=True)
class NextRevision:
    """A manifest to be committed, the document if it is new, and where files go."""

    manifest: Manifest
    document: str | None
    files: tuple[tuple[Staged, str], ...]


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
    """Return the entry of an artifact as the answer names it, with what became of it."""
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
    outcomes: Sequence[ArtifactOutcome],
    *,
    settled: bool,
    fetched_at: datetime,
    session: str,
    tool: str,
) -> NextRevision | None:
    """Return the revision to commit, None if it would say nothing that ``latest`` does not say.

    ``outcomes`` are those of all artifacts that the answer offers, in its order; ``settled`` is
    what the answer's own times say; ``fetched_at`` is UTC.
    """
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
    revision: int, session: str, outcomes: Sequence[ArtifactOutcome]
) -> tuple[tuple[ArtifactEntry, ...], tuple[tuple[Staged, str], ...]]:
    """The entries, and the files with their paths in the run's folder."""
    received = [s for s in outcomes if isinstance(s, Received)]
    paths = artifact_paths(
        revision,
        [
            (one.source.kind, one.source.ordinal, one.source.filename, one.media_type.extension)
            for one in received
        ],
    )
    entered = iter(
        entry_for(
            one.source,
            ArtifactState.VERIFIED if one.source.expected_sha256 else ArtifactState.UNVERIFIED,
            session,
            path=path,
            size=one.size,
            sha256=one.sha256,
            media_type=one.media_type.name,
            served_type=one.served_type,
            attempts=one.attempts,
            fetched_at=one.at,
        )
        for one, path in zip(received, paths, strict=True)
    )
    entries = tuple(s.entry if isinstance(s, Recorded) else next(entered) for s in outcomes)
    return entries, tuple((one.file, path) for one, path in zip(received, paths, strict=True))


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
