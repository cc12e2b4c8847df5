"""Keeping the tables level with the manifests: projecting, recovering, rebuilding."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime

from archiver.errors import ArchiveDamaged, ArchiverError
from archiver.model.manifest import Manifest
from archiver.model.paths import MANIFEST, TABLES_FOLDER, TEMPORARY_FOLDER
from archiver.model.rows import RevisionRows, revision_rows
from archiver.model.run import read_document
from archiver.model.schema import TABLES
from archiver.store import revisions
from archiver.store.lock import Writer, journaled
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import remove_what_went, removed_run
from archiver.tables.merge import check_file
from archiver.tables.rewrite import MonthFiles, groups, merged, months_in, remove_rows, rewrite
from archiver.tables.write import WRITE_ORDER, RowBuffer, flush_name

LOGS = tuple(table for table in TABLES if table.is_log)
FLUSH_BYTES = 8 << 20
"""Rows are written when they take about this much memory."""


def project(storage: LocalStorage, revision_folder: str) -> tuple[Manifest, RevisionRows]:
    """Return the manifest and the rows of a committed revision.

    Raises ArchiveDamaged when its files cannot be read.
    """
    manifest = revisions.read_manifest(storage, revision_folder)
    folder = revision_folder.rpartition("/")[0]
    if manifest.document is None:
        return manifest, revision_rows(manifest, removed_run(manifest), None, folder)
    path = f"{folder}/{manifest.document.path}"
    try:
        document = storage.read(path).decode()
    except UnicodeDecodeError:
        raise ArchiveDamaged(f"{path} is not UTF-8") from None
    return manifest, revision_rows(manifest, read_document(document, path), document, folder)


def add_rows(buffer: RowBuffer, rows: RevisionRows, fetched_at: datetime) -> None:
    """Add a revision's rows to the month of the answer that they come from, in UTC."""
    for table, of_table in rows.by_table():
        buffer.add(table, of_table, fetched_at)


def reindex(writer: Writer, damaged: list[str]) -> int:
    """Rebuild the tables from the manifests alone; of those that are a log, files are merged.

    The new tables take the old ones' place all at once when they are whole; until then readers see
    the old. Files that cannot be read are left out and named in ``damaged``.

    Returns the number of revisions.
    """
    storage = writer.storage
    flushed = f"{TEMPORARY_FOLDER}/{writer.session}-flushes"
    # First, for what a killed session was about to remove must not come back.
    committed = _finish_journals(writer)
    try:
        count = _project_all(writer, flushed, damaged)
        folders = {table: f"{flushed}/{table.name}" for table in WRITE_ORDER}
        folders |= {table: f"{TABLES_FOLDER}/{table.name}" for table in LOGS}
        months = (_without_damaged(storage, m, damaged) for m in months_in(storage, folders))
        each = ((month, names) for month in months for names in groups(month.sizes(storage)))
        files = (
            file
            for number, (month, names) in enumerate(each, 1)
            for file in merged(writer, month, names, number, check_stop=lambda: None)
        )
        # What others left among the tables is not ours to remove.
        old = {
            f"{TABLES_FOLDER}/{t.name}/{m}/{n}"
            for t in TABLES
            for m, n in _flushes(storage, t.name)
        }
        rewrite(writer, old, files)
    finally:
        with contextlib.suppress(ArchiverError):  # the next writer removes it
            storage.remove(flushed)
    if tombstones := [m for _, m in _readable(storage, committed) if m.removed is not None]:
        remove_rows(writer, tombstones, LOGS)
    return count


def _project_all(writer: Writer, folder: str, damaged: list[str]) -> int:
    """Write the rows of all revisions into table files below ``folder``; how many there are."""
    buffer = RowBuffer(folder)
    count = number = 0
    for revision_folder in _not_removed(writer.storage, damaged):
        try:
            manifest, rows = project(writer.storage, revision_folder)
            add_rows(buffer, rows, manifest.fetched_at)
        except ArchiveDamaged as error:
            damaged.append(str(error))
            continue
        count += 1
        if buffer.bytes >= FLUSH_BYTES:
            number += 1
            buffer.write(writer.storage, flush_name(writer.session, number))
    buffer.write(writer.storage, flush_name(writer.session, number + 1))
    return count


def _not_removed(storage: LocalStorage, damaged: list[str]) -> Iterator[str]:
    """The folder of every committed revision, without what was put back after it was removed."""
    for _, folders in itertools.groupby(
        revisions.revision_folders(storage), key=lambda folder: folder.rpartition("/")[0]
    ):
        *earlier, last = folders
        if earlier and any(m.removed is not None for _, m in _readable(storage, [last])):
            damaged += (f"{folder}: it was removed, and is there; left out" for folder in earlier)
            earlier = []
        yield from (*earlier, last)


def _without_damaged(storage: LocalStorage, month: MonthFiles, damaged: list[str]) -> MonthFiles:
    """A month without the files of logs that cannot be read, which go to ``damaged``."""
    flushes = {}
    for name, files in month.flushes.items():
        flushes[name] = dict(files)
        for log in files.keys() & set(LOGS):
            try:
                check_file(storage, log, files[log])
            except ArchiveDamaged as error:
                damaged.append(error.message)
                del flushes[name][log]
    return MonthFiles(month.fetched, flushes)


def _finish_journals(writer: Writer) -> list[str]:
    """The revisions that killed sessions committed; what they left half-done is removed."""
    announced = dict.fromkeys(
        folder for journal in writer.unfinished for folder in journaled(writer.storage, journal)
    )
    committed = [f for f in announced if writer.storage.exists(f"{f}/{MANIFEST}")]
    for folder in announced.keys() - set(committed):
        revisions.remove_uncommitted(writer.storage, folder)
    for folder, manifest in _readable(writer.storage, committed):
        remove_what_went(writer.storage, folder, manifest)
    # What such a session committed before it removed the run is gone with it.
    return [f for f in committed if writer.storage.exists(f"{f}/{MANIFEST}")]


def _readable(
    storage: LocalStorage, revision_folders: Sequence[str]
) -> Iterator[tuple[str, Manifest]]:
    for folder in revision_folders:
        with contextlib.suppress(ArchiveDamaged):
            yield folder, revisions.read_manifest(storage, folder)


def _flushes(storage: LocalStorage, table: str) -> Iterator[tuple[str, str]]:
    for month in storage.own_names(f"{TABLES_FOLDER}/{table}"):
        for name in storage.own_names(f"{TABLES_FOLDER}/{table}/{month}"):
            yield month, name
