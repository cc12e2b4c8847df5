"""Verify: does the archive still hold what its manifests say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archiver.adapters.revisions import read_manifest, revision_folders
from archiver.adapters.storage import LocalStorage
from archiver.domain.digest import sha256_of
from archiver.domain.ledger import decode_record, session_of
from archiver.domain.manifest import Manifest, is_complete, sha256sums
from archiver.domain.paths import LEDGER_FOLDER, MANIFEST, SHA256SUMS, TABLES_FOLDER
from archiver.domain.run import read_document
from archiver.errors import ArchiveDamaged


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was stored. ``path`` is in the archive."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One revision, checked: files and bytes read, and what was found."""

    revision_folder: str
    files: int
    bytes: int
    findings: tuple[Finding, ...]


def verify(storage: LocalStorage) -> Iterator[Checked]:
    """Check every file of every revision against its manifest: size and SHA-256.

    A manifest must say of the run what its document says, and be there if the tables know it. The
    ledger must be one chain.
    """
    for folder in revision_folders(storage):
        yield _verify_revision(storage, folder)
    if findings := tuple(_verify_ledger(storage)):
        yield Checked(LEDGER_FOLDER, 0, 0, findings)
    from archiver.adapters.held import revision_paths

    try:
        for folder in revision_paths(storage):
            if not storage.exists(f"{folder}/{MANIFEST}"):
                problem = "the tables know this revision, but its manifest is not there"
                yield Checked(folder, 0, 0, (Finding(folder, problem),))
    except ArchiveDamaged as error:
        yield Checked(TABLES_FOLDER, 0, 0, (Finding(TABLES_FOLDER, str(error)),))


def _verify_revision(storage: LocalStorage, revision_folder: str) -> Checked:
    folder = revision_folder.rpartition("/")[0]
    try:
        manifest = read_manifest(storage, revision_folder)
    except ArchiveDamaged as error:
        return Checked(revision_folder, 0, 0, (Finding(revision_folder, str(error)),))
    findings = []
    checked = 0
    for file in manifest.files:
        path = f"{folder}/{file.path}"
        try:
            size, sha256 = storage.digest(path)
        except ArchiveDamaged as error:
            findings.append(Finding(path, str(error)))
            continue
        checked += size
        if size != file.size:
            findings.append(Finding(path, f"{size} bytes instead of {file.size}"))
        elif sha256 != file.sha256:
            findings.append(Finding(path, "the bytes are not those that were stored"))
    if not findings:
        findings += _verify_manifest(storage, revision_folder, manifest)
    sums = f"{revision_folder}/{SHA256SUMS}"
    findings += _verify_sums(storage, sums, sha256sums(manifest).encode())
    return Checked(revision_folder, len(manifest.files), checked, tuple(findings))


def _verify_manifest(
    storage: LocalStorage, revision_folder: str, manifest: Manifest
) -> Iterable[Finding]:
    """What the manifest says of the run, against its document; that is known to be intact."""
    path = f"{revision_folder}/{MANIFEST}"
    document = f"{revision_folder.rpartition('/')[0]}/{manifest.document.path}"
    try:
        run = read_document(storage.read(document).decode(), document)
    except (ArchiveDamaged, UnicodeDecodeError) as error:
        yield Finding(document, str(error))
        return
    said = (manifest.run_id, manifest.status, manifest.is_final)
    if said != (run.run_id, run.status, run.is_final):
        yield Finding(path, f"it says {manifest.status}, the document says {run.status}")
    elif manifest.is_complete != is_complete(manifest.is_settled, manifest.artifacts):
        yield Finding(path, "it is not complete where it says so, or the other way round")


def _verify_ledger(storage: LocalStorage) -> Iterator[Finding]:
    before: tuple[str | None, str | None] = None, None
    for name in storage.names(LEDGER_FOLDER):
        if session_of(name) is None:
            continue
        path = f"{LEDGER_FOLDER}/{name}"
        try:
            data = storage.read(path)
            record = decode_record(data, path)
        except ArchiveDamaged as error:
            yield Finding(path, str(error))
            before = name.removesuffix(".json"), None
            continue
        if f"{record.session}.json" != name:
            yield Finding(path, f"it is the record of {record.session}")
        elif record.previous_session != before[0]:
            yield Finding(path, f"it follows {record.previous_session}, which is not before it")
        elif before[1] is not None and record.previous_sha256 != before[1]:
            yield Finding(path, f"{before[0]} is not what it was when this was written")
        before = record.session, sha256_of(data)


def _verify_sums(storage: LocalStorage, path: str, expected: bytes) -> Iterable[Finding]:
    try:
        if storage.read(path) != expected:
            yield Finding(path, "it does not say what the manifest says")
    except ArchiveDamaged as error:
        yield Finding(path, str(error))
