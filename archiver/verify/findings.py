"""What verify finds: what is not as it was stored, and what is not there that should be."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

RESTORE = "Restore it from a backup"
REINDEX = "`archiver reindex` rebuilds the tables from the manifests"
_REVISION = re.compile(
    r"runs/(?:\d{4}/\d\d/\d\d|undated)/([^/]+)(?:/r([1-9]\d*)(?:/.*)?|/.*)?", re.ASCII
)


class Level(StrEnum):
    """The levels of the archive between which something does not fit."""

    FILES = "files"
    TABLES = "tables"
    LEDGER = "ledger"
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was stored. ``path`` is in the archive, ``todo`` is what to do.

    Of rows that differ, ``table`` and ``columns`` say which.
    """

    path: str
    problem: str
    level: Level
    todo: str = RESTORE
    run_id: str | None = None
    revision: int | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as ``schemas/verify-report.schema.json`` has it."""
        return {
            "path": self.path,
            "problem": self.problem,
            "todo": self.todo,
            "level": self.level.value,
            "run_id": self.run_id,
            "revision": self.revision,
            "table": self.table,
            "columns": list(self.columns),
        }


def finding(path: str, problem: str, level: Level, todo: str = RESTORE) -> Finding:
    """Return a finding, with the run and revision that its path is of."""
    run_id, revision = run_of(path)
    return Finding(path, problem, level, todo, run_id, revision)


def without_name(path: str) -> str:
    """Return a path in the archive, of a run's file only as far as its revision's folder."""
    run_id, revision = run_of(path)
    if run_id is None:
        return path
    folder = f"{path.partition(f'/{run_id}/')[0]}/{run_id}" if f"/{run_id}/" in path else path
    return folder if revision is None else f"{folder}/r{revision}"


def run_of(path: str) -> tuple[str | None, int | None]:
    """Return the run and the revision that a path is of; None where it is of none."""
    match = _REVISION.fullmatch(path)
    if match is None:
        return None, None
    return match[1], int(match[2]) if match[2] else None


class GapKind(StrEnum):
    """Why an archive is not complete."""

    ARTIFACT = "artifact"
    UNFINISHED = "unfinished"
    NEVER_HAD = "never_had"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that should be there and is not. ``what`` says it; ``id`` is a run's or session's.

    ``is_accepted``: somebody declared that this is final.
    """

    kind: GapKind
    id: str
    what: str
    is_accepted: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as ``schemas/verify-report.schema.json`` has it."""
        return {
            "kind": self.kind.value,
            "id": self.id,
            "what": self.what,
            "accepted": self.is_accepted,
        }


@dataclass(slots=True)
class VerifyReport:
    """What an execution of verify came to, with its two verdicts."""

    revisions: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: int = 0
    """Revisions that were not looked at."""
    interrupted: bool = False
    started: str = ""
    """The id of the check, which the table ``checks`` has as session."""

    @property
    def is_intact(self) -> bool:
        return not self.findings

    @property
    def open_gaps(self) -> list[Gap]:
        """The gaps that nobody has accepted."""
        return [gap for gap in self.gaps if not gap.is_accepted]

    def to_json(self) -> dict[str, Any]:
        """Return it as ``schemas/verify-report.schema.json`` has it."""
        return {
            "check": self.started,
            "revisions": self.revisions,
            "skipped": self.skipped,
            "files": self.files,
            "bytes": self.bytes,
            "interrupted": self.interrupted,
            "integrity": {
                "intact": self.is_intact,
                "findings": [one.to_json() for one in self.findings],
            },
            "completeness": {
                "complete": not self.open_gaps,
                "gaps": [gap.to_json() for gap in self.gaps],
            },
            "notes": self.notes,
        }


def by_run(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return findings by run, those of none under the empty name and first."""
    found: dict[str, list[Finding]] = {}
    for one in findings:
        found.setdefault(one.run_id or "", []).append(one)
    return dict(sorted(found.items()))


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each path and row: later revisions list files of earlier ones."""
    seen: dict[object, Finding] = {}
    for one in findings:
        seen.setdefault(
            (one.path, one.table, one.run_id, one.revision) if one.table else one.path, one
        )
    return list(seen.values())


class Depth(StrEnum):
    """How closely a revision is looked at."""

    BYTES = "bytes"
    ROWS = "rows"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be checked: all, unless something here says less.

    ``share`` is of the revisions, from 0 to 1; ``since`` a moment in UTC of their fetching.
    """

    run_ids: frozenset[str] = frozenset()
    since: datetime | None = None
    share: float | None = None
    quick: bool = False
    is_rotating: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every revision is looked at."""
        return not (self.run_ids or self.since or self.share is not None or self.is_rotating)


_UNLISTED = "Find out who put it there, and remove it"


def unlisted(path: str, problem: str = "nothing in the archive lists it") -> Finding:
    """Return a finding for something that does not belong where it lies."""
    return finding(path, problem, Level.STRAY, _UNLISTED)


def is_unlisted(one: Finding) -> bool:
    """Tell whether a finding is for something that does not belong where it lies."""
    return one.todo == _UNLISTED
