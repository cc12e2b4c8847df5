"""The rows of ``runs``, a night's at a time, made of whole columns: millions in a minute."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.model.ids import SessionId
from archiver.model.schema import RUNS
from archiver.tables.write import arrow_schema
from tests.benchmarks.nightly.automations import (
    AUTOMATIONS,
    ENGINES,
    ERROR_CODES,
    PROXIES,
    failure_reason,
)
from tests.benchmarks.nightly.columns import (
    Booleans,
    Integers,
    as_text,
    filled_in,
    hex_digests,
    joined,
    same,
    texts,
    times,
    unless,
)

FIRST_NIGHT = datetime(2023, 12, 1, 3, 15, tzinfo=UTC)
NIGHTS = 3 * 365 + 1
"""Three years with a leap day, to the end of November 2026."""
UNFINISHED = 0.03
"""The part of a night's runs that have not ended yet: the next night sees their second revision."""

SCHEMA = arrow_schema(RUNS)
_FIRST_ID = 600_000_000_000_000_000
_PREFIXES = ("tsk_", "tsk_v2_", "wr_", "tsk_", "tsk_")
_TYPES = ("task_v1", "task_v2", "workflow_run", "openai_cua", "anthropic_cua")
_TYPE_SHARES = (0.45, 0.13, 0.38, 0.02, 0.02)
_WORKFLOW = 2
_STATUSES = ("completed", "failed", "terminated", "timed_out", "canceled")
_STATUS_SHARES = (0.80, 0.11, 0.05, 0.02, 0.02)
_BAD_NIGHTS = range(700, 712)
"""Somebody changed a page: more fails than usual."""

Columns: TypeAlias = dict[str, pa.Array]


@dataclass(frozen=True, slots=True)
class Night:
    """One session: its number, when it began, and the runs that were created since the last."""

    number: int
    created: int

    @property
    def began(self) -> datetime:
        return FIRST_NIGHT + timedelta(days=self.number)

    @property
    def month(self) -> str:
        return f"{self.began:%Y-%m}"

    @property
    def session(self) -> SessionId:
        return SessionId.at(self.began, self.number.to_bytes(4))

    def chance(self, what: int) -> np.random.Generator:
        return np.random.default_rng((self.number, what))


def nights(runs: int, count: int = NIGHTS) -> list[Night]:
    """The last ``count`` nights of the three years, with ``runs`` shared out among them: less on
    weekends, more every year."""
    days = np.arange(NIGHTS - count, NIGHTS)
    weights = np.where((days + FIRST_NIGHT.weekday()) % 7 < 5, 1.2, 0.5) * (1 + days / NIGHTS)
    ends = np.rint(np.cumsum(weights) / weights.sum() * runs).astype(int)
    shares = np.diff(ends, prepend=0).tolist()
    return [Night(int(day), share) for day, share in zip(days, shares, strict=True)]


def first_revisions(night: Night) -> pa.Table:
    """What a session sees of the runs that were created since the last: some have not ended."""
    ended = _ended_runs(night)
    left = _unfinished(night)
    return pa.concat_tables(
        [ended.slice(0, ended.num_rows - left), _running(ended.slice(ended.num_rows - left))]
    )


def second_revisions(night: Night, after: Night) -> pa.Table:
    """The second revisions of a night's runs, as the night ``after`` sees them."""
    ended = _ended_runs(night)
    rows = ended.slice(ended.num_rows - _unfinished(night))
    count = rows.num_rows
    new: Columns = {
        "revision": pa.array(np.full(count, 2)),
        "session": same(after.session, count),
        "fetched_at": _fetching(after, count),
        "path": pc.replace_substring_regex(rows["path"], "r1$", "r2"),
        "document_sha256": hex_digests(after.chance(2), count),
    }
    return _table(count, {**_columns(rows), **new})


def _unfinished(night: Night) -> int:
    return round(night.created * UNFINISHED)


def _ended_runs(night: Night) -> pa.Table:
    """All runs of a night in the order of their creation, as they are when they have ended."""
    count, chance = night.created, night.chance(0)
    began = int(night.began.timestamp() * 1e6)
    created = began - 86_400_000_000 + np.sort(chance.integers(0, 83_000_000_000, count))
    created += np.arange(count)  # no two are the same
    kinds = chance.choice(len(_TYPES), count, p=_TYPE_SHARES)
    numbers = created - int(FIRST_NIGHT.timestamp() * 1e6) + 86_400_000_000
    ids = joined(
        texts(_PREFIXES, kinds),
        as_text(_FIRST_ID + numbers * 1_000 + chance.integers(0, 1_000, count)),
    )
    automations = (chance.power(3, count) * len(AUTOMATIONS)).astype(np.int64)
    columns = {
        "run_id": ids,
        "revision": pa.array(np.ones(count, np.int64)),
        "run_type": texts(_TYPES, kinds),
        "is_final": same(True, count),
        "is_settled": same(True, count),
        "is_complete": pa.array(chance.random(count) > 0.002),
        "session": same(night.session, count),
        "fetched_at": _fetching(night, count),
        "path": joined("runs/", pc.strftime(times(created), "%Y/%m/%d"), "/", ids, "/r1"),
        "document_sha256": hex_digests(night.chance(1), count),
        "problems": same([], count, pa.list_(pa.string())),
        "app_url": joined("https://app.skyvern.com/runs/", ids),
        **_what_was_asked(kinds, automations, chance),
        **_how_it_went(night, kinds, automations, created, chance),
    }
    return _table(count, columns)


