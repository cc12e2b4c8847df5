"""A package of runs for others: which of an archive's files go into it, and under which names.

Each run has a folder. In it lie its document and its manifest as the archive has them, and its
artifacts under the names that the server gave them, made safe on every platform.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from archiver.domain.digest import Sha256
from archiver.model.artifact import ArtifactKind
from archiver.model.manifest import ArtifactEntry, Manifest
from archiver.model.paths import artifact_paths, distinct_names, revision_name

RUNS = "runs"
LEDGER = "ledger"
PROOF = "proof.json"
PAGE = "HOW-TO-CHECK.txt"
_PERCENT = "%"
"""No name has it: BagIt writes it in another way than sha256sum(1) and many tools read it."""


@dataclass(frozen=True, slots=True)
class ChosenRun:
    """A run that is meant: its latest revision, and what the table ``runs`` says of it.

    ``path`` is the revision's folder in the archive. Times are UTC; what may be None is unknown.
    """

    run_id: str
    revision: int
    path: str
    run_type: str | None
    status: str
    is_final: bool
    is_settled: bool
    title: str | None
    failure_reason: str | None
    request_url: str | None
    created_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    fetched_at: datetime
    document_sha256: str
    removed: str | None


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of a run: ``path`` in the run's folder of the archive, ``name`` in the package's."""

    path: str
    name: str
    size: int
    sha256: str
    artifact: ArtifactEntry | None = None


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of the package: its path there, its size in bytes, its digest."""

    name: str
    size: int
    sha256: Sha256


def run_files(manifest: Manifest) -> list[RunFile]:
    """The files of a revision, with the names that they get."""
    held = [artifact for artifact in manifest.artifacts if artifact.path is not None]
    places = artifact_paths(manifest.revision, [_named(a) for a in held])
    above = f"{revision_name(manifest.revision)}/"
    names = {a.path: (p.removeprefix(above), a) for a, p in zip(held, places, strict=True)}
    files = []
    for file in manifest.files:
        name, artifact = names.get(file.path, (file.path.rpartition("/")[2], None))
        files.append(RunFile(file.path, name, file.size, file.sha256, artifact))
    return files


def _named(artifact: ArtifactEntry) -> tuple[ArtifactKind, int, str | None, str]:
    extension = (artifact.path or "").rpartition(".")[2]
    filename = artifact.filename and artifact.filename.replace(_PERCENT, "_")
    return artifact.kind, artifact.ordinal, filename, extension


def run_folders(run_ids: Iterable[str]) -> Iterator[str]:
    """The folders of runs in a package: their ids, also where case is not told apart."""
    return (f"{RUNS}/{name}" for name in distinct_names(run_ids))
