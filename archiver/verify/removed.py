"""Runs that were removed: nothing is left of them, also where that happened a moment ago."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from archiver.errors import ArchiverError
from archiver.store.revisions import read_manifest, revision_numbers
from archiver.store.storage import LocalStorage
from archiver.verify.compare import Comparison
from archiver.verify.findings import Finding, run_of

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


def excuse_removed(comparison: Comparison, unlisted: Iterable[str]) -> None:
    """The tables may still have rows of what a session has removed that is at work, or was killed.

    ``unlisted`` are the revisions that it committed.
    """
    runs = [folder.rpartition("/")[0] for folder in unlisted]
    removed = [folder for (folder,) in comparison.ask(_REMOVED, [runs])] if runs else []
    keys = (run_of(folder) for folder in removed)
    comparison.add("gone", (key for key in keys if None not in key))
