"""Revisions of runs in storage: reading what is committed, committing a new one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from archiver.errors import ArchiveDamaged, ArchiveUnwritable
from archiver.model.artifact import TEXT, text_of
from archiver.model.ids import Sha256, sha256_of
from archiver.model.manifest import Manifest, decode_manifest, encode_manifest, sha256sums
from archiver.model.paths import (
    LEDGER_FOLDER,
    MANIFEST,
    RUNS_FOLDER,
    SHA256SUMS,
    is_run_folder,
    revision_name,
)
from archiver.store.lock import Writer
from archiver.store.names import UNDATED, is_own
from archiver.store.staging import Staged
from archiver.store.storage import LocalStorage


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


def first_seen_final(
    storage: LocalStorage, folder: str, latest: Manifest | None
) -> datetime | None:
    """When a run that is not settled yet was first seen final; None where it never was.

    Raises ArchiveDamaged.
    """
    seen = None
    while latest is not None and latest.is_final and not latest.is_settled:
        seen = latest.fetched_at
        before = f"{folder}/{revision_name(latest.revision - 1)}"
        there = storage.exists(f"{before}/{MANIFEST}")
        latest = read_manifest(storage, before) if there else None
    return seen


def with_pages_named(storage: LocalStorage, folder: str, manifest: Manifest) -> Manifest:
    """The manifest of a run, with the media type of text for error pages that have another one."""
    artifacts = tuple(
        msgspec.structs.replace(entry, media_type=TEXT.name)
        if entry.may_be_error_page and is_text_file(storage, f"{folder}/{entry.path}")
        else entry
        for entry in manifest.artifacts
    )
    return msgspec.structs.replace(manifest, artifacts=artifacts)


def is_text_file(storage: LocalStorage, path: str) -> bool:
    """Whether a file begins as text; one that cannot be read does not."""
    try:
        return text_of(storage.read(path)) is not None
    except ArchiveDamaged:
        return False


def revision_folders(storage: LocalStorage) -> Iterator[str]:
    """The folder of every committed revision, in order of day and run id."""
    for folder in run_folders(storage):
        for revision in revision_numbers(storage, folder):
            path = f"{folder}/{revision_name(revision)}"
            if storage.exists(f"{path}/{MANIFEST}"):
                yield path


@dataclass(frozen=True, slots=True)
class PreparedRevision:
    """A revision whose files are all there, set aside; only their places are missing.

    ``folder`` is the run's; ``artifacts`` and ``texts`` come with their paths in it; ``last`` is
    the manifest, ``sha256`` its digest.
    """

    folder: str
    manifest: Manifest
    artifacts: Sequence[tuple[Staged, str]]
    texts: Sequence[tuple[Staged, str]]
    last: Staged
    sha256: Sha256

    @property
    def path(self) -> str:
        return f"{self.folder}/{revision_name(self.manifest.revision)}"

    @property
    def listed(self) -> Iterator[tuple[Staged, str]]:
        """All that comes before the manifest."""
        yield from self.artifacts
        yield from self.texts

    def folders(self) -> Iterator[str]:
        """Those that get names: the revision's, and those in it."""
        yield self.path
        yield from (f"{self.folder}/{path}".rpartition("/")[0] for _, path in self.listed)

    def discard(self) -> None:
        """Remove what was set aside here, unless it was committed; not the artifacts."""
        for file in (self.last, *(file for file, _ in self.texts)):
            file.discard()


def prepare_revision(
    storage: LocalStorage,
    folder: str,
    manifest: Manifest,
    document: str | None,
    artifacts: Sequence[tuple[Staged, str]],
) -> PreparedRevision:
    """Set aside all that a revision consists of.

    ``document`` is its run.json, None where an earlier revision's is listed. ``artifacts`` are
    finished files with their paths in the run's folder.
    """
    sums = f"{revision_name(manifest.revision)}/{SHA256SUMS}"
    staged: list[tuple[Staged, str]] = []
    try:
        if manifest.document is not None and document is not None:
            staged.append((storage.stage_bytes(document.encode()), manifest.document.path))
        if files := manifest.files:  # sha256sum takes a list without files for an error
            staged.append((storage.stage_bytes(sha256sums(files).encode()), sums))
        encoded = encode_manifest(manifest)
        last = storage.stage_bytes(encoded)
    except BaseException:
        for file, _ in staged:
            file.discard()
        raise
    return PreparedRevision(folder, manifest, artifacts, staged, last, sha256_of(encoded))


