"""Reports: which there are, of which runs they tell, and by what they group."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from archiver.errors import UsageError


class By(StrEnum):
    """What rows of a report are grouped by. Days, weeks (from Monday) and months are UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    RUN_TYPE = "run_type"
    ENGINE = "engine"
    WORKFLOW = "workflow"
    STATUS = "status"
    REASON = "reason"

    @property
    def is_time(self) -> bool:
        return self in TIMES


TIMES = (By.DAY, By.WEEK, By.MONTH)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which runs a report tells of: created from ``since`` on and before ``until`` (both UTC).

    Of several values of one kind any will do; none means all. Raises UsageError where no run
    can be meant.
    """

    since: datetime | None = None
    until: datetime | None = None
    run_types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.since and self.until and self.since >= self.until:
            raise UsageError(
                f"no run was created from {self.since} on and before {self.until}",
                hint="Give a --since that lies before --until",
            )

    @property
    def names_runs(self) -> bool:
        """Whether runs are chosen by what they are, and not only by when they were created."""
        return bool(self.run_types or self.statuses or self.workflows)


@dataclass(frozen=True, slots=True)
class ReportKind:
    """A report: the question it answers, what its tables say, by what it can group.

    The first table is the report's own; programs that can take only one get that.
    """

    name: str
    question: str
    tables: tuple[tuple[str, str], ...]
    """Names and titles."""
    groups: tuple[By, ...] = tuple(By)
    default: By | None = None


OVERVIEW = ReportKind(
    "overview",
    "How many runs are there, how did they end, and is everything held?",
    (("overview", "Runs by how they ended"), ("total", "All together")),
)
DURATIONS = ReportKind(
    "durations",
    "How long do runs wait and take?",
    (("durations", "Seconds of final runs"), ("total", "All together")),
    default=By.RUN_TYPE,
)
FAILURES = ReportKind(
    "failures",
    "How many runs fail, why, and since when?",
    (("failures", "Runs that are final and not completed"), ("total", "All together")),
    default=By.REASON,
)
TRENDS = ReportKind(
    "trends",
    "Is it getting worse, and where?",
    (
        ("days", "Day by day"),
        ("failing", "Failure rates of the last 7 days against the 28 before"),
        ("slower", "95th percentiles of the last 7 days against the 28 before"),
    ),
    groups=tuple(by for by in By if by not in (By.WEEK, By.MONTH)),
)
FLAKY = ReportKind(
    "flaky",
    "What ends now well, now badly, though it is the same workflow, or prompt and URL?",
    (("flaky", "Same work, both outcomes"),),
    groups=tuple(by for by in By if by not in (By.STATUS, By.REASON)),
)
ARTIFACTS = ReportKind(
    "artifacts",
    "What is held of recordings, screenshots and downloads, and what is missing?",
    (("artifacts", "Artifacts by kind and state"), ("gaps", "Artifacts that failed or mismatch")),
)
SESSIONS = ReportKind(
    "sessions",
    "What did each session of fetch ask for, and what came of it?",
    (("sessions", "Sessions of fetch"),),
    groups=TIMES,
)


@dataclass(frozen=True, slots=True)
class AskedReport:
    """A report as it was asked for. Raises UsageError where it cannot group or choose so."""

    report: ReportKind
    filters: Filters = field(default_factory=Filters)
    by: By | None = None

    @property
    def grouped_by(self) -> By | None:
        """What it is grouped by: as was asked, else as the report says."""
        return self.by or self.report.default

    def __post_init__(self) -> None:
        name = self.report.name
        if self.by is not None and self.by not in self.report.groups:
            raise UsageError(
                f"the report {name} cannot be grouped by {self.by}",
                hint=f"It can by {', '.join(self.report.groups)}",
            )
        if self.report is SESSIONS and self.filters.names_runs:
            raise UsageError(
                f"the report {name} is not about single runs",
                hint="Choose sessions by --since and --until",
            )


REPORTS = {
    report.name: report
    for report in (OVERVIEW, DURATIONS, FAILURES, TRENDS, FLAKY, ARTIFACTS, SESSIONS)
}
