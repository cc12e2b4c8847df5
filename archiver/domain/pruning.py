"""Removing a run's artifacts of some kinds while all else stays: the revision that says so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from archiver.model.artifact import ArtifactKind, ArtifactState
from archiver.model.manifest import ArtifactEntry, Manifest, PrunedFile, Pruning, is_complete
from archiver.store.tombstones import Order


@dataclass(frozen=True, slots=True)
class PrunedPaths:
    """The files of a run that are gone by rule: for each the revision that says so, and digest."""

    by_path: Mapping[str, tuple[int, str]]

    def excuse(self, path: str, sha256: str, revision: int) -> bool:
        """Whether it is right that a file is not there which ``revision`` lists."""
        by, pruned = self.by_path.get(path, (0, ""))
        return by > revision and pruned == sha256


def pruned_paths(manifests: Iterable[Manifest]) -> PrunedPaths:
    """What these revisions of a run say is gone."""
    return PrunedPaths(
        {
            file.path: (manifest.revision, file.sha256)
            for manifest in manifests
            if manifest.pruned is not None
            for file in manifest.pruned.files
        }
    )


def without_artifacts(
    order: Order, revisions: Sequence[Manifest], kinds: frozenset[ArtifactKind]
) -> Manifest | None:
    """The revision after which no artifact of these kinds is kept, None where none is.

    ``revisions`` are all of the run, oldest first.
    """
    latest, gone = revisions[-1], pruned_paths(revisions).by_path
    files = {
        entry.path: PrunedFile(
            path=entry.path, kind=entry.kind, size=entry.size, sha256=entry.sha256
        )
        for manifest in revisions
        for entry in manifest.artifacts
        if entry.kind in kinds and entry.path is not None and entry.path not in gone
        if entry.size is not None and entry.sha256 is not None
    }
    if not files:
        return None
    artifacts = tuple(_pruned(entry, order, kinds) for entry in latest.artifacts)
    return replace(
        latest,
        revision=latest.revision + 1,
        session=order.session,
        tool=order.tool,
        is_complete=is_complete(latest.is_settled, artifacts),
        artifacts=artifacts,
        pruned=Pruning(
            at=order.at,
            user=order.user,
            host=order.host,
            reason=order.reason,
            files=tuple(files.values()),
        ),
    )


def _pruned(entry: ArtifactEntry, order: Order, kinds: frozenset[ArtifactKind]) -> ArtifactEntry:
    if entry.path is None or entry.kind not in kinds:
        return entry
    return replace(
        entry,
        state=ArtifactState.EXCLUDED,
        path=None,
        reason=f"pruned: {order.reason}",
        session=order.session,
        pruned_at=order.at,
    )
