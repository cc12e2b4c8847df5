"""What there is of runs, as far as it can be told, before something of them is removed."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from archiver.errors import ArchiveDamaged
from archiver.ledger.records import listed_manifests
from archiver.model.ids import Sha256, sha256_of
from archiver.model.ledger import manifest_path
from archiver.model.manifest import Manifest, decode_manifest
from archiver.model.paths import is_run_folder, revision_name
from archiver.model.run import ChosenRun
from archiver.store.revisions import revision_numbers
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import StoredRevision

_AT_ONCE = 10_000
"""Runs for which the ledger's lists are read through once."""


def stored_revisions(
    storage: LocalStorage, runs: Iterable[ChosenRun]
) -> Iterator[tuple[ChosenRun, list[StoredRevision]]]:
    """The revisions of each of these runs, oldest first, damaged ones too.

    A manifest is damaged that cannot be read, is that of another revision, or is not the one that
    the ledger lists: of it, and of those that are gone, the ledger tells the digest. What was never
    committed is left out. Raises NotAnArchive where a manifest is of a newer format.
    """
    left = iter(runs)
    while some := list(itertools.islice(left, _AT_ONCE)):
        folders = [run.path.rpartition("/")[0] for run in some]
        listed = listed_manifests(storage, set(folders))
        for run, folder in zip(some, folders, strict=True):
            there = _there(storage, folder, listed[folder])
            known = _removed([one.manifest for one in there.values() if one.manifest])
            for path, sha256 in listed[folder].items():
                if path not in there and path not in known:
                    there[path] = StoredRevision(path, sha256, None)
            yield run, sorted(there.values(), key=lambda one: one.revision)


def all_manifests(run: ChosenRun, stored: Sequence[StoredRevision]) -> list[Manifest]:
    """The manifests of a run's revisions, oldest first. Raises ArchiveDamaged where one is lost."""
    manifests = []
    for one in stored:
        if one.manifest is None:
            raise ArchiveDamaged(f"{one.path} is not there, or is not what was committed")
        manifests.append(one.manifest)
    if [one.revision for one in manifests][-1:] != [run.revision]:
        raise ArchiveDamaged(f"{manifest_path(run.path)} is not there, or not the latest")
    if len(manifests) + len(_removed(manifests)) < run.revision:
        raise ArchiveDamaged(f"manifests are missing in {run.path.rpartition('/')[0]}")
    return manifests


def _there(
    storage: LocalStorage, folder: str, listed: Mapping[str, Sha256]
) -> dict[str, StoredRevision]:
    found = {}
    for number in revision_numbers(storage, folder):
        path = manifest_path(f"{folder}/{revision_name(number)}")
        if storage.exists(path) and (stored := _read(storage, path, listed.get(path))) is not None:
            found[path] = stored
    return found


def _read(storage: LocalStorage, path: str, listed: Sha256 | None) -> StoredRevision | None:
    try:
        data = storage.read(path)
    except ArchiveDamaged:
        return None
    sha256 = sha256_of(data)
    if listed not in (None, sha256):
        return StoredRevision(path, listed or sha256, None)
    try:
        manifest = decode_manifest(data, path)
    except ArchiveDamaged:
        return StoredRevision(path, sha256, None)
    stored = StoredRevision(path, sha256, manifest)
    is_its_own = is_run_folder(path.rsplit("/", 2)[0], manifest.run_id)
    return (
        stored
        if is_its_own and manifest.revision == stored.revision
        else StoredRevision(path, sha256, None)
    )


def _removed(manifests: Sequence[Manifest]) -> set[str]:
    """The manifests that tombstones among these took the place of."""
    return {
        one.manifest
        for manifest in manifests
        if manifest.removed is not None
        for one in manifest.removed.revisions
    }
