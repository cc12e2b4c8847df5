"""How a run looks through the API: a short story becomes the answer of ``GET /v1/runs/{id}``.

The answer is a document of plain JSON values, except that an `ArtifactUrl` stands wherever the API
puts a signed URL: URLs are minted anew with every answer, so only the server can fill them in.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Document: TypeAlias = dict[str, object]

_HOUR = 3600
_FINAL = frozenset({"completed", "failed", "terminated", "canceled", "timed_out"})
_ENGINES = {"task_v1": "skyvern-1.0", "task_v2": "skyvern-2.0", "openai_cua": "openai-cua"}
_BLOCK = "download_files"


@dataclass(frozen=True, slots=True)
class ArtifactUrl:
    """Stands in a document where the API puts the signed URL of this artifact."""

    artifact_id: str


@dataclass(frozen=True, slots=True)
class DemoArtifact:
    """The bytes behind one artifact and how they are served.

    ``filename`` is None for recordings and screenshots. A signed URL is good for ``url_seconds``.
    """

    artifact_id: str
    data: bytes
    media_type: str
    filename: str | None
    url_seconds: int


@dataclass(frozen=True, slots=True)
class DemoRun:
    """One run: the API's answer, with `ArtifactUrl` for every URL, and the artifacts it names."""

    run_id: str
    document: Document
    artifacts: tuple[DemoArtifact, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened in a run, without what follows from it.

    ``created`` is when it was asked for, with a time zone; ``started`` and ``finished`` are seconds
    after it, None where it has not come to that. ``recording`` is WebM, ``screenshots`` are PNG,
    the latest first, ``downloads`` pairs of file name and bytes. ``request`` sets fields of
    ``run_request``. A workflow run with a ``first_failure`` (error code, reason) took two attempts.
    """

    run_id: str
    run_type: str
    status: str
    created: datetime
    started: float | None
    finished: float | None
    steps: int | None = None
    recording: bytes | None = None
    recording_archived: bool = False
    screenshots: tuple[bytes, ...] = ()
    downloads: tuple[tuple[str, bytes], ...] = ()
    output: Document | None = None
    failure_reason: str | None = None
    errors: tuple[Document, ...] = ()
    request: Document = field(default_factory=dict)
    first_failure: tuple[str, str] | None = None


def tell(story: Story) -> DemoRun:
    """Make the run of a story.

    The digits at the end of its id number the artifacts too, so ids must lie well apart. Raises
    ValueError if the id does not end in digits.
    """
    number = int(story.run_id.rpartition("_")[2])
    recordings = [] if story.recording is None else [story.recording]
    pieces: list[tuple[bytes, str, str | None, int]] = [
        *((data, "video/webm", None, _HOUR) for data in recordings),
        *((data, "image/png", None, _HOUR) for data in story.screenshots),
        *((data, "application/octet-stream", name, 12 * _HOUR) for name, data in story.downloads),
    ]
    artifacts = tuple(
        DemoArtifact(f"a_{number + 2 * place}", data, media_type, name, seconds)
        for place, (data, media_type, name, seconds) in enumerate(pieces, 1)
    )
    return DemoRun(story.run_id, _document(story, number, artifacts), artifacts)


def _document(story: Story, number: int, artifacts: tuple[DemoArtifact, ...]) -> Document:
    final = story.status in _FINAL
    videos = [ArtifactUrl(a.artifact_id) for a in artifacts if a.media_type == "video/webm"]
    pictures = [ArtifactUrl(a.artifact_id) for a in artifacts if a.media_type == "image/png"]
    files = [_file(story, a) for a in artifacts if a.filename is not None]
    workflow = story.run_type == "workflow_run"
    output: object = story.output
    if workflow and story.output is not None:
        output = _workflow_output(story, number, pictures, files)
    times = [story.created, _after(story, story.started), _after(story, story.finished)]
    page = f"runs/{story.run_id}" if workflow else f"tasks/{story.run_id}"
    if story.run_type == "task_v2":  # behind it stands a workflow run, and the page is that one's
        page = f"runs/wr_{number + 1}"
    return {
        "run_id": story.run_id,
        "status": story.status,
        "output": output,
        "downloaded_files": files if final else None,
        "recording_url": videos[0] if videos else None,
        "recording_archived": story.recording_archived,
        "screenshot_urls": pictures or None,
        "failure_reason": story.failure_reason,
        "created_at": _text(story.created),
        "modified_at": _text(max(time for time in times if time is not None)),
        "queued_at": _text(story.created + timedelta(seconds=0.25)),
        "started_at": _text(_after(story, story.started)),
        "finished_at": _text(_after(story, story.finished)),
        "app_url": f"https://app.example.com/{page}",
        "browser_session_id": None,
        "browser_profile_id": None,
        "max_screenshot_scrolls": None,
        "script_run": None,
        "errors": list(story.errors) if final else None,
        "step_count": story.steps,
        "run_type": story.run_type,
        **(_attempts(story) if workflow else {}),
        "run_request": _workflow_request(story, number) if workflow else _task_request(story),
    }


def _file(story: Story, artifact: DemoArtifact) -> Document:
    return {
        "url": ArtifactUrl(artifact.artifact_id),
        "checksum": hashlib.sha256(artifact.data).hexdigest(),
        "filename": artifact.filename,
        "file_size": len(artifact.data),
        "modified_at": _text(_after(story, story.finished)),
        "artifact_id": artifact.artifact_id,
    }


def _workflow_output(
    story: Story, number: int, pictures: list[ArtifactUrl], files: list[Document]
) -> Document:
    """A workflow's output repeats files and screenshots inside each block, signed URLs included."""
    ids = [picture.artifact_id for picture in pictures]
    block: Document = {
        "task_id": f"tsk_{number + 1}",
        "status": story.status,
        "extracted_information": story.output,
        "failure_reason": story.failure_reason,
        "errors": list(story.errors),
        "failure_category": None,
        "downloaded_files": files,
        "downloaded_file_urls": [file["url"] for file in files],
        "downloaded_file_artifact_ids": [file["artifact_id"] for file in files],
        "task_screenshots": pictures,
        "workflow_screenshots": pictures,
        "task_screenshot_artifact_ids": ids,
        "workflow_screenshot_artifact_ids": ids,
    }
    return {f"{_BLOCK}_output": block, "extracted_information": [story.output]}


def _attempts(story: Story) -> Document:
    """The fields that only workflow runs have."""
    started, finished = _after(story, story.started), _after(story, story.finished)
    attempts: list[Document] = []
    if story.first_failure is not None and started is not None and finished is not None:
        code, reason = story.first_failure
        middle = started + (finished - started) / 2
        first = _attempt(1, "failed", started, middle)
        first |= {"failure_reason": reason, "error_codes": [code], "retry_decision": "retry"}
        attempts.append(first | {"next_attempt_at": _text(middle)})
        started = middle
    if started is not None:
        last = _attempt(len(attempts) + 1, story.status, started, finished)
        last |= {"failure_reason": story.failure_reason}
        last |= {"error_codes": [error["error_code"] for error in story.errors]}
        if attempts:
            last |= {"retry_decision": "final", "decision_reason": story.status}
        attempts.append(last)
    return {
        "attempt": max(1, len(attempts)),
        "retry_pending": False,
        "next_attempt_at": None,
        "attempts": attempts,
        "run_with": "agent",
        "ai_fallback": None,
        "script_id": None,
        "browser_seed_source": "fresh",
        "browser_settings_receipt": None,
    }


def _attempt(number: int, status: str, started: datetime, finished: datetime | None) -> Document:
    return {
        "attempt_number": number,
        "status": status,
        "failure_reason": None,
        "error_codes": [],
        "started_at": _text(started),
        "finished_at": _text(finished),
        "retry_decision": None,
        "decision_reason": None,
        "next_attempt_at": None,
        "webhook_sent_at": None,
    }


def _task_request(story: Story) -> Document:
    unset = (
        "url title proxy_location data_extraction_schema error_code_mapping max_steps webhook_url"
        " totp_identifier totp_url browser_session_id browser_profile_id model extra_http_headers"
        " cdp_connect_headers max_screenshot_scrolls browser_address run_with file_ids"
    )
    return {
        "prompt": None,
        "engine": _ENGINES[story.run_type],
        "start_fresh_browser": False,
        "publish_workflow": False,
        "include_action_history_in_verification": False,
        **_nulls(unset),
        **story.request,
    }


def _workflow_request(story: Story, number: int) -> Document:
    unset = (
        "title proxy_location webhook_url totp_url totp_identifier browser_session_id"
        " reuse_browser_session browser_profile_id max_screenshot_scrolls max_elapsed_time_minutes"
        " extra_http_headers cdp_connect_headers browser_address ai_fallback run_with browser_type"
        " run_metadata file_ids"
    )
    return {
        "workflow_id": f"wpid_{number - 1}",
        "parameters": {},
        "start_fresh_browser": False,
        **_nulls(unset),
        **story.request,
    }


def _nulls(names: str) -> Mapping[str, None]:
    return dict.fromkeys(names.split())


def _after(story: Story, seconds: float | None) -> datetime | None:
    return None if seconds is None else story.created + timedelta(seconds=seconds)


def _text(time: datetime | None) -> str | None:
    """A time as the API writes it: UTC without saying so, the fraction only where there is one."""
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None).isoformat()
