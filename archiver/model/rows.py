"""Rows of the tables, from a manifest and its document: the one projection that there is.

A row is a tuple in the order of its table's columns. Rows written when a run is fetched and rows
rebuilt by ``reindex`` come from here alike.
"""

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from archiver.model.document import HALF, readable_json
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
    if document is not None and (readable := readable_json(document)) is not document:
        document = readable
        run = replace(run, problems=(*run.problems, f"document: {HALF}"))
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


def text_of(value: Any) -> str:
    """Return a value as people and CSV have it: nothing for NULL, lists and structs as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case tuple() if hasattr(value, "nanoseconds"):
            return interval_text(value)
        case list() | tuple() | dict():
            return json.dumps(json_value(value), ensure_ascii=False)
        case bytes():
            return value.hex()
        case _:
            return str(value)


def json_value(value: Any) -> Any:
    """Return a value as JSON can have it: times in ISO 8601, bytes in hexadecimal."""
    match value:
        case tuple() if hasattr(value, "nanoseconds"):
            return interval_text(value)
        case list() | tuple():
            return [json_value(entry) for entry in value]
        case dict():
            return {str(key): json_value(entry) for key, entry in value.items()}
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case UUID():
            return str(value)
        case _:
            return value


def interval_text(value: Any) -> str:
    """Return an interval as DuckDB writes it: ``1 month 2 days 03:04:05.678``.

    It has months, days and nanoseconds, as Arrow gives it.
    """
    sign = "-" if value.nanoseconds < 0 else ""
    seconds, nanoseconds = divmod(abs(value.nanoseconds), 1_000_000_000)
    clock = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    fraction = f".{nanoseconds // 1000:06d}".rstrip("0").rstrip(".")
    parts = [
        f"{count} {name}{'' if abs(count) == 1 else 's'}"
        for count, name in ((value.months, "month"), (value.days, "day"))
        if count
    ]
    return " ".join([*parts, clock + fraction] if value.nanoseconds or not parts else parts)
