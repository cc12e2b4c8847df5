"""Rows of the tables, from a manifest and its document: the one projection that there is.

A row is a tuple in the order of its table's columns. Rows written when a run is fetched and rows
rebuilt by ``reindex`` come from here alike.
"""

from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import TypeAlias

import msgspec

from archiver.model.ids import RunId
from archiver.model.manifest import Manifest
from archiver.model.paths import revision_name
from archiver.model.run import Run
from archiver.model.schema import ARTIFACTS, DOCUMENTS, ERRORS, FETCHES, RUNS, Table

Row: TypeAlias = tuple[object, ...]


class Outcome(StrEnum):
    """What came of an id that was asked for."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    UNFINISHED = "unfinished"
    NOT_FOUND = "not_found"
    FAILED = "failed"


class Fetched(msgspec.Struct, frozen=True):
    """One question to the API and what came of it: a row of the table ``fetches``."""

    session: str
    asked_id: RunId
    run_id: RunId | None
    outcome: Outcome
    http_status: int | None
    reason: str | None
    requests: int
    retries: int
    bytes: int
    seconds: float
    at: datetime


class RevisionRows(msgspec.Struct, frozen=True):
    """The rows of one revision."""

    run: Row
    document: Row | None
    artifacts: tuple[Row, ...]
    errors: tuple[Row, ...]

    def by_table(self) -> tuple[tuple[Table, tuple[Row, ...]], ...]:
        """The rows with their tables, ``runs`` last: that is the order they are written in."""
        return (
            (DOCUMENTS, (self.document,) if self.document else ()),
            (ARTIFACTS, self.artifacts),
            (ERRORS, self.errors),
            (RUNS, (self.run,)),
        )


_OF_MANIFEST = frozenset(
    {
        "revision",
        "is_settled",
        "is_complete",
        "session",
        "fetched_at",
        "document_sha256",
        "redacted",
    }
)
_REQUEST_COLUMNS = frozenset({"workflow_id"})


def _attribute(column: str) -> str:
    if column in _OF_MANIFEST:
        return f"manifest.{column}"
    if column == "path":
        return "path"
    if column == "removed":
        return "manifest.removed_kind"
    if column.startswith("request_") or column in _REQUEST_COLUMNS:
        return f"run.request.{column}"
    return f"run.{column}"


class _Revision(msgspec.Struct, frozen=True):
    run: Run
    manifest: Manifest
    path: str


_run_row = attrgetter(*map(_attribute, RUNS.column_names))
_fetch_row = attrgetter(*FETCHES.column_names)


def revision_rows(manifest: Manifest, run: Run, document: str | None, folder: str) -> RevisionRows:
    """The rows of a revision.

    ``document`` is its run.json, None where all was removed; ``run`` is what was read from it, and
    ``folder`` the run's folder.
    """
    key = (manifest.run_id, manifest.revision)
    path = f"{folder}/{revision_name(manifest.revision)}"
    return RevisionRows(
        run=_run_row(_Revision(run, manifest, path)),
        document=(*key, run.output, document, manifest.session, manifest.fetched_at)
        if document is not None
        else None,
        artifacts=tuple((*key, *_artifact_row(a, folder)) for a in manifest.artifacts),
        errors=tuple(
            (*key, e.ordinal, e.error_code, e.reasoning, e.confidence, e.error) for e in run.errors
        ),
    )


def fetch_row(fetched: Fetched) -> Row:
    """The row of the table ``fetches``."""
    row: Row = _fetch_row(fetched)
    return row


_artifact_columns = attrgetter(*ARTIFACTS.column_names[2:])
_PATH = ARTIFACTS.column_names[2:].index("path")


def _artifact_row(entry: object, folder: str) -> Row:
    row: Row = _artifact_columns(entry)
    path = row[_PATH]
    return row if path is None else (*row[:_PATH], f"{folder}/{path}", *row[_PATH + 1 :])
