"""Verify: does the archive still hold what its manifests say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archiver.adapters.revisions import read_manifest, revision_folders
from archiver.adapters.storage import LocalStorage
from archiver.domain.manifest import sha256sums
from archiver.domain.paths import SHA256SUMS
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
    """Check every file of every revision against its manifest: size and SHA-256."""
    for folder in revision_folders(storage):
        yield _verify_revision(storage, folder)


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
    sums = f"{revision_folder}/{SHA256SUMS}"
    findings += _verify_sums(storage, sums, sha256sums(manifest).encode())
    return Checked(revision_folder, len(manifest.files), checked, tuple(findings))


def _verify_sums(storage: LocalStorage, path: str, expected: bytes) -> Iterable[Finding]:
    try:
        if storage.read(path) != expected:
            yield Finding(path, "it does not say what the manifest says")
    except ArchiveDamaged as error:
        yield Finding(path, str(error))
