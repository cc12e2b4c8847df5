"""A package of runs for others: which of an archive's files go into it, and under which names.

Each run has a folder. In it lie its document and its manifest as the archive has them, and its
artifacts under the names that the server gave them, made safe on every platform.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archiver.model.ids import Sha256
from archiver.model.manifest import ArtifactEntry, Manifest
from archiver.model.paths import artifact_paths, distinct_names, revision_name

RUNS = "runs"
LEDGER = "ledger"
PROOF = "proof.json"
PAGE = "HOW-TO-CHECK.txt"
_PERCENT = "%"
"""No name has it: BagIt writes it in another way than sha256sum(1) and many tools read it."""


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


def _named(artifact: ArtifactEntry) -> tuple[str, int, str | None, str]:
    extension = (artifact.path or "").rpartition(".")[2]
    filename = artifact.filename and artifact.filename.replace(_PERCENT, "_")
    return artifact.kind, artifact.ordinal, filename, extension


def run_folders(run_ids: Iterable[str]) -> Iterator[str]:
    """The folders of runs in a package: their ids, also where case is not told apart."""
    return (f"{RUNS}/{name}" for name in distinct_names(run_ids))


PAYLOAD = "data/"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
DECLARED = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def manifest_lines(files: Iterable[PackedFile]) -> str:
    """A manifest: one line for each file, which ``sha256sum -c`` reads too."""
    return "".join(f"{file.sha256}  {_encoded(file.name)}\n" for file in files)


def bag_info(fields: Iterable[tuple[str, str | None]]) -> str:
    """The metadata of a bag, in order; each value on one line, those that are None left out."""
    return "".join(
        f"{label}: {' '.join(value.split())}\n" for label, value in fields if value is not None
    )


def payload_oxum(files: Iterable[PackedFile]) -> str:
    """Bytes and number of the payload's files, as Payload-Oxum has them."""
    sizes = [file.size for file in files]
    return f"{sum(sizes)}.{len(sizes)}"


def _encoded(name: str) -> str:
    """A path as manifests have it (RFC 8493, 2.1.3): these three characters are escaped."""
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