def commit_revisions(writer: Writer, revisions: Sequence[PreparedRevision]) -> None:
    """Commit revisions: their files first, then, when they are durable, their manifests.

    The order is that of the format, 7.3.
    They are announced before anything else, so that whoever finds one half done can clear it away.
    """
    if not revisions:
        return
    storage = writer.storage
    journal = writer.journal(revision.path for revision in revisions)
    staged = [file for r in revisions for file in (r.last, *(file for file, _ in r.listed))]
    storage.sync(
        [journal, *(file.path for file in staged if not file.is_durable)],
        [LEDGER_FOLDER],
    )
    for revision in revisions:
        _make_folders(storage, revision)
        for file, path in revision.listed:
            storage.publish(file, f"{revision.folder}/{path}")
    storage.sync([], (folder for r in revisions for folder in (*r.folders(), *_above(r.folder))))
    for revision in revisions:
        storage.publish(revision.last, f"{revision.path}/{MANIFEST}", new=True)
    storage.sync([], (revision.path for revision in revisions))


def _make_folders(storage: LocalStorage, revision: PreparedRevision) -> None:
    """The revision's folders, empty: what a killed session left there was never committed."""
    first, *others = dict.fromkeys(revision.folders())
    storage.make_new_folder(revision.folder)
    if not storage.make_new_folder(first):
        if storage.exists(f"{first}/{MANIFEST}"):
            raise ArchiveUnwritable(
                f"{first} was committed by somebody else",
                hint="Is another program writing into the archive, or was it replaced meanwhile?",
            )
        storage.remove(first)
        storage.make_new_folder(first)
    for folder in others:
        storage.make_new_folder(folder)


def _above(folder: str) -> Iterator[str]:
    """A folder and those above it: their names may be new, or another process's."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def revision_numbers(storage: LocalStorage, folder: str) -> list[int]:
    """The numbers of the revisions in a run's folder, committed or not, in order."""
    return sorted(_revisions(storage, folder))


def earlier_revisions(storage: LocalStorage, revision_folder: str) -> list[str]:
    """The folders of a run's revisions before this one, oldest first."""
    folder, _, name = revision_folder.rpartition("/")
    earlier = (r for r in revision_numbers(storage, folder) if r < int(name[1:]))
    return [f"{folder}/{revision_name(revision)}" for revision in earlier]


def remove_uncommitted(storage: LocalStorage, revision_folder: str) -> None:
    """Remove a revision that has no manifest, and the run's folder if there is no other."""
    folder, _, name = revision_folder.rpartition("/")
    if is_run_folder(folder, folder.rpartition("/")[2]) and is_own(folder, name):
        storage.remove(revision_folder)
        storage.remove_empty(folder)


def _revisions(storage: LocalStorage, folder: str) -> list[int]:
    return [int(name[1:]) for name in storage.own_names(folder)]


def run_folders(storage: LocalStorage) -> Iterator[str]:
    """The folder of every run, in order of day and run id."""
    for year in storage.own_names(RUNS_FOLDER):
        if year == UNDATED:
            yield from (
                f"{RUNS_FOLDER}/{year}/{run}" for run in storage.own_names(f"{RUNS_FOLDER}/{year}")
            )
            continue
        for month in storage.own_names(f"{RUNS_FOLDER}/{year}"):
            for day in storage.own_names(f"{RUNS_FOLDER}/{year}/{month}"):
                folder = f"{RUNS_FOLDER}/{year}/{month}/{day}"
                yield from (f"{folder}/{run}" for run in storage.own_names(folder))
