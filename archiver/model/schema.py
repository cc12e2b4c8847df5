"""The tables: names, columns, types, units and meaning. The contract with whoever queries.

A released version is frozen: a nullable column may be added at the end, anything else is a new
version. ``schemas/tables/`` holds the same as files, held equal by a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """Types of columns; timestamps are microseconds in UTC, ``json`` is text that holds JSON."""

    TEXT = "text"
    JSON = "json"
    INTEGER = "int64"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp[us, UTC]"
    DATE = "date"
    TEXT_LIST = "list<text>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``unit`` is given where a number has one."""

    name: str
    type: ColumnType
    meaning: str
    unit: str | None = None
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, its columns in order, by what it is sorted, rows per row group.

    ``partition`` names what happened in the UTC month that its files are partitioned by. A log
    (``is_log``) has rows of its own; the other tables are a projection of the manifests.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    sorted_by: tuple[str, ...]
    row_group_size: int = 122_880
    partition: str = "fetched"
    is_log: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


_T = ColumnType


def _required(name: str, kind: ColumnType, meaning: str, unit: str | None = None) -> Column:
    return Column(name, kind, meaning, unit, nullable=False)


_RUN_KEY = (
    _required("run_id", _T.TEXT, "The run: tsk_…, tsk_v2_… or wr_…"),
    _required("revision", _T.INTEGER, "Number of the committed state of the run, from 1"),
)
_SESSION = _required("session", _T.TEXT, "The execution of fetch that committed it; sorts by time")
_FETCHED_AT = _required("fetched_at", _T.TIMESTAMP, "When the API's answer was received")

RUNS = Table(
    "runs",
    "one revision of a run",
    (
        *_RUN_KEY,
        Column("run_type", _T.TEXT, "task_v1, task_v2, …, workflow_run, as the API says"),
        _required("status", _T.TEXT, "completed, failed, …, as the API says; unknown ones kept"),
        _required("is_final", _T.BOOLEAN, "The status will not change any more"),
        _required("is_settled", _T.BOOLEAN, "Final, and finished long enough before fetched_at"),
        _required("is_complete", _T.BOOLEAN, "Settled, and no artifact failed or mismatched"),
        Column("title", _T.TEXT, "Title of the run or of its request"),
        Column("failure_reason", _T.TEXT, "Why the run failed, as the API says"),
        _required("error_codes", _T.TEXT_LIST, "Codes of the run's errors, each once, in order"),
        Column("created_at", _T.TIMESTAMP, "When the run was created"),
        Column("queued_at", _T.TIMESTAMP, "When the run was queued"),
        Column("started_at", _T.TIMESTAMP, "When the run started"),
        Column("finished_at", _T.TIMESTAMP, "When the run ended"),
        Column("modified_at", _T.TIMESTAMP, "When the service last changed the run"),
        Column("queue_seconds", _T.DOUBLE, "queued_at (or created_at) to started_at", "seconds"),
        Column("run_seconds", _T.DOUBLE, "started_at to finished_at", "seconds"),
        Column("total_seconds", _T.DOUBLE, "created_at to finished_at", "seconds"),
        Column("step_count", _T.INTEGER, "Steps that were executed"),
        Column("app_url", _T.TEXT, "Where the run is shown in Skyvern's own application"),
        Column("browser_session_id", _T.TEXT, "The persistent browser session that was used"),
        Column("browser_profile_id", _T.TEXT, "The browser profile that was used"),
        Column("max_screenshot_scrolls", _T.INTEGER, "Most scrolls for a screenshot"),
        Column("ai_fallback_triggered", _T.BOOLEAN, "A cached script gave up and the AI took over"),
        Column("script_id", _T.TEXT, "The cached script of a workflow run"),
        Column("run_with", _T.TEXT, "agent or code"),
        Column("attempt", _T.INTEGER, "Number of the workflow run's current attempt, from 1"),
        Column("attempts", _T.JSON, "The workflow run's attempts"),
        Column("recording_archived", _T.BOOLEAN, "The service moved the recording to cold storage"),
        _required("downloaded_file_count", _T.INTEGER, "Entries of downloaded_files"),
        _required("screenshot_count", _T.INTEGER, "Entries of screenshot_urls"),
        _required("has_recording", _T.BOOLEAN, "The answer has a recording_url"),
        Column("request_prompt", _T.TEXT, "Request: the prompt"),
        Column("request_url", _T.TEXT, "Request: where the run started"),
        Column("request_engine", _T.TEXT, "Request: the engine"),
        Column("request_proxy_location", _T.TEXT, "Request: proxy location (an object as JSON)"),
        Column("request_max_steps", _T.INTEGER, "Request: most steps"),
        Column("request_webhook_url", _T.TEXT, "Request: webhook, secrets masked"),
        Column("request_totp_identifier", _T.TEXT, "Request: identifier for one-time codes"),
        Column("request_totp_url", _T.TEXT, "Request: where one-time codes are had, masked"),
        Column("request_browser_address", _T.TEXT, "Request: address of the browser, masked"),
        Column("request_run_with", _T.TEXT, "Request: agent or code"),
        Column("request_publish_workflow", _T.BOOLEAN, "Request: publish the run as a workflow"),
        Column(
            "request_include_action_history_in_verification",
            _T.BOOLEAN,
            "Request: show the verifier what was done",
        ),
        Column("request_data_extraction_schema", _T.JSON, "Request: schema of the output"),
        Column("request_error_code_mapping", _T.JSON, "Request: error codes and their meaning"),
        Column("request_model", _T.JSON, "Request: the model"),
        Column("request_extra_http_headers", _T.JSON, "Request: headers, values masked"),
        Column("request_max_screenshot_scrolls", _T.INTEGER, "Request: most scrolls"),
        Column("request_browser_session_id", _T.TEXT, "Request: browser session to use"),
        Column("workflow_id", _T.TEXT, "Request: the workflow of a workflow run"),
        Column("request_parameters", _T.JSON, "Request: parameters of the workflow run"),
        Column("request_metadata", _T.JSON, "Request: run_metadata, as the caller gave it"),
        _required("problems", _T.TEXT_LIST, "What could not be read in the answer, and where"),
        _SESSION,
        _FETCHED_AT,
        _required("document_sha256", _T.TEXT, "SHA-256 of the answer's bytes as received"),
        _required("path", _T.TEXT, "The revision's folder in the archive"),
        Column("redacted", _T.INTEGER, "Places masked by --redact and --redact-path, if any given"),
        Column("removed", _T.TEXT, "pruned or erased, where all of the run was removed"),
    ),
    sorted_by=("run_id", "revision"),
)

