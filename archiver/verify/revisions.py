"""Files against manifests: what a worker does with some runs' folders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from archiver.errors import ArchiveDamaged, NotAnArchive
from archiver.model.manifest import (
    FileEntry,
    Manifest,
    RemovedRevision,
    decode_manifest,
    is_complete,
    sha256sums,
)
from archiver.model.paths import MANIFEST, SHA256SUMS, is_run_folder
from archiver.model.rows import RevisionRows, revision_rows
from archiver.model.run import read_document
from archiver.store.names import is_leftover
from archiver.store.revisions import earlier_revisions
from archiver.store.scan import FileHasher, inventory
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import removed_run
from archiver.verify.compare import as_tables, with_digests
from archiver.verify.findings import RESTORE, Depth, Finding, Level, finding, run_of
from archiver.verify.removed import PrunedFiles, still_there, tombstone_at
from archiver.verify.walk import (
    RunUnit,
    holds_only_leftovers,
    misplaced,
    readable_entries,
    without_hidden,
)


@dataclass(slots=True)
class RevisionCheck:
    """One revision, checked. ``sha256`` is its manifest's, None where there is no manifest.

    ``has_rows`` says whether it is known what the tables should have of it; ``files`` and ``bytes``
    count what was looked at and read.
    """

    folder: str
    depth: Depth
    run_id: str
    revision: int
    sha256: str | None = None
    session: str | None = None
    has_rows: bool = False
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    removed: Sequence[RemovedRevision] = ()
    """Those whose place this one has taken, where it is a tombstone."""
    left: Sequence[str] = ()
    """What it says was removed, and is there: files of its own, or revisions before a tombstone."""
    leftovers: list[str] = field(default_factory=list)
    """Paths of what others left in its folder."""


@dataclass(slots=True)
class Checked:
    """What came of some runs. ``rows`` are those that the tables should have, by table."""

    revisions: list[RevisionCheck] = field(default_factory=list)
    skipped: int = 0
    rows: dict[str, pa.Table] = field(default_factory=dict)


def check_runs(root: Path, units: Sequence[RunUnit], since: datetime | None = None) -> Checked:
    """Check every file of these revisions against its manifest, and the manifest with its document.

    ``root`` is the archive's folder. Those fetched before ``since`` (UTC) are skipped.
    Returns what came of each revision, and the rows that the tables should have of them.
    """
    storage = LocalStorage(root)
    checked = Checked()
    rows: list[RevisionRows] = []
    for unit in units:
        hasher = FileHasher(storage)
        pruned = PrunedFiles(storage, unit.folder)
        is_alone = min(unit.revisions) == unit.last
        first = 0 if is_alone else tombstone_at(storage, f"{unit.folder}/r{unit.last}")
        for revision, depth in unit.revisions.items():
            if revision < first:
                continue  # should it be there, the tombstone tells
            check = RevisionCheck(
                f"{unit.folder}/r{revision}", depth, unit.folder.rpartition("/")[2], revision
            )
            manifest = _read_manifest(storage, hasher, check)
            if manifest is not None and since is not None and manifest.fetched_at < since:
                checked.skipped += 1
                continue
            checked.revisions.append(check)
            if manifest is None:
                continue
            if of_tables := _check(storage, hasher, check, manifest, pruned):
                check.has_rows = True
                rows.append(with_digests(of_tables))
    checked.rows = as_tables(rows) if rows else {}
    return checked


def check_by_sums(storage: LocalStorage, revision_folder: str) -> list[Finding]:
    """Check the files of a revision whose manifest is not to be trusted, as sha256sum does."""
    folder = revision_folder.rpartition("/")[0]
    if storage.own_names(revision_folder) == [MANIFEST]:
        return []  # a tombstone has no other file
    try:
        lines = storage.read(f"{revision_folder}/{SHA256SUMS}").decode(errors="replace").split("\n")
    except ArchiveDamaged as error:
        return [finding(f"{revision_folder}/{SHA256SUMS}", error.message, Level.FILES)]
    hasher = FileHasher(storage)
    pruned = PrunedFiles(storage, folder)
    revision = run_of(revision_folder)[1] or 0
    found = []
    for line in lines[:-1]:
        sha256, _, name = line.partition("  ")
        path = f"{folder}/{name}"
        if ".." in name or not path.startswith(f"{folder}/r"):
            continue
        try:
            if hasher.digest(path)[1] != sha256:
                found.append(_altered(path))
        except ArchiveDamaged as error:
            if pruned.explains(name, sha256, revision):
                continue
            found.append(finding(path, error.message, Level.FILES))
    return found


def _altered(path: str) -> Finding:
    return finding(path, "the bytes are not those that were stored", Level.FILES)


def _read_manifest(
    storage: LocalStorage, hasher: FileHasher, check: RevisionCheck
) -> Manifest | None:
    path = f"{check.folder}/{MANIFEST}"
    try:
        data = hasher.read(path)
    except ArchiveDamaged as error:
        readable_entries(storage, check.folder, check.findings)
        if storage.exists(path):
            check.findings.append(finding(path, error.message, Level.FILES))
        return None
    check.sha256 = hasher.digest(path)[1]
    try:
        manifest = decode_manifest(data, path)
    except ArchiveDamaged as error:
        check.findings.append(finding(path, error.message, Level.FILES))
        return None
    except NotAnArchive as error:
        check.findings.append(finding(path, error.message, Level.FILES, error.hint or RESTORE))
        return None
    check.session = manifest.session
    folder = check.folder.rpartition("/")[0]
    is_its_own = is_run_folder(folder, manifest.run_id) and manifest.revision == check.revision
    if not is_its_own:
        problem = f"it is that of {manifest.run_id}, revision {manifest.revision}"
        check.findings.append(finding(path, problem, Level.FILES))
        return None
    return manifest


def _check(
    storage: LocalStorage,
    hasher: FileHasher,
    check: RevisionCheck,
    manifest: Manifest,
    pruned: PrunedFiles,
) -> RevisionRows | None:
    """Check a revision's files; the rows that the tables should have of it."""
    folder = check.folder.rpartition("/")[0]
    document = f"{folder}/{manifest.document.path}" if manifest.document else None
    files = manifest.files
    check.files = len(files)
    text = b""
    for file in files:
        path = f"{folder}/{file.path}"
        deep = check.depth is Depth.BYTES or (path == document and check.depth is Depth.ROWS)
        try:
            if path == document and deep:
                text = hasher.read(path)
            size, sha256 = hasher.digest(path) if deep else (hasher.size(path), None)
        except ArchiveDamaged as error:
            if pruned.explains(file.path, file.sha256, check.revision):
                continue
            check.findings.append(finding(path, error.message, Level.FILES))
            continue
        check.bytes += size if deep else 0
        if size != file.size:
            problem = f"{size} bytes instead of {file.size}"
            check.findings.append(finding(path, problem, Level.FILES))
        elif sha256 is not None and sha256 != file.sha256:
            check.findings.append(_altered(path))
    sums = f"{check.folder}/{SHA256SUMS}"
    if files or storage.exists(sums):
        check.findings += _check_sums(hasher, sums, files)
    check.findings += _stray_files(storage, check, files)
    check.findings = without_hidden(check.findings)
    check.left = still_there(storage, folder, manifest)
    if manifest.removed is not None:
        check.left = earlier_revisions(storage, check.folder)
        check.removed = manifest.removed.revisions
        return revision_rows(manifest, removed_run(manifest), None, folder)
    if document is None or check.depth is Depth.NAMES:
        return None
    if any(one.path == document for one in check.findings):
        return None
    return _project(check, manifest, document, text)


