"""Removing a run: the tombstone that stays, and what it says of what there was.

It keeps the id, the status, the times and all digests, so that the ledger and old proofs still
hold and counts stay right; nothing of the content, and no name.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from archiver.errors import ArchiveDamaged, RunsRemoved
from archiver.model.artifact import ArtifactKind, ArtifactState
from archiver.model.document import JsonObject
from archiver.model.ids import Sha256
from archiver.model.manifest import (
    ArtifactEntry,
    Manifest,
    PrunedFile,
    Pruning,
    Removal,
    RemovalKind,
    RemovedFile,
    RemovedRevision,
    is_complete,
)
from archiver.model.paths import TEMPORARY_FOLDER, download_prefix, revision_name
from archiver.model.run import ChosenRun, Run, read_run
from archiver.store.lock import journaled, journals_in
from archiver.store.revisions import (
    earlier_revisions,
    latest_revision,
    read_manifest,
)
from archiver.store.storage import LocalStorage


def remove_what_went(storage: LocalStorage, folder: str, manifest: Manifest) -> tuple[int, int]:
    """Remove the files that the revision in ``folder`` says are gone, earlier revisions with them.

    Returns how many files of how many bytes were there. Raises ArchiveUnwritable.
    """
    if manifest.removed is not None:
        return _remove_earlier(storage, folder, manifest)
    return _remove_pruned(storage, folder.rpartition("/")[0], manifest)


def _remove_pruned(storage: LocalStorage, folder: str, manifest: Manifest) -> tuple[int, int]:
    """Remove the files that a revision says are gone: how many of how many bytes were there."""
    files = size = 0
    emptied = set()
    for file in manifest.pruned.files if manifest.pruned is not None else ():
        path = f"{folder}/{file.path}"
        if (there := storage.size(path)) is not None:
            files += 1
            size += there
        storage.remove(path)
        emptied.add(path.rpartition("/")[0])
    storage.sync([], [one for one in sorted(emptied) if storage.is_folder(one)])
    for one in sorted(emptied):
        storage.remove_empty(one)
    return files, size


def _remove_earlier(
    storage: LocalStorage, tombstone_folder: str, manifest: Manifest
) -> tuple[int, int]:
    """Remove all that a tombstone stands for: how many files of how many bytes that were.

    Of a run that was erased, also what nothing lists: all else in its folder.
    """
    files = size = 0
    folder, _, own = tombstone_folder.rpartition("/")
    gone = earlier_revisions(storage, tombstone_folder)
    if manifest.removed_kind is RemovalKind.ERASED:
        gone = [f"{folder}/{name}" for name in storage.names(folder) if name != own]
    for path in gone:
        for file in storage.files(path) if storage.is_folder(path) else [path]:
            files += 1
            size += storage.size(file) or 0
        storage.remove(path)
    storage.sync([], [folder])
    remove_unfinished(storage, folder.rpartition("/")[2])
    return files, size


def remove_unfinished(storage: LocalStorage, run_id: str) -> None:
    """Remove downloads of a run that were to go on."""
    for name in storage.own_names(TEMPORARY_FOLDER):
        if name.startswith(download_prefix(run_id)):
            storage.remove(f"{TEMPORARY_FOLDER}/{name}")


def read_tombstones(storage: LocalStorage, revision_folders: Iterable[str]) -> dict[str, Manifest]:
    """Those of the revisions that are tombstones. Raises ArchiveDamaged."""
    manifests = {folder: read_manifest(storage, folder) for folder in revision_folders}
    return {folder: manifest for folder, manifest in manifests.items() if manifest.removed}


def removals_begun(storage: LocalStorage, kind: RemovalKind) -> list[str]:
    """The ids of runs that killed sessions, or one at work, began to remove; by no record yet.

    Of a prune also those of which it removed artifacts.
    """
    folders = [line for path in journals_in(storage) for line in journaled(storage, path)]
    begun = []
    for folder in dict.fromkeys(folders):
        with contextlib.suppress(ArchiveDamaged):  # it was never committed
            manifest = read_manifest(storage, folder)
            if removal_of(manifest) is kind:
                begun.append(manifest.run_id)
    return begun


def removal_of(manifest: Manifest) -> RemovalKind | None:
    """What kind of removal a revision is, of a whole run or of artifacts; None where it is none."""
    return RemovalKind.PRUNED if manifest.pruned is not None else manifest.removed_kind


def check_removed(storage: LocalStorage, revision_folder: str) -> None:
    """Raises RunsRemoved where a tombstone has taken the place of a revision."""
    run = revision_folder.rpartition("/")[0]
    with contextlib.suppress(ArchiveDamaged):  # said by whoever reads it
        latest = latest_revision(storage, run)
        if latest is None or f"{run}/{revision_name(latest.revision)}" == revision_folder:
            return
        if latest.removed is not None:
            raise RunsRemoved(
                f"{latest.run_id} was {latest.removed.kind.value} on {latest.removed.at:%Y-%m-%d}: "
                "nothing of it is left",
                hint="The same command again goes without it; its tombstone stays",
            )


_DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class StoredRevision:
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


class LatestState(Protocol):
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
    order: Order, latest: LatestState, run: Run, revisions: Sequence[StoredRevision], revision: int
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
                {one.manifest: one for stored in revisions for one in _removed(stored)}.values()
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


def _removed(stored: StoredRevision) -> Iterator[RemovedRevision]:
    manifest = stored.manifest
    if manifest is None:
        yield RemovedRevision(manifest=stored.path, sha256=stored.sha256, session=None)
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
        manifest=stored.path, sha256=stored.sha256, session=manifest.session, files=tuple(files)
    )


@dataclass(frozen=True, slots=True)
class PrunedPaths:
    """The files of a run that are gone by rule: for each the revision that says so, and digest."""

    by_path: Mapping[str, tuple[int, str]]

    def explains(self, path: str, sha256: str, revision: int) -> bool:
        """Whether it is right that a file is not there which ``revision`` lists."""
        by, pruned = self.by_path.get(path, (0, ""))
        return by > revision and pruned == sha256


def pruned_paths(manifests: Iterable[Manifest]) -> PrunedPaths:
    """What these revisions of a run say is gone."""
    return PrunedPaths(
        {
            file.path: (manifest.revision, file.sha256)
            for manifest in manifests
            if manifest.pruned is not None
            for file in manifest.pruned.files
        }
    )


def without_artifacts(
    order: Order, revisions: Sequence[Manifest], kinds: frozenset[ArtifactKind]
) -> Manifest | None:
    """The revision after which no artifact of these kinds is kept, None where none is.

    ``revisions`` are all of the run, oldest first.
    """
    latest, gone = revisions[-1], pruned_paths(revisions).by_path
    files = {
        entry.path: PrunedFile(
            path=entry.path, kind=entry.kind, size=entry.size, sha256=entry.sha256
        )
        for manifest in revisions
        for entry in manifest.artifacts
        if entry.kind in kinds and entry.path is not None and entry.path not in gone
        if entry.size is not None and entry.sha256 is not None
    }
    if not files:
        return None
    artifacts = tuple(_pruned(entry, order, kinds) for entry in latest.artifacts)
    return replace(
        latest,
        revision=latest.revision + 1,
        session=order.session,
        tool=order.tool,
        is_complete=is_complete(latest.is_settled, artifacts),
        artifacts=artifacts,
        pruned=Pruning(
            at=order.at,
            user=order.user,
            host=order.host,
            reason=order.reason,
            files=tuple(files.values()),
        ),
    )


def _pruned(entry: ArtifactEntry, order: Order, kinds: frozenset[ArtifactKind]) -> ArtifactEntry:
    if entry.path is None or entry.kind not in kinds:
        return entry
    return replace(
        entry,
        state=ArtifactState.EXCLUDED,
        path=None,
        reason=f"pruned: {order.reason}",
        session=order.session,
        pruned_at=order.at,
    )
