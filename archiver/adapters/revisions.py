"""Revisions of runs in storage: reading what is committed, committing a new one."""

from collections.abc import Iterator, Sequence

from archiver.adapters.archive import Writer
from archiver.adapters.staging import StagedFile
from archiver.adapters.storage import LocalStorage
from archiver.domain.manifest import Manifest, decode_manifest, encode_manifest, sha256sums
from archiver.domain.paths import MANIFEST, RUNS_FOLDER, SHA256SUMS, is_run_folder, revision_name
from archiver.errors import ArchiveUnwritable


def read_manifest(storage: LocalStorage, revision_folder: str) -> Manifest:
    """The manifest of a revision. Raises ArchiveDamaged when it cannot be read."""
    path = f"{revision_folder}/{MANIFEST}"
    return decode_manifest(storage.read(path), path)


def latest_revision(storage: LocalStorage, folder: str) -> Manifest | None:
    """The manifest of the latest revision in a run's folder, None where there is none."""
    for revision in sorted(_revisions(storage, folder), reverse=True):
        path = f"{folder}/{revision_name(revision)}"
        if storage.exists(f"{path}/{MANIFEST}"):
            return read_manifest(storage, path)
    return None


def revision_folders(storage: LocalStorage) -> Iterator[str]:
    """The folder of every committed revision, in order of day and run id."""
    for folder in _run_folders(storage):
        for revision in sorted(_revisions(storage, folder)):
            path = f"{folder}/{revision_name(revision)}"
            if storage.exists(f"{path}/{MANIFEST}"):
                yield path


def commit_revision(
    writer: Writer,
    folder: str,
    manifest: Manifest,
    document: str | None,
    staged: Sequence[tuple[StagedFile, str]],
) -> None:
    """Commit a revision: its files first, then, when they are durable, its manifest.

    It is announced before anything else, so that whoever finds it half done can clear it away.
    ``document`` is its run.json, None where an earlier revision's is listed. ``staged`` are
    finished files with their paths in the run's folder.
    """
    storage = writer.storage
    revision_folder = f"{folder}/{revision_name(manifest.revision)}"
    if storage.exists(f"{revision_folder}/{MANIFEST}"):
        raise ArchiveUnwritable(
            f"{revision_folder} was committed by somebody else",
            hint="Is another program writing into the archive, or was it replaced meanwhile?",
        )
    writer.announce(revision_folder)
    # What a killed session left here was never committed.
    storage.remove(revision_folder)
    folders = {revision_folder}
    for file, path in staged:
        storage.publish(file, f"{folder}/{path}")
        folders.add(f"{folder}/{path}".rpartition("/")[0])
    for name, content in ((manifest.document.path, document), (None, sha256sums(manifest))):
        if content is not None:
            path = f"{folder}/{name}" if name else f"{revision_folder}/{SHA256SUMS}"
            storage.publish(storage.stage_bytes(content.encode()), path)
    for path in folders:
        storage.sync_folder(path)
    storage.put(f"{revision_folder}/{MANIFEST}", encode_manifest(manifest), new=True)


def remove_uncommitted(storage: LocalStorage, revision_folder: str) -> None:
    """Remove a revision that has no manifest, and the run's folder if there is no other."""
    folder, _, name = revision_folder.rpartition("/")
    if is_run_folder(folder, folder.rpartition("/")[2]) and _is_revision(name):
        storage.remove(revision_folder)
        storage.remove_empty(folder)


def _is_revision(name: str) -> bool:
    return name[:1] == "r" and name[1:].isdecimal()


def _revisions(storage: LocalStorage, folder: str) -> list[int]:
    names = storage.names(folder)
    return [int(name[1:]) for name in names if _is_revision(name)]


def _run_folders(storage: LocalStorage) -> Iterator[str]:
    for year in storage.names(RUNS_FOLDER):
        if year == "undated":
            yield from (
                f"{RUNS_FOLDER}/{year}/{run}" for run in storage.names(f"{RUNS_FOLDER}/{year}")
            )
            continue
        for month in storage.names(f"{RUNS_FOLDER}/{year}"):
            for day in storage.names(f"{RUNS_FOLDER}/{year}/{month}"):
                folder = f"{RUNS_FOLDER}/{year}/{month}/{day}"
                yield from (f"{folder}/{run}" for run in storage.names(folder))
