"""``report sessions``: what each session did, against what it said itself, and odd ledgers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.cli.running import Command
from tests.query.reports.conftest import Known
from tests.query.reports.rows import archive_of
from tests.query.reports.truth import Ask, Row, same

OUTCOMES = ("fetched", "unchanged", "unfinished", "not_found", "failed")


def test_each_session_is_what_it_said_of_itself(ask: Ask, known: Known) -> None:
    rows = ask("sessions")["sessions"]
    assert [row["session"] for row in rows] == [s["session"] for s in reversed(known.summaries)]
    revisions = pd.DataFrame(known.archive.rows("runs"))["session"].value_counts()
    for row, said in zip(rows, reversed(known.summaries), strict=True):
        assert {name: row[name] for name in ("asked", *OUTCOMES)} == said["runs"]
        states = said["artifacts"]
        assert row["artifacts"] == states["verified"] + states["unverified"]
        assert row["gaps"] == states["failed"] + states["mismatch"]
        assert row["bytes"] == said["bytes"]["downloaded"]
        assert row["revisions"] == revisions[row["session"]]
        assert row["seconds"] == pytest.approx(said["seconds"], abs=0.5)
        assert row["interrupted"] is False
        age = datetime.now(UTC) - datetime.fromisoformat(row["started_at"])
        assert timedelta(0) <= age < timedelta(minutes=5)
    assert [row["not_found"] for row in rows] == [0, 0, 1]


# Ledgers that no fetch of today would write


def record(session: str, started: str, finished: str, **changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "session": session,
        "tool": "test",
        "started_at": started,
        "finished_at": finished,
        "interrupted": False,
        "ids_asked": 5,
        "ids_sha256": "0" * 64,
        "runs": {"asked": 5, "fetched": 3, "failed": 2},
        "artifacts": {"verified": 4, "unverified": 3, "failed": 2, "mismatch": 1, "gone": 7},
        "manifests": 3,
        "manifests_sha256": "0" * 64,
        "bytes_downloaded": 1_000,
        **changes,
    }


def with_ledger(root: Path, *records: dict[str, Any]) -> Path:
    archive_of(root, [])
    (root / "ledger").mkdir(exist_ok=True)
    for entry in records:
        (root / "ledger" / f"{entry['session']}.json").write_text(json.dumps(entry))
    return root


NIGHTS = (
    record("20250831T235959.999Z-00000001", "2025-08-31T23:59:59.999Z", "2025-09-01T00:10:00Z"),
    # Of September, though its zone still has August.
    record("20250901T003000.000Z-00000002", "2025-08-31T20:30:00-04:00", "2025-09-01T00:31:00Z"),
    record(
        "20250907T230000.000Z-00000003",
        *("2025-09-07T23:00:00Z", "2025-09-08T01:00:00Z"),
        interrupted=True,
    ),
    # The clock was set back: its id still sorts behind the one before.
    record("20250907T230000.001Z-00000004", "2025-09-01T09:00:00Z", "2025-09-01T08:00:00Z"),
)
SECONDS = (600.001, 60.0, 7_200.0, None)


def summed(day: str, by: str, *nights: int) -> Row:
    count = len(nights)
    return {
        by: day,
        "sessions": count,
        "asked": 5 * count,
        "fetched": 3 * count,
        "unchanged": 0,
        "unfinished": 0,
        "not_found": 0,
        "failed": 2 * count,
        "revisions": 3 * count,
        "artifacts": 7 * count,
        "gaps": 3 * count,
        "bytes": 1_000 * count,
        "seconds": float(sum(SECONDS[night] or 0 for night in nights)),
        "interrupted": int(2 in nights),
    }


def test_sessions_are_summed_by_the_utc_day_week_or_month_they_began_in(
    tmp_path: Path, ask_of: Callable[[Path], Ask]
) -> None:
    ask = ask_of(with_ledger(tmp_path / "archive", *NIGHTS))
    days = [summed("2025-09-07", "day", 2), summed("2025-09-01", "day", 1, 3)]
    same(ask("sessions", "--by", "day")["sessions"], [*days, summed("2025-08-31", "day", 0)])
    weeks = [summed("2025-09-01", "week", 1, 2, 3), summed("2025-08-25", "week", 0)]
    same(ask("sessions", "--by", "week")["sessions"], weeks)
    months = [summed("2025-09-01", "month", 1, 2, 3), summed("2025-08-01", "month", 0)]
    same(ask("sessions", "--by", "month")["sessions"], months)


def test_the_newest_session_comes_first_and_a_clock_set_back_takes_no_time(
    tmp_path: Path, ask_of: Callable[[Path], Ask]
) -> None:
    ask = ask_of(with_ledger(tmp_path / "archive", *NIGHTS))
    rows = ask("sessions")["sessions"]
    assert [row["session"][-1] for row in rows] == ["4", "3", "2", "1"]
    assert [row["seconds"] for row in rows] == [SECONDS[n] for n in (3, 2, 1, 0)]
    assert rows[2]["started_at"] == "2025-09-01T00:30:00+00:00"
    rows = ask("sessions", "--since", "2025-09-01", "--until", "2025-09-07")["sessions"]
    assert [row["session"][-1] for row in rows] == ["4", "3", "2"]
    rows = ask("sessions", "--until", "2025-08-31T23:59:59.999")["sessions"]
    assert rows == []


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at": "2025-09-01T00:30:00"},
        {"finished_at": "2025-09-01"},
        {"bytes_downloaded": 2**70},
        {"runs": {"fetched": 2**63}},
        {"ids_asked": -1},
        {"manifests": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_record_that_cannot_be_is_left_out_and_said(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    root = with_ledger(tmp_path / "archive", *NIGHTS[1:], NIGHTS[0] | changes)
    ran = Command()("report", "sessions", "--archive", root, "--json", code=4)
    assert [row["session"][-1] for row in ran.json["tables"]["sessions"]] == ["4", "3", "2"]
    assert "left out: ledger/20250831T235959.999Z-00000001.json" in ran.err
