"""What there is of a run, as far as it can be told, before it is removed."""

from archiver.adapters.ledger import listed_manifests
from archiver.adapters.revisions import revision_numbers
from archiver.adapters.storage import LocalStorage
from archiver.domain.digest import sha256_of
from archiver.domain.ledger import manifest_path
from archiver.domain.manifest import decode_manifest
from archiver.domain.paths import revision_name
from archiver.domain.removal import Held
from archiver.errors import ArchiveDamaged


def what_is_held(storage: LocalStorage, folder: str, latest: int) -> list[Held]:
    """The revisions in a run's folder, oldest first; ``latest`` is the last that is known.

    Of those whose manifest is damaged or gone the ledger tells the digest. What was never committed
    is left out. Raises NotAnArchive where a manifest is of a newer format.
    """
    found = {}
    for number in revision_numbers(storage, folder):
        path = manifest_path(f"{folder}/{revision_name(number)}")
        if storage.exists(path) and (held := _read(storage, path)) is not None:
            found[path] = held
    removed = {
        one.manifest
        for held in found.values()
        if held.manifest is not None and held.manifest.removed is not None
        for one in held.manifest.removed.revisions
    }
    if len(found) + len(removed) < latest or any(one.manifest is None for one in found.values()):
        for path, sha256 in listed_manifests(storage, folder).items():
            held = found.get(path)
            if path not in removed and (held is None or held.manifest is None):
                found[path] = Held(path, sha256, None)
    return sorted(found.values(), key=lambda one: int(one.path.split("/")[-2][1:]))


def _read(storage: LocalStorage, path: str) -> Held | None:
    try:
        data = storage.read(path)
    except ArchiveDamaged:
        return None
    try:
        return Held(path, sha256_of(data), decode_manifest(data, path))
    except ArchiveDamaged:
        return Held(path, sha256_of(data), None)
