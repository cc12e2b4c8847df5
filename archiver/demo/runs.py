"""The demo's dozen runs: one of each kind that an archive meets, with artifacts made on the spot.

Names, secrets and companies are invented; every host is under example.com.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from archiver.demo.media import csv_rows, pdf, png, webm

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


def demo_runs(now: datetime) -> tuple[DemoRun, ...]:
    """Make the runs as they would look at ``now``, the oldest first.

    Ten are final, created within the last ten days and finished at least an hour ago; one is
    running and one is queued. The same ``now`` gives the same runs; the ids never change.

    Raises ValueError if ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    now = now.astimezone(UTC).replace(microsecond=0)
    stories = (*_completed(now), *_unsuccessful(now), *_unfinished(now))
    return tuple(tell(story) for story in sorted(stories, key=lambda story: story.created))


def _completed(now: datetime) -> tuple[Story, ...]:
    return (
        Story(
            # Its recording has been moved to cold storage.
            run_id="tsk_600319412233404416",
            run_type="task_v1",
            status="completed",
            created=now - timedelta(days=9, hours=20),
            started=4,
            finished=75,
            steps=3,
            recording_archived=True,
            screenshots=_screenshots(1, 2),
            output={"plan": "business", "renews_on": "2031-04-01"},
            request=_task("Look up when the phone contract renews", "https://telco.example.com"),
        ),
        Story(
            run_id="tsk_600323869411061120",
            run_type="task_v1",
            status="completed",
            created=now - timedelta(days=7, hours=2, microseconds=306_839),
            started=5,
            finished=95.25,
            steps=6,
            recording=webm("Download the invoices", 90),
            screenshots=_screenshots(2, 3),
            downloads=(
                ("invoice 4711.pdf", _invoice("4711", "1,234.50")),
                ("line items.csv", _line_items("4711", 120)),
            ),
            # The big number is one more than a float can hold.
            output={"invoices": ["4711"], "total": 1234.5, "customer": 9007199254740993},
            request=_task("Download the latest invoice", "https://shop.example.com/account?tab=1"),
        ),
        Story(
            run_id="tsk_v2_600323873706028458",
            run_type="task_v2",
            status="completed",
            created=now - timedelta(days=6, hours=5, microseconds=98_061),
            started=11.5,
            finished=312,
            steps=14,
            recording=webm("Compare the tariffs", 300),
            screenshots=_screenshots(3, 3),
            downloads=(("tariffs.csv", _line_items("tariff", 40)),),
            output={"summary": "Three tariffs compared ✓", "cheapest": "Öko 24"},
            request=_task("Compare the tariffs of «Stadtwerke»", "https://energy.example.com"),
        ),
        Story(
            # The first attempt failed; its output holds signed URLs inside a block.
            run_id="wr_600323882295963128",
            run_type="workflow_run",
            status="completed",
            created=now - timedelta(days=5, hours=1, microseconds=715_685),
            started=42,
            finished=702,
            steps=21,
            recording=webm("Monthly statements", 330),
            screenshots=_screenshots(4, 3),
            downloads=(
                ("statement_été.pdf", pdf("Relevé de compte", "Juillet, août, septembre")),
                ("bookings.csv", _line_items("booking", 300)),
            ),
            output={"statements": 3, "note": "all months found"},
            request={"title": "Monthly statements", "parameters": {"month": "2030-09"}},
            first_failure=("LOGIN_FAILED", "The one-time code was refused"),
        ),
        Story(
            # Names that a file system may take for one, and one beyond ASCII.
            run_id="tsk_600327021000118272",
            run_type="task_v1",
            status="completed",
            created=now - timedelta(days=3, hours=9, microseconds=4_020),
            started=3.75,
            finished=51,
            steps=4,
            recording=webm("Both invoices", 47),
            screenshots=_screenshots(5, 3),
            downloads=(
                ("invoice.pdf", _invoice("8001", "19.90")),
                ("Invoice.pdf", _invoice("8002", "24.90")),
                ("Übersicht_請求書.csv", _line_items("8001", 12)),
            ),
            output={"invoices": ["8001", "8002"]},
            request=_task("Download both invoices", "https://hosting.example.com/billing"),
        ),
        Story(
            # Its request holds what must never reach an archive.
            run_id="tsk_600329447010566144",
            run_type="openai_cua",
            status="completed",
            created=now - timedelta(days=1, hours=4, microseconds=551_200),
            started=8,
            finished=186.5,
            steps=17,
            recording=webm("Order status", 178),
            screenshots=_screenshots(6, 3),
            downloads=(("delivery note.pdf", pdf("Delivery note", "12 parcels, all delivered")),),
            output={"orders": [{"id": "A-17", "state": "delivered"}]},
            request=_task("Check the open orders", "https://parts.example.com/orders")
            | {
                "webhook_url": "https://demo-user:demo-fake-password@hooks.example.com/done"
                "?token=demo-fake-webhook-token",
                "extra_http_headers": {"X-Shop-Session": "demo-fake-session-5f2c"},
                "totp_url": "https://codes.example.com/next?secret=demo-fake-totp-secret",
                "totp_identifier": "orders@example.com",
            },
        ),
    )


