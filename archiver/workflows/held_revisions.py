"""What there is of runs, as far as it can be told, before something of them is removed."""

from collections.abc import Sequence

from archiver.adapters.ledger import listed_manifests
from archiver.adapters.revisions import read_manifest, revision_numbers
from archiver.adapters.storage import LocalStorage
from archiver.domain.digest import sha256_of
from archiver.domain.ledger import manifest_path
from archiver.domain.manifest import Manifest, decode_manifest
from archiver.domain.package import ChosenRun
from archiver.domain.paths import revision_name
from archiver.domain.removal import Held
from archiver.errors import ArchiveDamaged


def all_manifests(storage: LocalStorage, run: ChosenRun) -> list[Manifest]:
    """The manifests of a run's revisions, oldest first. Raises ArchiveDamaged where one is lost."""
    folder = run.path.rpartition("/")[0]
    manifests = [
        read_manifest(storage, revision)
        for number in revision_numbers(storage, folder)
        if storage.exists(manifest_path(revision := f"{folder}/{revision_name(number)}"))
    ]
    if [one.revision for one in manifests][-1:] != [run.revision]:
        raise ArchiveDamaged(f"{manifest_path(run.path)} is not there, or not the latest")
    if _told(manifests) < run.revision:
        raise ArchiveDamaged(f"manifests are missing in {folder}")
    return manifests


def what_is_held(storage: LocalStorage, runs: Sequence[ChosenRun]) -> list[list[Held]]:
    """The revisions of each of these runs, oldest first, damaged ones too.

    Of those whose manifest is damaged or gone the ledger tells the digest. What was never committed
    is left out. Raises NotAnArchive where a manifest is of a newer format.
    """
    folders = [run.path.rpartition("/")[0] for run in runs]
    held = [_there(storage, folder) for folder in folders]
    unclear = {
        folder
        for run, folder, there in zip(runs, folders, held, strict=True)
        if len(readable := [one.manifest for one in there.values() if one.manifest]) < len(there)
        or _told(readable) < run.revision
    }
    listed = listed_manifests(storage, unclear) if unclear else {}
    for folder, there in zip(folders, held, strict=True):
        known = _removed([one.manifest for one in there.values() if one.manifest])
        for path, sha256 in listed.get(folder, {}).items():
            is_lost = path not in there or there[path].manifest is None
            if is_lost and path not in known:
                there[path] = Held(path, sha256, None)
    return [sorted(there.values(), key=lambda one: one.revision) for there in held]


def _there(storage: LocalStorage, folder: str) -> dict[str, Held]:
    found = {}
    for number in revision_numbers(storage, folder):
        path = manifest_path(f"{folder}/{revision_name(number)}")
        if storage.exists(path) and (held := _read(storage, path)) is not None:
            found[path] = held
    return found


def _read(storage: LocalStorage, path: str) -> Held | None:
    try:
        data = storage.read(path)
    except ArchiveDamaged:
        return None
    try:
        return Held(path, sha256_of(data), decode_manifest(data, path))
    except ArchiveDamaged:
        return Held(path, sha256_of(data), None)


def _told(manifests: Sequence[Manifest]) -> int:
    """Of how many revisions these tell."""
    return len(manifests) + len(_removed(manifests))


def _removed(manifests: Sequence[Manifest]) -> set[str]:
    """The manifests that tombstones among these took the place of."""
    return {
        one.manifest
        for manifest in manifests
        if manifest.removed is not None
        for one in manifest.removed.revisions
    }
