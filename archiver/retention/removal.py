"""Removing runs: tombstones first, then what they stand for, then the rows of the tables.

A session that is killed in between leaves its journal: whoever writes next finds the tombstones
that it committed, and removes the rest.
"""

import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from archiver.adapters.row_removal import Gone, has_rows_of, write_without
from archiver.domain.digest import sha256_of
from archiver.errors import ArchiveDamaged
from archiver.export.content import ChosenRun
from archiver.model.ledger import ListedManifest, manifest_path
from archiver.model.manifest import Manifest, RemovalKind
from archiver.model.paths import TABLES_ASIDE, TABLES_FOLDER, TEMPORARY_FOLDER
from archiver.model.run import Run, read_document
from archiver.model.schema import TABLES, Table
from archiver.retention.history import held_revisions
from archiver.store.lock import Writer
from archiver.store.revisions import (
    commit_revisions,
    earlier_revisions,
    prepare_revision,
    read_manifest,
    revision_numbers,
    run_folders,
)
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import Held, Order, removed_run, run_in_tables, tombstone
from archiver.tables.lookup import other_ids
from archiver.tables.rewrite import NewTables, months_in

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
    left = held_revisions(writer.storage, runs)
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
    runs: Sequence[tuple[ChosenRun, list[Held]]],
    damaged: list[str],
) -> list[Removed]:
    storage = writer.storage
    prepared = []
    try:
        for run, held in runs:
            folder = run.path.rpartition("/")[0]
            readable = [one.manifest for one in held if one.manifest is not None]
            if not readable and order.kind is RemovalKind.PRUNED:
                damaged.append(f"{run.run_id}: no manifest in {folder} can be read")
                continue
            manifest = tombstone(
                order,
                readable[-1] if readable else run,
                _last_known(storage, folder, readable, run),
                held,
                _next_number(storage, folder, run.revision, held),
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


def remove_earlier(
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


def remove_unfinished(storage: LocalStorage, run_id: str) -> None:
    """Remove downloads of a run that were to go on."""
    for name in storage.names(TEMPORARY_FOLDER):
        if name.startswith(f"{run_id}-"):
            storage.remove(f"{TEMPORARY_FOLDER}/{name}")


def remove_rows(
    writer: Writer,
    tombstones: Collection[Manifest],
    tables: Collection[Table] = TABLES,
    erased_ids: Collection[str] = (),
) -> None:
    """Take the rows of removed runs out of ``tables``, those of their tombstones too.

    ``erased_ids`` are others that were asked for: of them the words of the server go.

    Only the files that have such rows are written anew; readers see the old tables or the new ones.
    Where a run was erased, those who still read the old ones find them gone. Raises ArchiveDamaged
    where a file cannot be read: `archiver reindex` leaves nothing either.
    """
    storage = writer.storage
    gone = _gone(storage, tombstones, erased_ids)
    folders = {table: f"{TABLES_FOLDER}/{table.name}" for table in tables}
    affected = {
        path: table
        for month in months_in(storage, folders)
        for of_flush in month.flushes.values()
        for table, path in of_flush.items()
        if has_rows_of(storage, table, path, gone)
    }
    if affected:
        with NewTables(writer, check_stop=lambda: None) as new:
            for path in storage.files(TABLES_FOLDER):
                if path not in affected:
                    new.keep(path)
            for path, table in affected.items():
                _rewrite(storage, new, table, path, gone)
            new.replace_old()
    if gone.erased_ids:
        storage.remove(TABLES_ASIDE)


def _gone(
    storage: LocalStorage, tombstones: Collection[Manifest], erased_ids: Collection[str]
) -> Gone:
    erased = [m.run_id for m in tombstones if m.removed_kind is RemovalKind.ERASED]
    others = [asked for asked, _ in other_ids(storage, erased)] if erased else []
    return Gone([m.run_id for m in tombstones], [*erased, *others, *erased_ids])


def _rewrite(storage: LocalStorage, new: NewTables, table: Table, path: str, gone: Gone) -> None:
    target = new.place(path.removeprefix(f"{TABLES_FOLDER}/"))
    if write_without(storage, table, path, target, gone):
        new.written(target)
    else:
        storage.remove(target)


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


def _next_number(storage: LocalStorage, folder: str, known: int, held: Sequence[Held]) -> int:
    """The number behind all that are there, or once were."""
    return max(known, *revision_numbers(storage, folder), *(one.revision for one in held)) + 1


def read_tombstones(storage: LocalStorage, revision_folders: Iterable[str]) -> dict[str, Manifest]:
    """Those of the revisions that are tombstones. Raises ArchiveDamaged."""
    manifests = {folder: read_manifest(storage, folder) for folder in revision_folders}
    return {folder: manifest for folder, manifest in manifests.items() if manifest.removed}