DOCUMENTS = Table(
    "documents",
    "one revision of a run",
    (
        *_RUN_KEY,
        Column("output", _T.JSON, "The run's output"),
        _required("document", _T.JSON, "The whole answer, secrets masked and signatures cut off"),
        _SESSION,
        _FETCHED_AT,
    ),
    sorted_by=("run_id", "revision"),
    row_group_size=1_024,
)

ARTIFACTS = Table(
    "artifacts",
    "one artifact of a revision",
    (
        *_RUN_KEY,
        _required("kind", _T.TEXT, "recording, screenshot or download"),
        _required("ordinal", _T.INTEGER, "Number within the kind, from 1; screenshot 1 is latest"),
        _required("state", _T.TEXT, "verified, unverified, mismatch, gone, failed or excluded"),
        Column("filename", _T.TEXT, "The name that the server gave"),
        Column("path", _T.TEXT, "The file in the archive, where its bytes are held"),
        Column("size", _T.INTEGER, "Size of what was received", "bytes"),
        Column("sha256", _T.TEXT, "SHA-256 of what was received"),
        Column("expected_sha256", _T.TEXT, "SHA-256 that the API gave"),
        Column("expected_size", _T.INTEGER, "Size that the API gave", "bytes"),
        Column("media_type", _T.TEXT, "Media type by what the bytes are"),
        Column("served_type", _T.TEXT, "Media type by the server's header"),
        Column("modified_at", _T.TIMESTAMP, "When the file was last changed, as the API says"),
        Column("url", _T.TEXT, "Where it was offered, without query"),
        Column("artifact_id", _T.TEXT, "The service's id of the artifact"),
        _required("attempts", _T.INTEGER, "How often it was tried in the session that settled it"),
        Column("reason", _T.TEXT, "Why it is not held, or what is odd about it"),
        Column("fetched_at", _T.TIMESTAMP, "When it was fetched or tried"),
        _SESSION,
        Column("pruned_at", _T.TIMESTAMP, "When a rule of prune removed the bytes that were held"),
    ),
    sorted_by=("run_id", "revision", "kind", "ordinal"),
)

ERRORS = Table(
    "errors",
    "one entry of a run's errors",
    (
        *_RUN_KEY,
        _required("ordinal", _T.INTEGER, "Position in the run's errors, from 1"),
        Column("error_code", _T.TEXT, "The code"),
        Column("reasoning", _T.TEXT, "The reasoning"),
        Column("confidence", _T.DOUBLE, "Confidence from 0 to 1 (confidence_float)"),
        _required("error", _T.JSON, "The whole entry"),
    ),
    sorted_by=("run_id", "revision", "ordinal"),
)

FETCHES = Table(
    "fetches",
    "one id that the API was asked for in a session",
    (
        _required("session", _T.TEXT, "The execution of fetch; sorts by time"),
        _required("asked_id", _T.TEXT, "The id that was asked for"),
        Column("run_id", _T.TEXT, "The run that answered; differs for the wr_… id of a tsk_v2_…"),
        _required("outcome", _T.TEXT, "fetched, unchanged, unfinished, not_found or failed"),
        Column("http_status", _T.INTEGER, "The API's last HTTP status"),
        Column("reason", _T.TEXT, "Why it could not be had"),
        _required("requests", _T.INTEGER, "Requests made, to the API and to storage"),
        _required("retries", _T.INTEGER, "Requests that were repetitions"),
        _required("bytes", _T.INTEGER, "Artifact bytes received", "bytes"),
        _required("seconds", _T.DOUBLE, "Time from asking to the commit", "seconds"),
        _required("at", _T.TIMESTAMP, "When the API was asked"),
    ),
    sorted_by=("asked_id", "session"),
    is_log=True,
)

