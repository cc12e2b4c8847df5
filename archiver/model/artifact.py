"""Artifacts: what a run left behind, and what became of each."""

from datetime import datetime
from enum import StrEnum

import msgspec

from archiver.domain.digest import Sha256
from archiver.model.urls import without_query


class ArtifactKind(StrEnum):
    """What kind of thing an artifact is."""

    RECORDING = "recording"
    SCREENSHOT = "screenshot"
    DOWNLOAD = "download"


class ArtifactState(StrEnum):
    """What became of an artifact (design, section 2)."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"
    GONE = "gone"
    FAILED = "failed"
    EXCLUDED = "excluded"

    @property
    def has_bytes(self) -> bool:
        """Whether the archive holds the artifact's bytes."""
        return self in _WITH_BYTES

    @property
    def is_gap(self) -> bool:
        """Whether the artifact could not be had, so that the run is not complete."""
        return self in _GAPS


_WITH_BYTES = frozenset({ArtifactState.VERIFIED, ArtifactState.UNVERIFIED})
_GAPS = frozenset({ArtifactState.MISMATCH, ArtifactState.FAILED})


class ArtifactSource(msgspec.Struct, frozen=True):
    """One artifact as the API's answer offers it.

    ``url`` is a credential as long as it carries a signature: it is never written anywhere, but
    ``address``, the same without what is secret, is. Both are None where the API names an artifact
    without saying where it is. ``filename`` may be masked, ``true_name`` is not, and
    not written either. ``expected_size`` is in bytes, ``modified_at`` in UTC. Identity
    inside a run: kind and ordinal (from 1).
    """

    kind: ArtifactKind
    ordinal: int
    url: str | None
    filename: str | None = None
    expected_sha256: Sha256 | None = None
    expected_size: int | None = None
    modified_at: datetime | None = None
    artifact_id: str | None = None
    archived: bool = False
    address: str | None = None
    true_name: str | None = None

    def __post_init__(self) -> None:
        if self.true_name is None and self.filename is not None:
            msgspec.structs.force_setattr(self, "true_name", self.filename)
        if self.address is None and self.url is not None:
            msgspec.structs.force_setattr(self, "address", without_query(self.url))

    def __repr__(self) -> str:
        return f"ArtifactSource({self.kind} {self.ordinal})"
