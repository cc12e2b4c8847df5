"""Runs that were removed: nothing is left of them, also where that happened a moment ago."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from archiver.errors import ArchiverError
from archiver.model.manifest import Manifest
from archiver.model.paths import MANIFEST, revision_name
from archiver.store.revisions import latest_revision, read_manifest, revision_numbers
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import PrunedPaths, pruned_paths
from archiver.tables.lookup import pruned_digests
from archiver.verify.findings import Finding, Level, finding


def tombstone_at(storage: LocalStorage, revision_folder: str) -> int:
    """Return the number of a revision that is a tombstone, else 0."""
    try:
        manifest = read_manifest(storage, revision_folder)
    except ArchiverError:  # what is wrong with it is found where it is looked at
        return 0
    return manifest.revision if manifest.removed is not None else 0


class Tombstones:
    """Tombstones as they are now: a run may have got one since it was looked at.

    Ask for the revisions of one run after the other: only the last one's is remembered.
    """

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage
        self._last: tuple[str, Manifest | None] = ("", None)

    def names(self, revision_folder: str, sha256: str) -> bool:
        """Tell whether a tombstone has taken the place of a revision with this manifest."""
        tombstone = self._of(revision_folder.rpartition("/r")[0])
        removed = tombstone.removed.revisions if tombstone and tombstone.removed else ()
        named = f"{revision_folder}/{MANIFEST}", sha256
        return any((one.manifest, one.sha256) == named for one in removed)

    def has_replaced(self, revision_folder: str) -> bool:
        """Tell whether a tombstone has taken the place of a revision, whatever its manifest was."""
        run, _, number = revision_folder.rpartition("/r")
        tombstone = self._of(run)
        return tombstone is not None and int(number) < tombstone.revision

    def _of(self, run: str) -> Manifest | None:
        if self._last[0] != run:
            try:
                latest = latest_revision(self._storage, run)
            except ArchiverError:  # what is wrong with it is found where it is looked at
                latest = None
            self._last = run, latest if latest is not None and latest.removed is not None else None
        return self._last[1]


_REMOVE = "Find out who put it back, and remove it"
_TODO = "Any command that writes finishes what was cut off; else find out who put it back"


class PrunedFiles:
    """What of a run's files was pruned. Its manifests are read only when some file is not there."""

    def __init__(self, storage: LocalStorage, folder: str, forged: str | None = None) -> None:
        """What the revision in the folder ``forged`` says counts for nothing."""
        self._storage = storage
        self._folder = folder
        self._forged = forged
        self._pruned: PrunedPaths | None = None

    def explains(self, path: str, sha256: str, revision: int) -> bool:
        """Tell whether a file of ``revision`` is rightly not there.

        ``path`` is in the run's folder, ``sha256`` what the revision lists of it.
        """
        if self._storage.exists(f"{self._folder}/{path}"):
            return False
        if self._pruned is None:
            self._pruned = pruned_paths(self.manifests())
        return self._pruned.explains(path, sha256, revision)

    def manifests(self) -> Iterator[Manifest]:
        """Yield the manifests of the run that can be read."""
        for number in revision_numbers(self._storage, self._folder):
            revision = f"{self._folder}/{revision_name(number)}"
            try:
                if revision != self._forged:
                    yield read_manifest(self._storage, revision)
            except ArchiverError:  # what is wrong with it is found where it is looked at
                continue


def missing_without(storage: LocalStorage, forged: str) -> Iterator[Finding]:
    """Yield a finding for each file that is not there, and that only ``forged`` says to be pruned.

    That is the folder of a revision that nobody committed.
    """
    run = forged.rpartition("/")[0]
    gone = PrunedFiles(storage, run, forged)
    for manifest in gone.manifests():
        for file in manifest.files:
            path = f"{run}/{file.path}"
            there = storage.exists(path) or gone.explains(file.path, file.sha256, manifest.revision)
            if not there:
                yield finding(path, "it is not there", Level.FILES)


def without_pruned(
    storage: LocalStorage, folder: str, findings: Iterable[Finding], *, is_forgotten: bool
) -> Iterator[Finding]:
    """Yield what was found in a revision, without files that the tables know to be pruned.

    For runs with a manifest that is not true: it may be the one that would say so. If it is
    (``is_forgotten``), no file is missing for sure.
    """
    run = folder.rpartition("/")[0]
    if is_forgotten:
        yield from (one for one in findings if storage.exists(one.path))
        return
    try:
        files = {f"{run}/{f.path}": f.sha256 for f in read_manifest(storage, folder).files}
        pruned = pruned_digests(storage, run.rpartition("/")[2])
    except ArchiverError:
        files, pruned = {}, frozenset()
    for one in findings:
        if files.get(one.path) not in pruned or storage.exists(one.path):
            yield one


def still_there(storage: LocalStorage, folder: str, manifest: Manifest) -> Sequence[str]:
    """Return the paths of files that a revision says are gone, and that are not."""
    pruned = manifest.pruned.files if manifest.pruned is not None else ()
    return [path for file in pruned if storage.exists(path := f"{folder}/{file.path}")]


def left_behind(left: Mapping[str, Sequence[str]], pending: Collection[str]) -> Iterator[Finding]:
    """Yield a finding for what is still there, although a revision says that it is gone.

    ``left``: paths in the archive by the folder of that revision.

    Not for ``pending`` revisions: a session is at work on them, or was killed.
    """
    for folder, paths in left.items():
        for path in paths if folder not in pending else ():
            is_whole = path.rpartition("/")[0] == folder.rpartition("/")[0]
            what = "it was removed, and is there" if is_whole else "it was pruned, and is there"
            yield finding(path, what, Level.STRAY, _REMOVE if is_whole else _TODO)
