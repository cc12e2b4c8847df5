"""The revisions after which runs have no artifacts of some kinds, and all else stays."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from archiver.errors import ArchiveDamaged
from archiver.model.artifact import ArtifactKind
from archiver.model.manifest import Manifest
from archiver.model.run import ChosenRun
from archiver.retention.history import all_manifests, stored_revisions
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import Order, without_artifacts

Kinds: TypeAlias = frozenset[ArtifactKind]


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
