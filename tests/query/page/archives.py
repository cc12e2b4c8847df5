"""Archives whose tables say exactly what a test needs, and their files where it needs some."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from archiver.model.schema import ARTIFACTS, RUNS, Table
from archiver.tables.write import to_parquet
from tests.archive_folder import ArchiveFolder

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FINAL = ("completed", "failed", "terminated", "canceled", "timed_out")
_REQUIRED_RUN = {
    "revision": 1,
    "error_codes": [],
    "downloaded_file_count": 0,
    "screenshot_count": 0,
    "has_recording": False,
    "problems": [],
    "session": "20261123T120000Z-00000000",
    "fetched_at": NOON,
    "document_sha256": "0" * 64,
}
_SHOT = {
    "revision": 1,
    "kind": "screenshot",
    "ordinal": 1,
    "state": "unverified",
    "attempts": 1,
    "fetched_at": NOON,
    "session": "20261123T120000Z-00000000",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of ``seconds``, as the tables have it; ``shot`` is the file of its last screenshot.

    ``columns`` replace what follows from the others, ``shot_columns`` what does in the table of
    artifacts.
    """

    run_id: str
    status: str = "completed"
    created: datetime | None = NOON
    seconds: float | None = 60
    reason: str | None = None
    shot: bytes | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    shot_columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        day = f"{self.created:%Y/%m/%d}" if self.created else "undated"
        return f"runs/{day}/{self.run_id}/r1"

    @property
    def row(self) -> dict[str, Any]:
        final = self.status in FINAL
        started = self.created + timedelta(seconds=5) if self.created else None
        timed = started is not None and final and self.seconds is not None
        finished = started + timedelta(seconds=self.seconds or 0) if started and timed else None
        return {
            **dict.fromkeys(RUNS.column_names),
            **_REQUIRED_RUN,
            "run_id": self.run_id,
            "run_type": "workflow_run" if self.run_id.startswith("wr_") else "task_v1",
            "status": self.status,
            "is_final": final,
            "is_settled": final,
            "is_complete": final,
            "failure_reason": self.reason,
            "created_at": self.created,
            "started_at": started,
            "finished_at": finished,
            "queue_seconds": 5.0 if started else None,
            "run_seconds": float(self.seconds or 0) if finished else None,
            "total_seconds": 5.0 + float(self.seconds or 0) if finished else None,
            "path": self.folder,
            **self.columns,
        }

    @property
    def shot_row(self) -> dict[str, Any]:
        data = self.shot or b""
        return {
            **dict.fromkeys(ARTIFACTS.column_names),
            **_SHOT,
            "run_id": self.run_id,
            "path": f"{self.folder}/screenshots/01.png",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "media_type": "image/png",
            **self.shot_columns,
        }


def write_archive(root: Path, runs: Sequence[Run]) -> ArchiveFolder:
    """An archive of these runs."""
    root.mkdir(parents=True)
    version = {"format": 1, "tool": "test", "created_at": NOON.isoformat()}
    (root / "archive.json").write_text(json.dumps(version))
    shots = [run for run in runs if run.shot is not None or run.shot_columns]
    _write(root, RUNS, (run.row for run in runs))
    _write(root, ARTIFACTS, (run.shot_row for run in shots))
    for run in shots:
        if run.shot is not None and run.shot_row["path"]:
            place = root / run.folder / "screenshots" / "01.png"
            place.parent.mkdir(parents=True)
            place.write_bytes(run.shot)
    return ArchiveFolder(root)


def _write(root: Path, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    listed = [tuple(row[name] for name in table.column_names) for row in rows]
    if listed:
        folder = root / "tables" / table.name / "fetched=2026-11"
        folder.mkdir(parents=True)
        (folder / "20261123T120000.000Z-00000000-0001.parquet").write_bytes(
            to_parquet(table, listed)
        )