def _what_was_asked(kinds: Integers, automations: Integers, chance: np.random.Generator) -> Columns:
    count = len(kinds)
    numbers = as_text(chance.integers(10_000, 10_000_000, count))
    prompts = texts([a.prompt for a in AUTOMATIONS], automations)
    is_workflow = kinds == _WORKFLOW
    parameters = joined(
        '{"customer":"', numbers, '","month":"', texts(_MONTHS, automations % len(_MONTHS)), '"}'
    )
    return {
        "title": texts([a.title for a in AUTOMATIONS], automations),
        "request_prompt": unless(is_workflow, filled_in(prompts, numbers)),
        "request_url": unless(is_workflow, texts([a.url for a in AUTOMATIONS], automations)),
        "request_engine": unless(is_workflow, texts(ENGINES, np.maximum(kinds - 1, 0))),
        "request_proxy_location": texts(PROXIES, chance.integers(0, len(PROXIES), count)),
        "request_max_steps": pa.array(np.full(count, 25), mask=chance.random(count) < 0.6),
        "request_run_with": unless(~is_workflow, texts(("agent", "code"), automations % 2)),
        "request_publish_workflow": same(False, count),
        "request_include_action_history_in_verification": same(False, count),
        "request_data_extraction_schema": unless(
            is_workflow, texts([a.schema for a in AUTOMATIONS], automations)
        ),
        "workflow_id": unless(
            ~is_workflow, texts([a.workflow_id for a in AUTOMATIONS], automations)
        ),
        "request_parameters": unless(~is_workflow, parameters),
    }


def _how_it_went(
    night: Night,
    kinds: Integers,
    automations: Integers,
    created: Integers,
    chance: np.random.Generator,
) -> Columns:
    count = len(kinds)
    shares = np.array(_STATUS_SHARES)
    if night.number in _BAD_NIGHTS:
        shares += (-0.3, 0.25, 0.05, 0, 0)
    statuses = chance.choice(len(_STATUSES), count, p=shares)
    failed = (statuses > 0) & (statuses < 4)
    never_started = (statuses == 4) & (chance.random(count) < 0.5)
    queued = created + chance.integers(50_000, 900_000, count)
    load = 1 + (night.number % 7 == 0) * 3
    started = queued + (chance.lognormal(1.4, 0.9, count) * load * 1e6).astype(np.int64)
    length = chance.lognormal(4.8, 0.8, count) * np.where(kinds == _WORKFLOW, 3, 1)
    length[statuses == 3] = 3_600
    finished = started + (length * 1e6).astype(np.int64)
    codes = [
        [ERROR_CODES[code]] if code < len(ERROR_CODES) and is_failed else []
        for code, is_failed in zip(
            chance.integers(0, 2 * len(ERROR_CODES), count).tolist(), failed.tolist(), strict=True
        )
    ]
    return {
        "status": texts(_STATUSES, statuses),
        "failure_reason": _reasons(statuses, failed, automations, night.number),
        "error_codes": pa.array(codes, pa.list_(pa.string())),
        "created_at": times(created),
        "queued_at": times(queued),
        "started_at": times(started, never_started),
        "finished_at": times(finished),
        "modified_at": times(finished + chance.integers(10_000, 9_000_000, count)),
        "queue_seconds": pa.array((started - queued) / 1e6, mask=never_started),
        "run_seconds": pa.array((finished - started) / 1e6, mask=never_started),
        "total_seconds": pa.array((finished - created) / 1e6),
        "step_count": pa.array(np.minimum(length / 12, 60).astype(np.int64) + 1),
        "recording_archived": pa.array(chance.random(count) < 0.02),
        "downloaded_file_count": pa.array(
            (chance.random(count) < 0.4) * chance.integers(1, 3, count)
        ),
        "screenshot_count": pa.array(chance.integers(0, 4, count)),
        "has_recording": pa.array((chance.random(count) < 0.9) & ~never_started),
    }


def _reasons(statuses: Integers, failed: Booleans, automations: Integers, seed: int) -> pa.Array:
    chance = random.Random(seed)
    reasons: list[str | None] = [None] * len(statuses)
    for row in np.flatnonzero(failed).tolist():
        url = AUTOMATIONS[automations[row]].url
        reasons[row] = failure_reason(_STATUSES[statuses[row]], url, chance)
    return pa.array(reasons, pa.string())


_UNKNOWN_YET = (
    "failure_reason",
    "finished_at",
    "run_seconds",
    "total_seconds",
    "recording_archived",
)


def _running(rows: pa.Table) -> pa.Table:
    """The same runs as they are before they have ended."""
    count = rows.num_rows
    new: Columns = {
        "status": same("running", count),
        **{name: same(False, count) for name in ("is_final", "is_settled", "is_complete")},
        **{name: pa.nulls(count, SCHEMA.field(name).type) for name in _UNKNOWN_YET},
        "error_codes": same([], count, pa.list_(pa.string())),
        "downloaded_file_count": pa.array(np.zeros(count, np.int64)),
        "has_recording": same(False, count),
    }
    return _table(count, {**_columns(rows), **new})


def _fetching(night: Night, count: int) -> pa.Array:
    """When the runs of a session were asked for: a few hundred a second."""
    return times(int(night.began.timestamp() * 1e6) + 2_000_000 + np.arange(count) * 4_000)


def _columns(rows: pa.Table) -> Columns:
    return dict(zip(rows.column_names, rows.columns, strict=True))


def _table(count: int, columns: Columns) -> pa.Table:
    arrays = [columns.get(f.name, None) for f in SCHEMA]
    filled = [
        pa.nulls(count, field.type) if array is None else array
        for array, field in zip(arrays, SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(filled, schema=SCHEMA)


_MONTHS: tuple[str, ...] = tuple(f"2026-{number:02d}" for number in range(1, 13))
