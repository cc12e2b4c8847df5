"""The manifest: what a revision consists of (format, 4). Written last, it is the commit.

Format 1; the JSON Schema is ``schemas/manifest.schema.json``. Paths are relative to the run's
folder: what has not changed since an earlier revision is listed with its path there.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from archiver.errors import ArchiveDamaged, NotAnArchive
from archiver.model.artifact import MEDIA, SMALL, TRUE_MEDIA, ArtifactState
from archiver.model.ids import RunId
from archiver.model.paths import is_revision_path

FORMAT = 1

HexDigest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Counter = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the revision: path in the run's folder, size in bytes, digest."""

    path: str
    size: Size
    sha256: HexDigest

    def __post_init__(self) -> None:
        if not is_revision_path(self.path):
            raise ValueError(f"not a path of a revision: {self.path!r}")


class ArtifactEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact of the revision; columns of the table ``artifacts`` have the same names.

    ``kind`` is one of :class:`ArtifactKind`, or of a later version, and then kept as it is.
    ``path``, ``size`` and ``sha256`` are given exactly where the archive holds the bytes;
    of a mismatch ``size`` and ``sha256`` say what was seen, and of what was held and removed by a
    rule at ``pruned_at`` what there was.
    """

    kind: str
    ordinal: Counter
    state: ArtifactState
    filename: str | None = None
    path: str | None = None
    size: Size | None = None
    sha256: HexDigest | None = None
    expected_sha256: HexDigest | None = None
    expected_size: Size | None = None
    media_type: str | None = None
    served_type: str | None = None
    modified_at: Instant | None = None
    url: str | None = None
    artifact_id: str | None = None
    attempts: Size = 0
    reason: str | None = None
    fetched_at: Instant | None = None
    session: str
    pruned_at: Instant | None = None

    def __post_init__(self) -> None:
        if self.pruned_at is not None and self.state is not ArtifactState.EXCLUDED:
            raise ValueError("what was pruned is not held any more")
        if self.state.has_bytes != (self.path is not None):
            raise ValueError(f"a path is given exactly where bytes are held: {self.state}")
        if self.path is not None:
            if not is_revision_path(self.path):
                raise ValueError(f"not a path of a revision: {self.path!r}")
            if self.size is None or self.sha256 is None:
                raise ValueError("bytes are held with their size and digest")
        if self.state is ArtifactState.VERIFIED and self.sha256 != self.expected_sha256:
            raise ValueError("verified means that the digest is the one expected")

    @property
    def is_error_page(self) -> bool:
        """Whether text, or nothing, is held in place of a recording or a picture.

        Version 0.1.0 kept whatever the server sent.
        """
        is_text = (self.media_type or "").startswith("text/")
        return self._is_unproven_medium and (is_text or not self.size)

    @property
    def may_be_error_page(self) -> bool:
        """Whether only its bytes tell that: version 0.1.0 did not know text in every encoding."""
        is_doubtful = self.media_type not in TRUE_MEDIA and (self.size or 0) < SMALL
        return self._is_unproven_medium and is_doubtful

    @property
    def _is_unproven_medium(self) -> bool:
        return self.state is ArtifactState.UNVERIFIED and self.kind in MEDIA


class RemovedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A document (without ordinal) or an artifact that was removed; its name is not kept."""

    kind: str
    ordinal: Counter | None = None
    state: ArtifactState | None = None
    media_type: str | None = None
    size: Size
    sha256: HexDigest


