"""A run, read from the API's answer to ``GET /v1/runs/{run_id}``.

Everything here is read from the *masked* document, so that a row written when a run is fetched and
one rebuilt from the archive years later are the same. Field names follow Skyvern's API reference
("Get run"); what has no attribute here stays in the document.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from archiver.errors import AnswerInvalid, ArchiveDamaged
from archiver.model.artifact import ArtifactKind, ArtifactSource, read_sources
from archiver.model.document import FieldReader, JsonObject, decode_json
from archiver.model.ids import RunId, seconds_between
from archiver.model.urls import MASK


@dataclass(frozen=True, slots=True)
class ChosenRun:
    """A run that is meant: its latest revision, and what the table ``runs`` says of it.

    ``path`` is the revision's folder in the archive. Times are UTC; what may be None is unknown.
    """

    run_id: str
    revision: int
    path: str
    run_type: str | None
    status: str
    is_final: bool
    is_settled: bool
    title: str | None
    failure_reason: str | None
    request_url: str | None
    created_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    fetched_at: datetime
    document_sha256: str
    removed: str | None


FINAL_STATUSES = frozenset({"completed", "failed", "terminated", "canceled", "timed_out"})
KNOWN_STATUSES = FINAL_STATUSES | {"created", "queued", "running", "paused"}
"""Those that Skyvern has today; others are kept all the same."""
_TIMES = ("created_at", "queued_at", "started_at", "finished_at", "modified_at")


class RunErrorEntry(msgspec.Struct, frozen=True):
    """One entry of a run's ``errors``; ``error`` is the whole entry as JSON text."""

    ordinal: int
    error_code: str | None
    reasoning: str | None
    confidence: float | None
    error: str


class Request(msgspec.Struct, frozen=True):
    """What was asked of Skyvern. Attributes are named as the columns of the table ``runs``."""

    request_prompt: str | None
    request_url: str | None
    request_engine: str | None
    request_proxy_location: str | None
    request_max_steps: int | None
    request_webhook_url: str | None
    request_totp_identifier: str | None
    request_totp_url: str | None
    request_browser_address: str | None
    request_run_with: str | None
    request_publish_workflow: bool | None
    request_include_action_history_in_verification: bool | None
    request_data_extraction_schema: str | None
    request_error_code_mapping: str | None
    request_model: str | None
    request_extra_http_headers: str | None
    request_max_screenshot_scrolls: int | None
    request_browser_session_id: str | None
    workflow_id: str | None
    request_parameters: str | None
    request_metadata: str | None


class Run(msgspec.Struct, frozen=True):
    """One run. Attributes are named as the columns of the table ``runs``; times are UTC."""

    run_id: RunId
    run_type: str | None
    status: str
    title: str | None
    failure_reason: str | None
    errors: tuple[RunErrorEntry, ...]
    created_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    modified_at: datetime | None
    step_count: int | None
    app_url: str | None
    browser_session_id: str | None
    browser_profile_id: str | None
    max_screenshot_scrolls: int | None
    ai_fallback_triggered: bool | None
    script_id: str | None
    run_with: str | None
    attempt: int | None
    attempts: str | None
    recording_archived: bool | None
    downloaded_file_count: int
    screenshot_count: int
    has_recording: bool
    output: str | None
    request: Request
    problems: tuple[str, ...]

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def error_codes(self) -> list[str]:
        return list(dict.fromkeys(e.error_code for e in self.errors if e.error_code is not None))

    @property
    def queue_seconds(self) -> float | None:
        return seconds_between(self.queued_at or self.created_at, self.started_at)

    @property
    def run_seconds(self) -> float | None:
        return seconds_between(self.started_at, self.finished_at)

    @property
    def total_seconds(self) -> float | None:
        return seconds_between(self.created_at, self.finished_at)

    def is_settled(
        self, now: datetime, settle: timedelta, seen_final: datetime | None = None
    ) -> bool:
        """Whether the service will not replace the run's artifacts any more.

        A final run is settled ``settle`` after it finished (or, without that time, was modified,
        or created), or was first ``seen_final``: the service's clock may be ahead. One that has no
        time at all cannot become older, and is taken as settled.
        """
        if not self.is_final:
            return False
        ended = self.finished_at or self.modified_at or self.created_at
        moments = [moment for moment in (ended, seen_final) if moment is not None]
        return not settle or ended is None or min(moments) <= now - settle


def read_run(document: JsonObject) -> Run:
    """The run of a masked document. Raises AnswerInvalid when it has no run id or no status."""
    return _read(document)[0]


