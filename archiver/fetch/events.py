"""What happens during a session, as values: whoever shows progress gets them as they happen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from archiver.domain.summary import Problem
from archiver.errors import ArchiverError
from archiver.model.rows import Outcome


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """``held`` of the ``asked`` ids are complete and will not be asked for."""

    session: str
    asked: int
    held: int
    recovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """A piece of an artifact arrived (bytes)."""

    count: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run was dealt with; ``problems`` are what could not be had of it."""

    asked_id: str
    run_id: str | None
    outcome: Outcome
    artifacts: int
    bytes: int
    seconds: float
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class TablesWritten:
    """The rows of this many runs are in the tables."""

    runs: int


@dataclass(frozen=True, slots=True)
class CompactionStarted:
    """So many table files are being merged into few."""

    files: int


@dataclass(frozen=True, slots=True)
class CompactionFailed:
    """The table files were not merged; what was archived, and the tables, are as good as before."""

    error: ArchiverError


Event: TypeAlias = (
    SessionStarted
    | BytesReceived
    | RunFinished
    | TablesWritten
    | CompactionStarted
    | CompactionFailed
)
Report: TypeAlias = Callable[[Event], None]