class RemovedRevision(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that was removed: its manifest's path in the archive and digest, and its files."""

    manifest: str
    sha256: HexDigest
    session: str | None
    files: tuple[RemovedFile, ...] = ()


class RemovalKind(StrEnum):
    """Why a run was removed: it had been kept long enough, or somebody's data had to go."""

    PRUNED = "pruned"
    ERASED = "erased"


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What a tombstone says: what there was of the run, and who removed it when and why."""

    kind: RemovalKind
    at: Instant
    user: str | None
    host: str | None
    reason: str
    run_type: str | None = None
    created_at: Instant | None = None
    queued_at: Instant | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    revisions: tuple[RemovedRevision, ...]


class PrunedFile(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact's bytes that were removed: the path in the run's folder where they were."""

    path: str
    kind: str
    size: Size
    sha256: HexDigest

    def __post_init__(self) -> None:
        if not is_revision_path(self.path):
            raise ValueError(f"not a path of a revision: {self.path!r}")


class Pruning(msgspec.Struct, frozen=True, kw_only=True):
    """Which files of this revision and of earlier ones were removed, by whom, when and why."""

    at: Instant
    user: str | None
    host: str | None
    reason: str
    files: tuple[PrunedFile, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One committed state of a run. A tombstone has ``removed`` in place of a document.

    With ``pruned`` it is the state from which on some artifacts are not kept any more: their files
    are gone from earlier revisions too.
    """

    format: Annotated[int, msgspec.Meta(ge=1)] = FORMAT
    run_id: str
    asked_id: str
    revision: Counter
    session: str
    tool: str
    fetched_at: Instant
    status: str
    is_final: bool
    is_settled: bool
    is_complete: bool
    document: FileEntry | None
    document_sha256: HexDigest
    artifacts: tuple[ArtifactEntry, ...]
    redacted: Size | None = None
    """Places that were masked because the user wanted it; None where nothing was to be masked."""
    removed: Removal | None = None
    pruned: Pruning | None = None

    def __post_init__(self) -> None:
        RunId(self.run_id)
        RunId(self.asked_id)
        if (self.document is None) != (self.removed is not None):
            raise ValueError("a revision has a document, unless all was removed")
        if self.removed is not None and (self.artifacts or self.pruned):
            raise ValueError("what was removed has no artifacts")

    @property
    def removed_kind(self) -> RemovalKind | None:
        """Whether all of the run was removed, and why."""
        return self.removed.kind if self.removed else None

    @property
    def files(self) -> list[FileEntry]:
        """Every file that the revision consists of, the document first."""
        held = [
            FileEntry(path=a.path, size=a.size, sha256=a.sha256)
            for a in self.artifacts
            if a.path is not None and a.size is not None and a.sha256 is not None
        ]
        return [self.document, *held] if self.document else held


def is_complete(settled: bool, artifacts: tuple[ArtifactEntry, ...]) -> bool:
    """Whether a revision is complete: settled, and no artifact left to be had."""
    return settled and not any(artifact.state.is_gap for artifact in artifacts)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as JSON, one field a line: made to be read by people too."""
    return msgspec.json.format(msgspec.json.encode(manifest, enc_hook=_plain), indent=1) + b"\n"


def decode_manifest(data: bytes, where: str) -> Manifest:
    """The manifest in ``data``. ``where`` names the file in errors.

    Raises ArchiveDamaged when it is none, NotAnArchive when it is of a newer format.
    """
    try:
        if (version := _VERSIONED.decode(data).format) > FORMAT:
            raise NotAnArchive(
                f"{where} has format {version}, this tool knows {FORMAT}",
                hint="Install a newer version of skyvern-archiver",
            )
        return _MANIFEST.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ArchiveDamaged(f"{where} is no manifest: {error}") from None


def sha256sums(files: Iterable[FileEntry]) -> str:
    """A revision's files as ``sha256sum -c`` takes them, run in the run's folder."""
    return "".join(f"{file.sha256}  {file.path}\n" for file in files)


def _plain(value: object) -> str:
    """Run ids and digests are checked strings, which msgspec encodes only as plain ones."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(type(value))


class _Versioned(msgspec.Struct):
    format: int


# Made once, here: msgspec crashes where the first to decode a type are several threads.
_VERSIONED = msgspec.json.Decoder(_Versioned)
_MANIFEST = msgspec.json.Decoder(Manifest)
