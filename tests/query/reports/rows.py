"""Archives that consist of rows of ``runs`` alone: many runs, without fetching them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.model.schema import RUNS
from archiver.session import open_for_writing
from archiver.tables.write import arrow_schema
from tests.query.reports.answers import FINAL
from tests.query.reports.truth import with_groups, with_seconds

FETCHED = datetime(2025, 9, 30, 3, 15, tzinfo=UTC)
SCHEMA = arrow_schema(RUNS)
_COLUMNS = {"workflow": "workflow_id", "engine": "request_engine", "prompt": "request_prompt"}
_SAME: Mapping[str, Any] = {
    "revision": 1,
    "run_type": "task_v1",
    "status": "completed",
    "error_codes": [],
    "problems": [],
    "is_settled": True,
    "is_complete": True,
    "downloaded_file_count": 0,
    "screenshot_count": 0,
    "has_recording": False,
    "session": "20250930T031500.000Z-00000001",
    "fetched_at": FETCHED,
    "document_sha256": "0" * 64,
    "path": "runs/x/r1",
}


def archive_of(root: Path, runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make an archive with a row for each of ``runs``, and give them back with what follows.

    Keys are columns of ``runs``, or as tests call them: ``workflow``, ``engine``, ``prompt``,
    ``created``, and ``run`` for the seconds that it ran.
    """
    with open_for_writing(root, FETCHED, b"\0\0\0\1"):
        pass
    rows = [_row(number, run) for number, run in enumerate(runs)]
    columns = {name: [row.get(name) for row in rows] for name in SCHEMA.names}
    arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
    folder = root / "tables/runs/fetched=2025-09"
    folder.mkdir(parents=True)
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=SCHEMA),
        folder / "20250901T000000.000Z-00000000-0001.parquet",
    )
    return _truth(rows)


def _row(number: int, run: Mapping[str, Any]) -> dict[str, Any]:
    row = {**_SAME, "run_id": f"tsk_{number}", **run}
    for name, column in _COLUMNS.items():
        row[column] = row.pop(name, None)
    row["created_at"] = row.pop("created")
    row["is_final"] = row["status"] in FINAL
    seconds = row.pop("run", None)
    row["run_seconds"] = seconds
    row["started_at"] = row["created_at"]
    if seconds is not None and row["created_at"]:
        row["finished_at"] = row["created_at"] + timedelta(seconds=seconds)
    return row


def _truth(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    runs = pd.DataFrame({name: [row.get(name) for row in rows] for name in SCHEMA.names})
    runs["url"] = runs["request_url"]
    runs["reason"] = runs["failure_reason"]
    for name, column in _COLUMNS.items():
        runs[name] = runs[column]
    for name in ("created", "queued", "started", "finished"):
        runs[name] = runs[f"{name}_at"].astype("datetime64[us, UTC]")
    runs["is_failure"] = runs["is_final"] & (runs["status"] != "completed")
    return with_groups(with_seconds(runs))
