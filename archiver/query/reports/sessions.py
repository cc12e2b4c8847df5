"""Sessions: what each execution of fetch asked for, and what came of it, by the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from typing import Any

import pyarrow as pa

from archiver.model.artifact import ArtifactState
from archiver.model.ids import seconds_between
from archiver.model.ledger import FETCH, LedgerRecord
from archiver.model.rows import Outcome
from archiver.query.reports.options import By, Filters

_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_HELD = (ArtifactState.VERIFIED, ArtifactState.UNVERIFIED)
_GAPS = (ArtifactState.FAILED, ArtifactState.MISMATCH)
_COUNTS = [
    (name, pa.int64()) for name in ("asked", *_OUTCOMES, "revisions", "artifacts", "gaps", "bytes")
]
_ONE_BY_ONE = pa.schema(
    [
        ("session", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        *_COUNTS,
        ("seconds", pa.float64()),
        ("interrupted", pa.bool_()),
        ("tool", pa.string()),
    ]
)


def session_rows(ledger: Sequence[LedgerRecord], filters: Filters, by: By | None) -> pa.Table:
    """Sessions one by one, or together by the day, week or month they began in; newest first."""
    chosen = sorted(_chosen(ledger, filters), key=lambda record: record.session, reverse=True)
    if by is None:
        return pa.Table.from_pylist([_row(record) for record in chosen], schema=_ONE_BY_ONE)
    schema = pa.schema(
        [
            (by.value, pa.date32()),
            ("sessions", pa.int64()),
            *_COUNTS,
            ("seconds", pa.float64()),
            ("interrupted", pa.int64()),
        ]
    )
    summed = [name for name in schema.names if name not in (by.value, "sessions")]
    by_day = defaultdict(list)
    for record in chosen:
        by_day[_first_day(record, by)].append(_row(record))
    rows = []
    for day in sorted(by_day, reverse=True):
        sums = {name: sum(row[name] or 0 for row in by_day[day]) for name in summed}
        rows.append({by.value: day, "sessions": len(by_day[day]), **sums})
    return pa.Table.from_pylist(rows, schema=schema)


def _chosen(ledger: Iterable[LedgerRecord], filters: Filters) -> Iterable[LedgerRecord]:
    for record in ledger:
        if record.kind != FETCH or (filters.since and record.started_at < filters.since):
            continue
        if filters.until is None or record.started_at < filters.until:
            yield record


def _row(record: LedgerRecord) -> dict[str, Any]:
    return {
        "session": record.session,
        "started_at": record.started_at,
        "asked": record.ids_asked,
        **{outcome: record.runs.get(outcome, 0) for outcome in _OUTCOMES},
        "revisions": record.manifests,
        "artifacts": sum(record.artifacts.get(state, 0) for state in _HELD),
        "gaps": sum(record.artifacts.get(state, 0) for state in _GAPS),
        "bytes": record.bytes_downloaded,
        "seconds": seconds_between(record.started_at, record.finished_at),
        "interrupted": record.interrupted,
        "tool": record.tool,
    }


def _first_day(record: LedgerRecord, by: By) -> date:
    day = record.started_at.astimezone(UTC).date()
    match by:
        case By.WEEK:
            return day - timedelta(days=day.weekday())
        case By.MONTH:
            return day.replace(day=1)
        case _:
            return day
