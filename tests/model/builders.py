"""Runs, artifacts and manifests to test with: everything plain, changed where a test says so."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from archiver.fetch.answer import Answer, read_answer
from archiver.model.artifact import ArtifactKind, ArtifactSource, ArtifactState
from archiver.model.ids import RunId, SessionId, Sha256, sha256_of
from archiver.model.manifest import ArtifactEntry, FileEntry, Manifest
from archiver.model.paths import run_folder
from archiver.model.rows import RevisionRows, Row, revision_rows
from archiver.model.schema import Table

API_ANSWERS = Path(__file__).parents[1] / "data" / "api"
SAMPLE_NAMES = tuple(sorted(path.stem for path in API_ANSWERS.glob("*.json")))

AT = datetime(2026, 11, 24, 1, 2, 3, 456789, UTC)
SESSION = SessionId("20261124T010203.000Z-0011aabb")
RUN_ID = RunId("tsk_123")
KEY = "sk-ant0n-0123456789abcdef"
DIGEST = sha256_of(b"bytes")
OTHER_DIGEST = sha256_of(b"other bytes")

RECORDING = ArtifactKind.RECORDING
SCREENSHOT = ArtifactKind.SCREENSHOT
DOWNLOAD = ArtifactKind.DOWNLOAD


def sample(name: str) -> bytes:
    """A real answer of the API."""
    return (API_ANSWERS / f"{name}.json").read_bytes()


def document(**fields: Any) -> dict[str, Any]:
    """The smallest answer that is a run, with more fields."""
    return {"run_id": str(RUN_ID), "status": "completed", **fields}


def to_bytes(value: object) -> bytes:
    """JSON as a server may send it, lone surrogates and all."""
    return json.dumps(value).encode()


def read(value: dict[str, Any], *secrets: str, asked: str | None = None) -> Answer:
    """The answer ``value``, read as one to the question for its own run."""
    body = to_bytes(value)
    return read_answer(body, sha256_of(body), RunId(asked or value["run_id"]), AT, secrets)


def read_sample(name: str) -> Answer:
    body = sample(name)
    return read_answer(body, sha256_of(body), RunId(json.loads(body)["run_id"]), AT)


def entry(kind: ArtifactKind = DOWNLOAD, ordinal: int = 1, **fields: Any) -> ArtifactEntry:
    """An artifact whose bytes are held, without a checksum from the API."""
    held: dict[str, Any] = {
        "state": ArtifactState.UNVERIFIED,
        "path": f"r1/{kind}s/{ordinal:02d}.bin",
        "size": 5,
        "sha256": DIGEST,
        "session": SESSION,
    }
    return ArtifactEntry(kind=kind, ordinal=ordinal, **(held | fields))


def absent(state: ArtifactState, kind: ArtifactKind = DOWNLOAD, ordinal: int = 1) -> ArtifactEntry:
    """An artifact without bytes."""
    return ArtifactEntry(kind=kind, ordinal=ordinal, state=state, session=SESSION, reason="why")


def source(kind: ArtifactKind = DOWNLOAD, ordinal: int = 1, **fields: Any) -> ArtifactSource:
    """An artifact as an answer offers it."""
    offered: dict[str, Any] = {
        "url": f"https://storage.example/{kind}/{ordinal}?expiry=1&sig=s1gn4ture",
        "artifact_id": f"a_{kind}_{ordinal}",
    }
    return ArtifactSource(kind, ordinal, **(offered | fields))


def manifest(*artifacts: ArtifactEntry, **fields: Any) -> Manifest:
    """The manifest of a settled run's first revision."""
    plain: dict[str, Any] = {
        "run_id": RUN_ID,
        "asked_id": RUN_ID,
        "revision": 1,
        "session": SESSION,
        "tool": "skyvern-archiver 0.1.0",
        "fetched_at": AT,
        "status": "completed",
        "is_final": True,
        "is_settled": True,
        "is_complete": True,
        "document": FileEntry(path="r1/run.json", size=2, sha256=sha256_of(b"{}")),
        "document_sha256": sha256_of(b"{ }"),
        "artifacts": artifacts,
    }
    return Manifest(**(plain | fields))


def changed(of: Manifest, **fields: Any) -> Manifest:
    return msgspec.structs.replace(of, **fields)


def rows_of(answer: Answer, *artifacts: ArtifactEntry) -> RevisionRows:
    """The rows of a first revision of the answer's run."""
    run = answer.run
    stored = answer.document.encode()
    committed = manifest(
        *artifacts,
        run_id=str(run.run_id),
        asked_id=str(run.run_id),
        status=run.status,
        is_final=run.is_final,
        is_settled=run.is_final,
        is_complete=run.is_final,
        document=FileEntry(path="r1/run.json", size=len(stored), sha256=sha256_of(stored)),
        document_sha256=answer.received_sha256,
    )
    return revision_rows(committed, run, answer.document, run_folder(run.run_id, run.created_at))


def named(table: Table, row: Row) -> dict[str, Any]:
    """A row by the names of its columns."""
    return dict(zip(table.column_names, row, strict=True))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def digest(text: str) -> Sha256:
    return sha256_of(text.encode())
