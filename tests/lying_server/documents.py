"""Whole answers of the API, with every field that Skyvern sends, and artifacts to hang on them."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tests.lying_server.content import WEBM_HEAD, Blob, Content, Plain, digest

Kind = Literal["recording", "screenshot", "download"]
Document = dict[str, Any]

_FINAL = ("completed", "failed", "terminated", "canceled", "timed_out")
_NULL_IN_BOTH = (
    "proxy_location",
    "webhook_url",
    "totp_identifier",
    "totp_url",
    "browser_session_id",
    "browser_profile_id",
    "extra_http_headers",
    "cdp_connect_headers",
    "max_screenshot_scrolls",
    "browser_address",
    "run_with",
    "file_ids",
)
_NULL_IN_TASKS = (
    *("title", "data_extraction_schema", "error_code_mapping", "max_steps", "model"),
    *_NULL_IN_BOTH,
)
_NULL_IN_WORKFLOWS = (
    *("reuse_browser_session", "max_elapsed_time_minutes", "ai_fallback", "browser_type"),
    *("run_metadata", *_NULL_IN_BOTH),
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One thing that the server can hand out, with a link as it was when it was added."""

    id: str
    kind: Kind
    url: str
    filename: str
    media_type: str
    modified_at: str
    content: Content = field(repr=False)
    in_storage: bool = False

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def sha256(self) -> str:
        return digest(self.content)

    def entry(self, **changes: Any) -> Document:
        """Its entry of `downloaded_files`, with fields changed as asked."""
        return {
            "url": self.url,
            "checksum": self.sha256,
            "filename": self.filename,
            "file_size": self.size,
            "modified_at": self.modified_at,
            "artifact_id": self.id,
        } | changes


def task_run(
    run_id: str,
    status: str = "completed",
    *,
    run_type: str = "task_v1",
    now: datetime | None = None,
    recording: Artifact | str | None = None,
    screenshots: Sequence[Artifact | str] = (),
    downloads: Sequence[Artifact | Mapping[str, Any]] = (),
    request: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Document:
    """A task run's document, an hour old at `now`; `changes` replace fields of it."""
    run_request: Document = {
        "prompt": f"Download the invoices of {run_id} («goal»)",
        "url": "https://example.com/shop?q=%C3%BC&p=1",
        "engine": "skyvern-2.0" if run_type == "task_v2" else "skyvern-1.0",
        "start_fresh_browser": False,
        "publish_workflow": False,
        "include_action_history_in_verification": False,
        **dict.fromkeys(_NULL_IN_TASKS),
        **(request or {}),
    }
    shared = _shared(run_id, status, now, recording, screenshots, downloads)
    return {**shared, "run_type": run_type, "run_request": run_request, **changes}


def workflow_run(
    run_id: str,
    status: str = "completed",
    *,
    now: datetime | None = None,
    recording: Artifact | str | None = None,
    screenshots: Sequence[Artifact | str] = (),
    downloads: Sequence[Artifact | Mapping[str, Any]] = (),
    request: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Document:
    """A workflow run's document, an hour old at `now`; `changes` replace fields of it."""
    shared = _shared(run_id, status, now, recording, screenshots, downloads)
    attempt = {
        "attempt_number": 1,
        "status": status,
        "failure_reason": shared["failure_reason"],
        "error_codes": [],
        "started_at": shared["started_at"],
        "finished_at": shared["finished_at"],
        "retry_decision": None,
        "decision_reason": None,
        "next_attempt_at": None,
        "webhook_sent_at": None,
    }
    run_request: Document = {
        "workflow_id": "wpid_600323882295963120",
        "parameters": {"month": "2026-03"},
        "title": "Invoices of the month, facturés",
        "start_fresh_browser": False,
        **dict.fromkeys(_NULL_IN_WORKFLOWS),
        **(request or {}),
    }
    return {
        **shared,
        "run_type": "workflow_run",
        "attempt": 1,
        "retry_pending": False,
        "next_attempt_at": None,
        "attempts": [attempt],
        "run_with": "agent",
        "ai_fallback": None,
        "script_id": None,
        "browser_seed_source": "fresh",
        "browser_settings_receipt": None,
        "run_request": run_request,
        **changes,
    }


def webm(size: int = 4096, seed: int = 0) -> Blob:
    """Bytes that begin like a WebM."""
    return Blob(size, seed, WEBM_HEAD)


def png(shade: int = 0) -> Plain:
    """A real PNG of one grey pixel; another shade, other bytes."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + str(shade).encode()),
        (b"IDAT", zlib.compress(bytes([0, shade % 256]))),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return Plain(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def naive(moment: datetime) -> str:
    """A time as the API writes it: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def _shared(
    run_id: str,
    status: str,
    now: datetime | None,
    recording: Artifact | str | None,
    screenshots: Sequence[Artifact | str],
    downloads: Sequence[Artifact | Mapping[str, Any]],
) -> Document:
    finished = (now or datetime.now(UTC)) - timedelta(hours=1)
    started = finished - timedelta(seconds=90)
    created = started - timedelta(seconds=5)
    final = status in _FINAL
    waiting = status in ("created", "queued")
    page = "runs" if run_id.startswith("wr_") else "tasks"
    return {
        "run_id": run_id,
        "status": status,
        "output": {"count": 2, "big_int": 9007199254740993, "empty": {}} if final else None,
        "downloaded_files": [_entry(download) for download in downloads],
        "recording_url": _url(recording) if recording is not None else None,
        "recording_archived": False,
        # The API says null where there are none, never an empty list.
        "screenshot_urls": [_url(screenshot) for screenshot in screenshots] or None,
        "failure_reason": None if status == "completed" or not final else f"The run was {status}.",
        "created_at": naive(created),
        "modified_at": naive(created if waiting else finished),
        "queued_at": None if status == "created" else naive(created + timedelta(seconds=0.25)),
        "started_at": None if waiting else naive(started),
        "finished_at": naive(finished) if final else None,
        "app_url": f"http://127.0.0.1:8080/{page}/{run_id}",
        "browser_session_id": None,
        "browser_profile_id": None,
        "max_screenshot_scrolls": None,
        "script_run": None,
        "errors": [],
        "step_count": 2,
    }


def _url(link: Artifact | str) -> str:
    return link.url if isinstance(link, Artifact) else link


def _entry(download: Artifact | Mapping[str, Any]) -> Document:
    return download.entry() if isinstance(download, Artifact) else dict(download)