def _project(
    check: RevisionCheck, manifest: Manifest, document: str, data: bytes
) -> RevisionRows | None:
    """The revision's rows; what the manifest says of the run is held against its document."""
    path = f"{check.folder}/{MANIFEST}"
    try:
        text = data.decode()
        run = read_document(text, document)
    except (ArchiveDamaged, UnicodeDecodeError) as error:
        check.findings.append(finding(document, str(error), Level.FILES))
        return None
    if (manifest.run_id, manifest.status, manifest.is_final) != (
        run.run_id,
        run.status,
        run.is_final,
    ):
        problem = f"it says {manifest.status}, the document says {run.status}"
        check.findings.append(finding(path, problem, Level.FILES))
    elif manifest.is_complete != is_complete(manifest.is_settled, manifest.artifacts):
        problem = "it is not complete where it says so, or the other way round"
        check.findings.append(finding(path, problem, Level.FILES))
    else:
        return revision_rows(manifest, run, text, check.folder.rpartition("/")[0])
    return None


def _check_sums(hasher: FileHasher, path: str, files: Sequence[FileEntry]) -> Iterator[Finding]:
    try:
        if hasher.read(path) != sha256sums(files).encode():
            yield finding(path, "it does not say what the manifest says", Level.FILES)
    except ArchiveDamaged as error:
        yield finding(path, error.message, Level.FILES)


def _stray_files(
    storage: LocalStorage, check: RevisionCheck, files: Sequence[FileEntry]
) -> Iterator[Finding]:
    """What lies in a revision's folder and is not listed."""
    folder = check.folder.rpartition("/")[0]
    own = {f"{check.folder}/{name}" for name in (MANIFEST, SHA256SUMS)}
    own |= {f"{folder}/{file.path}" for file in files}
    folders = {path.rpartition("/")[0] for path in own}
    found: list[Finding] = []
    read = partial(readable_entries, storage, findings=found)
    for path in inventory(read, check.folder, own, folders):
        if is_leftover(path, own | folders) or holds_only_leftovers(storage, path):
            check.leftovers.append(path)
        else:
            yield misplaced(storage, path)
    yield from found
