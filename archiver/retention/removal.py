"""Removing runs: tombstones first, then what they stand for, then the rows of the tables.

A session that is killed in between leaves its journal: whoever writes next finds the tombstones
that it committed, and removes the rest.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from archiver.errors import ArchiveDamaged
from archiver.model.ids import sha256_of
from archiver.model.ledger import ListedManifest, manifest_path
from archiver.model.manifest import Manifest, RemovalKind
from archiver.model.run import ChosenRun, Run, read_document
from archiver.retention.history import stored_revisions
from archiver.store.lock import Writer
from archiver.store.revisions import (
    PreparedRevision,
    commit_revisions,
    earlier_revisions,
    prepare_revision,
    revision_numbers,
    run_folders,
)
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import (
    Order,
    StoredRevision,
    remove_what_went,
    removed_run,
    run_in_tables,
    tombstone,
)

_AT_ONCE = 64
"""Revisions that are committed together."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A run of which something went: the revision that says so, and the files and bytes."""

    run_id: str
    manifest: ListedManifest
    files: int
    bytes: int


def commit_and_remove(
    writer: Writer, manifests: Iterable[tuple[ChosenRun, Manifest]]
) -> Iterator[list[Removed]]:
    """Commit revisions that say what goes of their runs, and remove it; yield it as it goes.

    The tables have the rows until :func:`remove_rows` is called. Raises ArchiveUnwritable.
    """
    left = iter(manifests)
    while some := list(itertools.islice(left, _AT_ONCE)):
        prepared: list[PreparedRevision] = []
        try:
            for run, manifest in some:
                folder = run.path.rpartition("/")[0]
                prepared.append(prepare_revision(writer.storage, folder, manifest, None, []))
        except BaseException:
            for one in prepared:
                one.discard()
            raise
        commit_revisions(writer, prepared)
        yield [_removed(writer.storage, one) for one in prepared]


def _removed(storage: LocalStorage, revision: PreparedRevision) -> Removed:
    files, size = remove_what_went(storage, revision.path, revision.manifest)
    listed = ListedManifest(revision.sha256, manifest_path(revision.path))
    return Removed(revision.manifest.run_id, listed, files, size)


def tombstones(
    storage: LocalStorage, order: Order, runs: Iterable[ChosenRun], damaged: list[str]
) -> Iterator[tuple[ChosenRun, Manifest]]:
    """Yield the tombstone of each of these runs.

    What is to be pruned, and of which no manifest can be read, is left out and named in
    ``damaged``; what is to be erased goes all the same.
    """
    for run, stored in stored_revisions(storage, runs):
        folder = run.path.rpartition("/")[0]
        readable = [one.manifest for one in stored if one.manifest is not None]
        if not readable and order.kind is RemovalKind.PRUNED:
            damaged.append(f"{run.run_id}: no manifest in {folder} can be read")
            continue
        yield (
            run,
            tombstone(
                order,
                readable[-1] if readable else run,
                _last_known(storage, folder, readable, run),
                stored,
                _next_number(storage, folder, run.revision, stored),
            ),
        )


def files_of(storage: LocalStorage, runs: Iterable[ChosenRun]) -> tuple[int, int]:
    """How many files of how many bytes go with these runs."""
    sizes = [
        storage.size(path) or 0
        for run in runs
        for folder in (*earlier_revisions(storage, run.path), run.path)
        for path in storage.files(folder)
    ]
    return len(sizes), sum(sizes)


def remove_copies(storage: LocalStorage, runs: Iterable[ChosenRun]) -> None:
    """Remove folders with the names of these runs that lie where their own do not."""
    own = {run.run_id: run.path.rpartition("/")[0] for run in runs}
    copies = [
        folder
        for folder in (run_folders(storage) if own else ())
        if own.get(folder.rpartition("/")[2], folder) != folder
    ]
    for folder in copies:
        storage.remove(folder)


def _last_known(
    storage: LocalStorage, folder: str, manifests: Sequence[Manifest], row: ChosenRun
) -> Run:
    """What the latest revision that can be read says of the run, or else the tables."""
    for manifest in reversed(manifests):
        if manifest.removed is not None:
            return removed_run(manifest)
        if manifest.document is not None:
            path = f"{folder}/{manifest.document.path}"
            with contextlib.suppress(ArchiveDamaged):
                data = storage.read(path)
                if sha256_of(data) == manifest.document.sha256:
                    return read_document(data.decode(errors="replace"), path)
    return run_in_tables(row)


def _next_number(
    storage: LocalStorage, folder: str, known: int, stored: Sequence[StoredRevision]
) -> int:
    """The number behind all that are there, or once were."""
    return max(known, *revision_numbers(storage, folder), *(one.revision for one in stored)) + 1
