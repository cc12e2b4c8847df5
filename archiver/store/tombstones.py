"""Removing a run: the tombstone that stays, and what it says of what there was.

It keeps the id, the status, the times and all digests, so that the ledger and old proofs still
hold and counts stay right; nothing of the content, and no name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from archiver.domain.digest import Sha256
from archiver.export.content import ChosenRun
from archiver.model.document import JsonObject
from archiver.model.manifest import Manifest, Removal, RemovalKind, RemovedFile, RemovedRevision
from archiver.model.run import Run, read_run

_DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Held:
    """A revision that is to go: its manifest's path in the archive and digest.

    ``manifest`` is None where it is damaged, or not there: then nothing can be told of its files.
    """

    path: str
    sha256: Sha256
    manifest: Manifest | None

    @property
    def revision(self) -> int:
        return int(self.path.split("/")[-2][1:])


@dataclass(frozen=True, slots=True)
class Order:
    """That runs are to be removed: by whom, when and why."""

    kind: RemovalKind
    at: datetime
    user: str | None
    host: str | None
    reason: str
    session: str
    tool: str


class State(Protocol):
    """What is known of a run's latest state: a manifest has it, and so have the tables."""

    @property
    def run_id(self) -> str: ...
    @property
    def fetched_at(self) -> datetime: ...
    @property
    def status(self) -> str: ...
    @property
    def is_final(self) -> bool: ...
    @property
    def is_settled(self) -> bool: ...
    @property
    def document_sha256(self) -> str: ...


def tombstone(
    order: Order, latest: State, run: Run, revisions: Sequence[Held], revision: int
) -> Manifest:
    """The manifest that takes the place of all that a run's revisions hold.

    ``latest`` and ``run`` are what is known of the last of them. Among them may be an earlier
    tombstone: what it says of revisions before is said again.
    """
    return Manifest(
        run_id=str(latest.run_id),
        asked_id=str(latest.run_id),
        revision=revision,
        session=order.session,
        tool=order.tool,
        fetched_at=latest.fetched_at,
        status=latest.status,
        is_final=latest.is_final,
        is_settled=latest.is_settled,
        is_complete=True,
        document=None,
        document_sha256=latest.document_sha256,
        artifacts=(),
        removed=Removal(
            kind=order.kind,
            at=order.at,
            user=order.user,
            host=order.host,
            reason=order.reason,
            run_type=run.run_type,
            created_at=run.created_at,
            queued_at=run.queued_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            revisions=tuple(
                # What was put back after it was removed is told of once.
                {one.manifest: one for held in revisions for one in _removed(held)}.values()
            ),
        ),
    )


def removed_run(manifest: Manifest) -> Run:
    """What is still known of a run by its tombstone."""
    return _run(str(manifest.run_id), manifest.status, manifest.removed)


def run_in_tables(row: ChosenRun) -> Run:
    """What is still known of a run of which only the tables tell."""
    return _run(row.run_id, row.status, row)


def _run(run_id: str, status: str, rest: Removal | ChosenRun | None) -> Run:
    document: JsonObject = {"run_id": run_id, "status": status}
    if rest is not None:
        document["run_type"] = rest.run_type
        for name in ("created_at", "queued_at", "started_at", "finished_at"):
            moment: datetime | None = getattr(rest, name)
            document[name] = moment.isoformat() if moment else None
    return read_run(document)


def _removed(held: Held) -> Iterator[RemovedRevision]:
    manifest = held.manifest
    if manifest is None:
        yield RemovedRevision(manifest=held.path, sha256=held.sha256, session=None)
        return
    if manifest.removed is not None:
        yield from manifest.removed.revisions
    files = []
    if manifest.document is not None:
        size, sha256 = manifest.document.size, manifest.document.sha256
        files.append(RemovedFile(kind=_DOCUMENT, size=size, sha256=sha256))
    files += [
        RemovedFile(
            kind=entry.kind,
            ordinal=entry.ordinal,
            state=entry.state,
            media_type=entry.media_type,
            size=entry.size,
            sha256=entry.sha256,
        )
        for entry in manifest.artifacts
        if entry.size is not None and entry.sha256 is not None
    ]
    yield RemovedRevision(
        manifest=held.path, sha256=held.sha256, session=manifest.session, files=tuple(files)
    )
