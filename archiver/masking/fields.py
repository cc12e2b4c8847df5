"""The fields of the API's answer by their places: names of its own, and what the archive lives by.

Everything else in an answer is free: names and values that people, pages and models wrote.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archiver.model.document import JsonValue
from archiver.model.ids import parse_checksum, parse_timestamp

_ARTIFACT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of an object, or of each object in a list.

    ``names`` are the API's own, ``required`` those whose values the archive cannot do without, as
    long as they are what they should be. ``inner`` are shapes of fields. ``stays``: the object, or
    the list, is needed itself, whatever becomes of what is in it.
    """

    names: frozenset[str] = frozenset()
    required: Mapping[str, Callable[[JsonValue], bool]] = field(default_factory=dict)
    inner: Mapping[str, "Shape"] = field(default_factory=dict)
    is_kept: bool = False

    def of(self, name: str) -> "Shape":
        """The shape of a field."""
        return self.inner.get(name, FREE)

    def requires(self, name: str, value: JsonValue) -> bool:
        """Whether the archive needs this very value of a field."""
        is_right = self.required.get(name)
        return is_right is not None and is_right(value)


def is_required(names: Sequence[str]) -> bool:
    """Whether the names lead from the root to a field that the archive cannot do without."""
    shape = ANSWER
    for name in names[:-1]:
        shape = shape.of(name)
    return bool(names) and names[-1] in shape.required


def _reads(parse: Callable[[str], object]) -> Callable[[JsonValue], bool]:
    """Whether a value is a text that can be parsed."""

    def check(value: JsonValue) -> bool:
        try:
            return isinstance(value, str) and parse(value) is not None
        except ValueError:
            return False

    return check


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str)


def _is_boolean(value: JsonValue) -> bool:
    return isinstance(value, bool)


def _is_size(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_is_time = _reads(parse_timestamp)

FREE = Shape()
"""Nothing is known."""
_FILE = Shape(
    names=frozenset({"artifact_id", "checksum", "file_size", "filename", "modified_at", "url"}),
    required={
        "artifact_id": _reads(_ARTIFACT_ID.fullmatch),
        "checksum": _reads(parse_checksum),
        "file_size": _is_size,
        "modified_at": _is_time,
    },
    is_kept=True,
)
_LINKS = Shape(is_kept=True)
_ERROR = Shape(
    names=frozenset(
        {"confidence_float", "credential_check", "error_code", "error_type", "reasoning"}
    ),
    inner={
        "credential_check": Shape(
            frozenset({"checks_failed", "checks_passed", "checks_skipped", "confirmed"})
            | {"login_request_status", "site_message"}
        )
    },
)
_REQUEST = Shape(
    frozenset({"ai_fallback", "browser_address", "browser_profile_id", "browser_session_id"})
    | {"browser_type", "cdp_connect_headers", "data_extraction_schema", "engine"}
    | {"error_code_mapping", "extra_http_headers", "file_ids", "max_elapsed_time_minutes"}
    | {"include_action_history_in_verification", "max_screenshot_scrolls", "max_steps", "model"}
    | {"parameters", "prompt", "proxy_location", "publish_workflow", "reuse_browser_session"}
    | {"run_metadata", "run_with", "start_fresh_browser", "title", "totp_identifier", "totp_url"}
    | {"url", "webhook_url", "workflow_id"}
)
_ATTEMPT = Shape(
    frozenset({"attempt_number", "decision_reason", "error_codes", "failure_reason"})
    | {"finished_at", "next_attempt_at", "retry_decision", "started_at", "status"}
    | {"webhook_sent_at"}
)
_SCRIPT_RUN = Shape(frozenset({"ai_fallback_triggered", "script_id", "script_revision_id"}))
_BROWSER_SETTINGS = Shape(
    frozenset({"actual_timezone_id", "requested_timezone_id", "source", "status", "warning"})
)
ANSWER = Shape(
    names=frozenset({"ai_fallback", "app_url", "attempt", "attempts", "browser_profile_id"})
    | {"browser_seed_source", "browser_session_id", "browser_settings_receipt", "created_at"}
    | {"downloaded_files", "errors", "failure_reason", "finished_at", "max_screenshot_scrolls"}
    | {"modified_at", "next_attempt_at", "output", "queued_at", "recording_archived"}
    | {"recording_url", "retry_pending", "run_id", "run_request", "run_type", "run_with"}
    | {"screenshot_urls", "script_id", "script_run", "started_at", "status", "step_count"}
    | {"title"},
    required={
        "run_id": _is_text,
        "status": _is_text,
        "recording_archived": _is_boolean,
        "created_at": _is_time,
        "queued_at": _is_time,
        "started_at": _is_time,
        "finished_at": _is_time,
        "modified_at": _is_time,
    },
    inner={
        "attempts": _ATTEMPT,
        "browser_settings_receipt": _BROWSER_SETTINGS,
        "downloaded_files": _FILE,
        "errors": _ERROR,
        "run_request": _REQUEST,
        "screenshot_urls": _LINKS,
        "script_run": _SCRIPT_RUN,
    },
    is_kept=True,
)
"""The answer itself (schemas/run.schema.json)."""