def _unsuccessful(now: datetime) -> tuple[Story, ...]:
    return (
        Story(
            run_id="tsk_600323886590930490",
            run_type="task_v1",
            status="failed",
            created=now - timedelta(days=4, hours=7, microseconds=978_145),
            started=6,
            finished=38,
            steps=2,
            recording=webm("Login refused", 32),
            screenshots=_screenshots(7, 2),
            failure_reason="Failed to log in.\n\nThe site said: “invalid password”.",
            errors=(
                _error("LOGIN_FAILED", "The site said: invalid password", 0.95),
                _error("ACCOUNT_LOCKED", "Two more attempts are left", 0.5),
            ),
            request=_task("Download the payslip", "https://payroll.example.com/login")
            | {"error_code_mapping": {"LOGIN_FAILED": "the login did not work"}},
        ),
        Story(
            run_id="tsk_600327904110247936",
            run_type="task_v1",
            status="terminated",
            created=now - timedelta(days=2, hours=13),
            started=4.5,
            finished=129.5,
            steps=9,
            recording=webm("Sold out", 125),
            screenshots=_screenshots(8, 3),
            failure_reason="Goal cannot be reached: the item is sold out.",
            errors=({"error_code": "OUT_OF_STOCK", "reasoning": "nothing left"},),
            request=_task("Reserve item 88", "https://shop.example.com/item/88"),
        ),
        Story(
            run_id="wr_600328455520331904",
            run_type="workflow_run",
            status="timed_out",
            created=now - timedelta(days=1, hours=22, microseconds=12_500),
            started=240,
            finished=2040,
            steps=50,
            recording=webm("Stuck at a captcha", 1800),
            screenshots=_screenshots(9, 3),
            failure_reason="Workflow run timed out after 30 minutes",
            request={"title": "Collect tax notices", "max_elapsed_time_minutes": 30},
        ),
        Story(
            run_id="tsk_v2_600329012207751808",
            run_type="task_v2",
            status="canceled",
            created=now - timedelta(days=1, hours=10, microseconds=40_077),
            started=None,
            finished=33,
            request=_task("Find a cheaper supplier", "https://search.example.com"),
        ),
    )


def _unfinished(now: datetime) -> tuple[Story, ...]:
    return (
        Story(
            run_id="tsk_600330118803259392",
            run_type="task_v1",
            status="running",
            created=now - timedelta(minutes=11, microseconds=660_300),
            started=7,
            finished=None,
            steps=5,
            screenshots=_screenshots(10, 1),
            request=_task("Export the address book", "https://crm.example.com"),
        ),
        Story(
            run_id="wr_600330145572634624",
            run_type="workflow_run",
            status="queued",
            created=now - timedelta(minutes=2),
            started=None,
            finished=None,
            request={"title": "Monthly statements", "parameters": {"month": "2030-10"}},
        ),
    )


def _task(prompt: str, url: str) -> Document:
    return {"prompt": prompt, "url": url}


def _error(code: str, reasoning: str, confidence: float) -> Document:
    return {
        "error_code": code,
        "reasoning": reasoning,
        "confidence_float": confidence,
        "error_type": "USER_DEFINED_ERROR",
    }


def _screenshots(seed: int, count: int) -> tuple[bytes, ...]:
    return tuple(png(seed * 10 + number) for number in range(count))


def _invoice(number: str, total: str) -> bytes:
    return pdf(f"Invoice {number}", "Example Shop (demo)", f"Total: {total} €")


def _line_items(name: str, count: int) -> bytes:
    rows = ((n, f"{name} / {n:03}", f"{(n * 37 % 500) / 4:.2f}") for n in range(1, count + 1))
    return csv_rows(("position", "text", "amount"), rows)