CHECKS = Table(
    "checks",
    "one revision that an execution of verify looked at",
    (
        *_RUN_KEY,
        _required("path", _T.TEXT, "The revision's folder in the archive"),
        _required("session", _T.TEXT, "When the check began; the same where it was resumed"),
        _required("checked_at", _T.TIMESTAMP, "When the revision was looked at"),
        _required("depth", _T.TEXT, "bytes (all were read), rows (all but artifacts) or names"),
        _required("outcome", _T.TEXT, "intact or damaged"),
        _required("files", _T.INTEGER, "Files that the revision consists of"),
        _required("bytes", _T.INTEGER, "Bytes that were read of them", "bytes"),
        _required("findings", _T.TEXT_LIST, "What is not as it was stored"),
    ),
    sorted_by=("run_id", "revision", "session"),
    partition="checked",
    is_log=True,
)

TABLES = (RUNS, DOCUMENTS, ARTIFACTS, ERRORS, FETCHES, CHECKS)


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name, what a row of it is, its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]


ALL_REVISIONS = {
    RUNS: "run_revisions",
    DOCUMENTS: "document_revisions",
    ARTIFACTS: "artifact_revisions",
    ERRORS: "error_revisions",
    FETCHES: "fetches",
    CHECKS: "checks",
}
"""The view that has all rows of each table."""

_RUN_COLUMNS = {column.name: column for column in RUNS.columns}


def _of_runs(*names: str) -> tuple[Column, ...]:
    return tuple(_RUN_COLUMNS[name] for name in names)


_WHY_NULL = "Why {} is null: missing (a time is not there) or backwards (the clock ran so)"

FAILURES = View(
    "failures",
    "one run whose latest revision is final and not completed",
    (
        *_of_runs("run_id", "revision", "run_type", "status"),
        Column(
            "reason",
            _T.TEXT,
            "failure_reason with URLs, quoted texts, addresses, times, ids and numbers replaced by "
            "<url>, <text>, <email>, <time>, <id> and <number>, so that equal causes are equal; "
            "null where it says nothing",
        ),
        *_of_runs(
            "failure_reason",
            "error_codes",
            "created_at",
            "finished_at",
            "run_seconds",
            "workflow_id",
            "request_engine",
            "request_url",
        ),
    ),
)
DURATIONS = View(
    "durations",
    "one run whose latest revision is final",
    (
        *_of_runs("run_id", "revision", "run_type", "status", "created_at", "queued_at"),
        *_of_runs("started_at", "finished_at", "queue_seconds", "run_seconds", "total_seconds"),
        Column("queue_gap", _T.TEXT, _WHY_NULL.format("queue_seconds")),
        Column("run_gap", _T.TEXT, _WHY_NULL.format("run_seconds")),
        Column("total_gap", _T.TEXT, _WHY_NULL.format("total_seconds")),
        *_of_runs("workflow_id", "request_engine"),
    ),
)
DAILY = View(
    "daily",
    "the runs of one type that were created on one UTC day",
    (
        Column("day", _T.DATE, "The UTC day of created_at"),
        *_of_runs("run_type"),
        Column("runs", _T.INTEGER, "Runs, by their latest revision", nullable=False),
        Column("completed", _T.INTEGER, "Runs that completed", nullable=False),
        Column("failed", _T.INTEGER, "Runs that failed", nullable=False),
        Column("terminated", _T.INTEGER, "Runs that were terminated", nullable=False),
        Column("timed_out", _T.INTEGER, "Runs that timed out", nullable=False),
        Column("canceled", _T.INTEGER, "Runs that were canceled", nullable=False),
        Column("unfinished", _T.INTEGER, "Runs that are not final", nullable=False),
        Column("failure_rate", _T.DOUBLE, "Share of the final runs that did not complete"),
        Column("p50_run_seconds", _T.DOUBLE, "Median of run_seconds of the final runs", "seconds"),
        Column("p95_run_seconds", _T.DOUBLE, "95th percentile of the same", "seconds"),
        Column("p99_run_seconds", _T.DOUBLE, "99th percentile of the same", "seconds"),
    ),
)
DERIVED = (FAILURES, DURATIONS, DAILY)


def _of_tables() -> Sequence[View]:
    latest = [View(t.name, _latest(t), t.columns) for t in TABLES if not t.is_log]
    return [*latest, *(View(ALL_REVISIONS[t], t.row, t.columns) for t in TABLES)]


def _latest(table: Table) -> str:
    return "the latest revision of a run" if "one revision" in table.row else f"{table.row}, latest"


VIEWS = (*_of_tables(), *DERIVED)
"""All views that a query finds."""
