"""What reports must say, computed with pandas from the answers, and not from the archive."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import pandas as pd
import pytest

from tests.lying_server import Document
from tests.query.reports.answers import FINAL, REASONS, Answered

Row: TypeAlias = dict[str, Any]
TIMES = ("created", "queued", "started", "finished")
NORMALIZED = {
    **dict(REASONS),
    "Recovered after 2 attempts": "Recovered after <number> attempts",
    "Page 1 of 'x'": "Page <number> of <text>",
}
"""Reasons as they came, and what they must become: written down, not computed."""


def runs_of(answered: Iterable[Answered]) -> pd.DataFrame:
    """A row per run, by its last answer."""
    answered = list(answered)
    runs = pd.DataFrame([_run(run.documents[-1]) for run in answered])
    for name in TIMES:
        times = pd.to_datetime(runs[name], utc=True, format="ISO8601", errors="coerce")
        runs[name] = times.astype("datetime64[us, UTC]")
    runs["is_final"] = runs["status"].isin(FINAL)
    runs["is_failure"] = runs["is_final"] & (runs["status"] != "completed")
    runs["is_settled"] = [run.is_settled for run in answered]
    runs["is_complete"] = [
        run.is_settled and not any(a.state in ("failed", "mismatch") for a in run.artifacts)
        for run in answered
    ]
    return with_groups(with_seconds(runs))


def artifacts_of(answered: Iterable[Answered]) -> pd.DataFrame:
    """A row per artifact, with what its run is."""
    rows = [
        {
            "run_id": run.run_id,
            "kind": kept.kind,
            "ordinal": kept.ordinal,
            "artifact_state": kept.state,
            "size": kept.size,
            "filename": kept.filename,
        }
        for run in answered
        for kept in run.artifacts
    ]
    return pd.DataFrame(rows)


def _run(document: Document) -> Row:
    request = document["run_request"]
    run_type = document["run_type"]
    said = document["failure_reason"]
    return {
        "run_id": document["run_id"],
        "run_type": run_type if isinstance(run_type, str) else None,
        "status": document["status"],
        "failure_reason": said,
        "reason": NORMALIZED.get(said, said),
        "error_codes": {e["error_code"] for e in document["errors"] if e["error_code"]},
        "workflow": request.get("workflow_id"),
        "engine": request.get("engine"),
        "prompt": request.get("prompt"),
        "url": request.get("url"),
        **{name: document[f"{name}_at"] for name in TIMES},
    }


def with_seconds(runs: pd.DataFrame) -> pd.DataFrame:
    """The three durations, and for each whether a time was missing or the clock ran backwards."""
    starts = {
        "queue": (runs["queued"].fillna(runs["created"]), runs["started"]),
        "run": (runs["started"], runs["finished"]),
        "total": (runs["created"], runs["finished"]),
    }
    for span, (start, end) in starts.items():
        seconds = (end - start).dt.total_seconds()
        runs[f"{span}_missing"] = start.isna() | end.isna()
        runs[f"{span}_backwards"] = seconds < 0
        runs[span] = seconds.where(seconds >= 0)
    return runs


def with_groups(runs: pd.DataFrame) -> pd.DataFrame:
    """The UTC day, week (its Monday) and month of each run, as texts."""
    naive = runs["created"].dt.tz_localize(None)
    for by, period in (("day", "D"), ("week", "W-SUN"), ("month", "M")):
        starts = naive.dt.to_period(period).dt.start_time.dt.date
        runs[by] = [None if pd.isna(start) else start.isoformat() for start in starts]
    return runs


def chosen(
    runs: pd.DataFrame,
    since: str | None = None,
    until: str | None = None,
    **any_of: Sequence[str],
) -> pd.DataFrame:
    """The runs that were created from ``since`` on and before ``until`` and have any of values."""
    if since:
        runs = runs[runs["created"] >= pd.Timestamp(since, tz="UTC")]
    if until:
        runs = runs[runs["created"] < pd.Timestamp(until, tz="UTC")]
    for column, values in any_of.items():
        runs = runs[runs[column].isin(values)]
    return runs


def groups(runs: pd.DataFrame, *by: str) -> Iterator[tuple[Row, pd.DataFrame]]:
    """The groups, those of null among them, with their values."""
    for values, group in runs.groupby(list(by), dropna=False):
        yield dict(zip(by, map(plain, values), strict=True)), group


def newest_or_largest(rows: Iterable[Row], by: str, size: str = "runs") -> list[Row]:
    """Rows as a report orders them: newest first by time, else largest first; null comes last."""
    if by in ("day", "week", "month"):
        known = sorted((r for r in rows if r[by] is not None), key=lambda r: r[by], reverse=True)
        return known + [row for row in rows if row[by] is None]
    return sorted(rows, key=lambda row: (-row[size], row[by] is None, row[by] or ""))


def plain(value: Any) -> Any:
    """A value of pandas as JSON has it."""
    if isinstance(value, pd.Timestamp):
        return moment(value)
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def moment(value: pd.Timestamp) -> str | None:
    return None if value is pd.NaT else value.to_pydatetime().isoformat()


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def quantile(values: pd.Series, which: float) -> Any:
    return plain(values.quantile(which))


def examples(failed: pd.DataFrame) -> list[str]:
    """The three created last; where no run has a time, any that are always the same."""
    dated = failed.dropna(subset="created").sort_values(["created", "run_id"], ascending=False)
    return list((dated if len(dated) else failed.sort_values("run_id"))["run_id"][:3])


def same(found: Sequence[Row], expected: Iterable[Row]) -> None:
    """The rows are those expected, in that order, with columns in that order."""
    wanted = [{name: _about(value) for name, value in row.items()} for row in expected]
    for row, known in zip(found, wanted, strict=False):
        assert list(row.items()) == list(known.items()), f"{row}\nis not\n{known}"
    assert len(found) == len(wanted)


def _about(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value


Ask: TypeAlias = Callable[..., dict[str, list[Row]]]
"""Asks for a report by name and options: its tables' rows by the tables' names, from JSON."""
