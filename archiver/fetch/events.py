"""What happens during a session, as values: whoever shows progress gets them as they happen."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from archiver.errors import ArchiverError, ExitCode, StampRefused
from archiver.model.artifact import ArtifactState
from archiver.model.ids import Sha256
from archiver.model.rows import Outcome


@dataclass(frozen=True, slots=True)
class Problem:
    """A run, or one of its artifacts, that could not be had."""

    run_id: str
    kind: str | None
    ordinal: int | None
    reason: str


@dataclass(slots=True)
class Summary:
    """Counts of a session. ``asked`` are distinct ids; ``held`` those not asked for again."""

    session: str
    asked: int
    held: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    artifacts: Counter[ArtifactState] = field(default_factory=Counter)
    bytes_downloaded: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    interrupted: bool = False
    parts: int = 0
    parts_bytes: int = 0
    """Files of which a beginning is kept, to be gone on with, and its bytes."""
    accepted: int = 0
    """Of those held, the runs whose gaps somebody accepted."""
    redacted: int | None = None
    """Places masked by the user's wish; None where nothing was to be masked."""
    head: Sha256 | None = None
    """The digest of the session's record: whoever notes it can tell later what changed before."""
    unstamped: StampRefused | None = None
    """Why the record has no time stamp although one was wanted."""
    stopped_by: ArchiverError | None = None
    """The error that ended the batch before all ids were dealt with."""

    @property
    def exit_code(self) -> ExitCode:
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.INCOMPLETE if self.problems or self.unstamped else ExitCode.OK

    @property
    def has_nothing(self) -> bool:
        """Whether runs were asked for, and none of them could be had."""
        without = self.outcomes[Outcome.NOT_FOUND] + self.outcomes[Outcome.FAILED]
        return without == self.asked > 0

    @property
    def not_dealt_with(self) -> int:
        """How many ids nothing came of, because the session ended before."""
        return self.asked - self.held - self.outcomes.total()

    def run_counts(self) -> dict[str, int]:
        counts = {"asked": self.asked}
        counts.update({outcome.value: self.outcomes[outcome] for outcome in Outcome})
        counts[Outcome.UNCHANGED] += self.held
        return counts

    def to_json(self) -> dict[str, object]:
        """The document of ``archiver fetch --json`` (schemas/fetch-summary.schema.json)."""
        return {
            "session": self.session,
            "head": self.head,
            "runs": self.run_counts(),
            "artifacts": {state.value: self.artifacts[state] for state in ArtifactState},
            "bytes": {"downloaded": self.bytes_downloaded},
            "redacted": self.redacted,
            "accepted": self.accepted,
            "seconds": round(self.seconds, 3),
            "problems": [
                {"run_id": p.run_id, "kind": p.kind, "ordinal": p.ordinal, "reason": p.reason}
                for p in self.problems
            ],
        }


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
class FileProgress:
    """A large file is under way: ``size`` bytes of ``total``, which is None where storage does not
    say it. ``is_over``: it is not any more, whatever came of it."""

    run_id: str
    kind: str
    ordinal: int
    size: int = 0
    total: int | None = None
    is_over: bool = False

    @property
    def name(self) -> str:
        return f"{self.run_id} {self.kind} {self.ordinal}"


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
    | FileProgress
    | RunFinished
    | TablesWritten
    | CompactionStarted
    | CompactionFailed
)
EventSink: TypeAlias = Callable[[Event], None]