def _read(
    document: JsonObject, signed: FieldReader | None = None
) -> tuple[Run, tuple[ArtifactSource, ...]]:
    problems: list[str] = []
    read = FieldReader(document, problems)
    try:
        run_id = RunId(read.text("run_id") or "")
    except ValueError:
        raise AnswerInvalid("the API's answer has no run id") from None
    status = read.text("status")
    if not status:
        raise AnswerInvalid(f"the API's answer for {run_id} has no status")
    times = {name: read.timestamp(name) for name in _TIMES}
    _check_order(times, read)
    asked = read.object("run_request")
    request = _read_request(asked)
    errors = _read_errors(read)
    sources = read_sources(read, signed)
    run = Run(
        run_id=run_id,
        run_type=read.text("run_type"),
        status=status,
        title=read.text("title") or asked.text("title"),
        failure_reason=read.text("failure_reason"),
        errors=errors,
        **times,
        step_count=read.integer("step_count"),
        app_url=read.text("app_url"),
        browser_session_id=read.text("browser_session_id"),
        browser_profile_id=read.text("browser_profile_id"),
        max_screenshot_scrolls=read.integer("max_screenshot_scrolls"),
        ai_fallback_triggered=read.object("script_run").boolean("ai_fallback_triggered"),
        script_id=read.text("script_id"),
        run_with=read.text("run_with"),
        attempt=read.integer("attempt"),
        attempts=read.json("attempts"),
        recording_archived=read.boolean("recording_archived"),
        downloaded_file_count=len(read.entries("downloaded_files")),
        screenshot_count=len(read.entries("screenshot_urls")),
        has_recording=any(s.kind is ArtifactKind.RECORDING and not s.archived for s in sources[:1]),
        output=read.json("output"),
        request=request,
        problems=tuple(dict.fromkeys(problems)),
    )
    return run, sources


def read_document(document: str, where: str) -> Run:
    """The run of a document that the archive holds. Raises ArchiveDamaged when it is none."""
    try:
        value = decode_json(document.encode())
        if isinstance(value, dict):
            return read_run(value)
    except (ValueError, AnswerInvalid) as error:
        raise ArchiveDamaged(f"{where} is not the document of a run: {error}") from None
    raise ArchiveDamaged(f"{where} is not the document of a run: it is no JSON object")


def _check_order(times: dict[str, datetime | None], read: FieldReader) -> None:
    for earlier, later in (
        ("created_at", "queued_at"),
        ("queued_at", "started_at"),
        ("created_at", "started_at"),
        ("started_at", "finished_at"),
        ("created_at", "finished_at"),
    ):
        start, end = times[earlier], times[later]
        if start is not None and end is not None and end < start:
            read.note(later, f"before {earlier}")


def _read_request(read: FieldReader) -> Request:
    return Request(
        request_prompt=read.text("prompt"),
        request_url=read.text("url"),
        request_engine=read.text("engine"),
        request_proxy_location=read.text_or_json("proxy_location"),
        request_max_steps=read.integer("max_steps"),
        request_webhook_url=read.text("webhook_url"),
        request_totp_identifier=read.text("totp_identifier"),
        request_totp_url=read.text("totp_url"),
        request_browser_address=read.text("browser_address"),
        request_run_with=read.text("run_with"),
        request_publish_workflow=read.boolean("publish_workflow"),
        request_include_action_history_in_verification=read.boolean(
            "include_action_history_in_verification"
        ),
        request_data_extraction_schema=read.json("data_extraction_schema"),
        request_error_code_mapping=read.json("error_code_mapping"),
        request_model=read.json("model"),
        request_extra_http_headers=read.json("extra_http_headers"),
        request_max_screenshot_scrolls=read.integer("max_screenshot_scrolls"),
        request_browser_session_id=read.text("browser_session_id"),
        workflow_id=read.text("workflow_id"),
        request_parameters=read.json("parameters"),
        request_metadata=read.json("run_metadata"),
    )


def _read_errors(read: FieldReader) -> tuple[RunErrorEntry, ...]:
    entries = []
    for ordinal, value in enumerate(read.entries("errors"), start=1):
        if isinstance(value, dict):
            entry = FieldReader(value, read.problems, f"errors[{ordinal - 1}]")
        else:
            if value != MASK:
                read.note(f"errors[{ordinal - 1}]", "expected an object")
            entry = FieldReader({}, [])
        entries.append(
            RunErrorEntry(
                ordinal,
                entry.text("error_code"),
                entry.text("reasoning"),
                entry.number("confidence_float"),
                read.json_of(f"errors[{ordinal - 1}]", value),
            )
        )
    return tuple(entries)
