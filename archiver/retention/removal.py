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
    remove_earlier,
    removed_run,
    run_in_tables,
    tombstone,
)

_AT_ONCE = 64
"""Tombstones that are committed together."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A run that was removed: its tombstone, and the files and bytes that went."""

    run_id: str
    manifest: ListedManifest
    files: int
    bytes: int


def remove_runs(
    writer: Writer, order: Order, runs: Iterable[ChosenRun], damaged: list[str]
) -> Iterator[list[Removed]]:
    """Remove these runs; those that went, as they go.

    The tables have their rows until :func:`remove_rows` is called. What is to be pruned, and of
    which no manifest can be read, stays and is named in ``damaged``; what is to be erased goes all
    the same. Raises ArchiveUnwritable.
    """
    left = stored_revisions(writer.storage, runs)
    while some := list(itertools.islice(left, _AT_ONCE)):
        yield _remove(writer, order, some, damaged)


def files_of(storage: LocalStorage, runs: Iterable[ChosenRun]) -> tuple[int, int]:
    """How many files of how many bytes go with these runs."""
    sizes = [
        storage.size(path) or 0
        for run in runs
        for folder in (*earlier_revisions(storage, run.path), run.path)
        for path in storage.files(folder)
    ]
    return len(sizes), sum(sizes)


def _remove(
    writer: Writer,
    order: Order,
    runs: Sequence[tuple[ChosenRun, list[StoredRevision]]],
    damaged: list[str],
) -> list[Removed]:
    storage = writer.storage
    prepared = []
    try:
        for run, stored in runs:
            folder = run.path.rpartition("/")[0]
            readable = [one.manifest for one in stored if one.manifest is not None]
            if not readable and order.kind is RemovalKind.PRUNED:
                damaged.append(f"{run.run_id}: no manifest in {folder} can be read")
                continue
            manifest = tombstone(
                order,
                readable[-1] if readable else run,
                _last_known(storage, folder, readable, run),
                stored,
                _next_number(storage, folder, run.revision, stored),
            )
            prepared.append(prepare_revision(storage, folder, manifest, None, []))
    except BaseException:
        for one in prepared:
            one.discard()
        raise
    commit_revisions(writer, prepared)
    removed = []
    for one in prepared:
        files, size = remove_earlier(storage, one.path, one.manifest)
        listed = ListedManifest(one.sha256, manifest_path(one.path))
        removed.append(Removed(one.manifest.run_id, listed, files, size))
    return removed


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
