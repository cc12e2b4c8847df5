"""Runs that were removed: nothing is left of them, also where that happened a moment ago."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archiver.errors import ArchiverError
from archiver.model.manifest import Manifest
from archiver.model.paths import revision_name
from archiver.store.revisions import read_manifest, revision_numbers
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import PrunedPaths, pruned_paths
from archiver.tables.lookup import pruned_digests
from archiver.verify.compare import Comparison
from archiver.verify.findings import Finding, Level, finding, run_of

_REMOVED = """
SELECT folder FROM removed WHERE regexp_replace(folder, '/r[0-9]+$', '') IN (SELECT unnest(?))
"""


def tombstone_at(storage: LocalStorage, revision_folder: str) -> int:
    """The number of a revision that is a tombstone, else 0."""
    try:
        manifest = read_manifest(storage, revision_folder)
    except ArchiverError:  # what is wrong with it is found where it is looked at
        return 0
    return manifest.revision if manifest.removed is not None else 0


@dataclass(slots=True)
class Removals:
    """Tombstones that a run may have got since it was looked at. Each run is asked for once."""

    storage: LocalStorage
    _latest: dict[str, int] = field(default_factory=dict)

    def has_taken(self, revision_folder: str) -> bool:
        """Whether a tombstone has taken the place of a revision by now."""
        run, _, number = revision_folder.rpartition("/r")
        if run not in self._latest:
            self._latest[run] = self._tombstone(run)
        return int(number) < self._latest[run]

    def without(self, revision_folder: str, findings: list[Finding]) -> list[Finding]:
        """What was found in a revision, unless that was removed meanwhile."""
        return [] if findings and self.has_taken(revision_folder) else findings

    def _tombstone(self, run: str) -> int:
        numbers = revision_numbers(self.storage, run)
        return tombstone_at(self.storage, f"{run}/r{numbers[-1]}") if numbers else 0


def explain_removed(comparison: Comparison, unlisted: Iterable[str]) -> None:
    """The tables may still have rows of what a session has removed that is at work, or was killed.

    ``unlisted`` are the revisions that it committed.
    """
    runs = [folder.rpartition("/")[0] for folder in unlisted]
    removed = [folder for (folder,) in comparison.ask(_REMOVED, [runs])] if runs else []
    keys = (run_of(folder) for folder in removed)
    comparison.add("gone", (key for key in keys if None not in key))


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
        """Whether a file of ``revision``, by its path in the run's folder, is rightly not there."""
        if self._storage.exists(f"{self._folder}/{path}"):
            return False
        if self._pruned is None:
            self._pruned = pruned_paths(self.manifests())
        return self._pruned.explains(path, sha256, revision)

    def manifests(self) -> Iterator[Manifest]:
        """Those of the run that can be read."""
        for number in revision_numbers(self._storage, self._folder):
            revision = f"{self._folder}/{revision_name(number)}"
            try:
                if revision != self._forged:
                    yield read_manifest(self._storage, revision)
            except ArchiverError:  # what is wrong with it is found where it is looked at
                continue


def missing_without(storage: LocalStorage, forged: str) -> Iterator[Finding]:
    """Files that are not there, which only a revision says to be pruned that nobody committed."""
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
    """What was found in a revision, without files that the tables know to be pruned.

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
    """The files that a revision says are gone, and that are not."""
    pruned = manifest.pruned.files if manifest.pruned is not None else ()
    return [path for file in pruned if storage.exists(path := f"{folder}/{file.path}")]


def left_behind(left: Mapping[str, Sequence[str]], unlisted: Collection[str]) -> Iterator[Finding]:
    """Findings for what is still there, by the revision that says it is gone.

    Not for ``unlisted`` revisions: a session is at work on them, or was killed.
    """
    for folder, paths in left.items():
        for path in paths if folder not in unlisted else ():
            is_whole = path.rpartition("/")[0] == folder.rpartition("/")[0]
            what = "it was removed, and is there" if is_whole else "it was pruned, and is there"
            yield finding(path, what, Level.STRAY, _REMOVE if is_whole else _TODO)
