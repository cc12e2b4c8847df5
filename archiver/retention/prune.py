"""Removing artifacts of some kinds from runs of which all else stays.

First a revision is committed that says so, then the files go. A session that is killed in between
leaves its journal: whoever writes next removes the rest.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archiver.errors import ArchiveDamaged
from archiver.model.artifact import ArtifactKind
from archiver.model.ledger import ListedManifest, manifest_path
from archiver.model.manifest import Manifest
from archiver.model.run import ChosenRun
from archiver.retention.history import all_manifests, stored_revisions
from archiver.store.lock import Writer
from archiver.store.revisions import commit_revisions, prepare_revision
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import Order, remove_pruned, without_artifacts

_AT_ONCE = 64
"""Revisions that are committed together."""

Kinds: TypeAlias = frozenset[ArtifactKind]


@dataclass(frozen=True, slots=True)
class Pruned:
    """A run without artifacts that it had: the revision's manifest, and the files that went."""

    run_id: str
    manifest: ListedManifest
    files: int
    bytes: int


def prune_artifacts(
    writer: Writer, order: Order, runs: Iterable[tuple[ChosenRun, Kinds]], damaged: list[str]
) -> Iterator[list[Pruned]]:
    """Remove the artifacts of these kinds from each run; those of which something went, as they go.

    Runs with a manifest that cannot be read stay as they are and are named in ``damaged``. Raises
    ArchiveUnwritable.
    """
    left = next_manifests(writer.storage, order, runs, damaged)
    while some := list(itertools.islice(left, _AT_ONCE)):
        yield _prune(writer, some)


def next_manifests(
    storage: LocalStorage,
    order: Order,
    runs: Iterable[tuple[ChosenRun, Kinds]],
    damaged: list[str],
) -> Iterator[tuple[ChosenRun, Manifest]]:
    """The manifests after which runs have no artifacts of these kinds; of those that have some now.

    Runs with a manifest that cannot be read are named in ``damaged``: what it lists would be left
    behind.
    """
    runs, again = itertools.tee(runs)
    stored = stored_revisions(storage, (run for run, _ in runs))
    for (run, revisions), (_, kinds) in zip(stored, again, strict=True):
        try:
            manifest = without_artifacts(order, all_manifests(run, revisions), kinds)
        except ArchiveDamaged as error:
            damaged.append(f"{run.run_id}: {error.message}")
            continue
        if manifest is not None:
            yield run, manifest


def _prune(writer: Writer, runs: Sequence[tuple[ChosenRun, Manifest]]) -> list[Pruned]:
    storage = writer.storage
    prepared = []
    try:
        for run, manifest in runs:
            folder = run.path.rpartition("/")[0]
            prepared.append(prepare_revision(storage, folder, manifest, None, []))
    except BaseException:
        for one in prepared:
            one.discard()
        raise
    commit_revisions(writer, prepared)
    pruned = []
    for one in prepared:
        files, size = remove_pruned(storage, one.folder, one.manifest)
        listed = ListedManifest(one.sha256, manifest_path(one.path))
        pruned.append(Pruned(one.manifest.run_id, listed, files, size))
    return pruned
