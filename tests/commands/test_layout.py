"""The archive on disk is what was promised to whoever finds it in ten years."""

import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archiver.model.schema import TABLES
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, png, read, task_run, webm

PDF = b"%PDF-1.7 the invoice"
CREATED = "2026-03-01T23:59:58.5"


@pytest.fixture
def run_id(server: LyingServer) -> str:
    """A run with two screenshots, a recording and a file."""
    return server.add_run(
        task_run(
            "tsk_123",
            recording=server.artifact(webm(), media_type="video/mp4"),
            screenshots=[
                server.artifact(png(1), "screenshot"),
                server.artifact(png(2), "screenshot", in_storage=True),
            ],
            downloads=[server.artifact(PDF, "download", "invoice.pdf")],
            created_at=CREATED,
        )
    )


def test_the_archive_holds_what_was_promised_and_nothing_else(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    session = fetch(run_id).json["session"]

    assert {path.name for path in archive.root.iterdir()} == {
        *("archive.json", "README.txt", "lock", "runs", "tables", "ledger", "tmp")
    }
    month = f"fetched={datetime.now(UTC):%Y-%m}"
    run = "runs/2026/03/01/tsk_123/r1"
    assert set(archive.files()) == {
        "archive.json",
        "README.txt",
        "lock",
        *(
            f"{run}/{name}"
            for name in (
                *("run.json", "recording.webm", "manifest.json", "SHA256SUMS"),
                *("screenshots/01.png", "screenshots/02.png", "downloads/invoice.pdf"),
            )
        ),
        *(
            f"tables/{table}/{month}/{session}-0001.parquet"
            for table in ("runs", "documents", "artifacts", "errors", "fetches")
        ),
        f"tables/checks/{month.replace('fetched', 'checked')}/{session}-0001.parquet",
        f"ledger/{session}.json",
        f"ledger/{session}.head",
        f"ledger/{session}.sha256",
    }


def test_sha256sum_checks_a_revision(fetch: Fetch, archive: ArchiveFolder, run_id: str) -> None:
    fetch(run_id)
    command = ["sha256sum", "--strict", "-c", "r1/SHA256SUMS"]

    ended = subprocess.run(command, cwd=archive.run(run_id), capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(ended.stdout.splitlines()) == [
        "r1/downloads/invoice.pdf: OK",
        "r1/recording.webm: OK",
        "r1/run.json: OK",
        "r1/screenshots/01.png: OK",
        "r1/screenshots/02.png: OK",
    ]
    (archive.run(run_id) / "r1/recording.webm").write_bytes(b"other")
    assert subprocess.run(command, cwd=archive.run(run_id), capture_output=True).returncode == 1


def test_sha256sum_checks_odd_names(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    names = ("new\nline", "back\\slash", " leading", "*star", "für №1 🧾.pdf", "tab\there", "-c")
    files = [
        server.artifact(name.encode(), "download", name).entry(filename=name) for name in names
    ]
    run_id = server.add_run(task_run("tsk_odd", downloads=files))
    fetch(run_id)

    ended = subprocess.run(
        ["sha256sum", "--strict", "-c", "r1/SHA256SUMS"],
        cwd=archive.run(run_id),
        capture_output=True,
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.count(b": OK\n") == len(names) + 1


def test_the_manifest_lists_files_with_size_and_digest(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    session = fetch(run_id).json["session"]
    manifest = archive.manifest(run_id)

    assert manifest["format"] == 1
    assert (manifest["run_id"], manifest["asked_id"]) == (run_id, run_id)
    assert (manifest["revision"], manifest["session"]) == (1, session)
    assert manifest["tool"].startswith("skyvern-archiver ")
    assert manifest["status"] == "completed"
    assert manifest["is_final"] is manifest["is_settled"] is manifest["is_complete"] is True
    assert datetime.fromisoformat(manifest["fetched_at"]).tzinfo is not None
    run_json = (archive.run(run_id) / "r1/run.json").read_bytes()
    assert manifest["document"] == {
        "path": "r1/run.json",
        "size": len(run_json),
        "sha256": hashlib.sha256(run_json).hexdigest(),
    }
    assert list(archive.artifacts(run_id)) == [
        *("recording 1", "screenshot 1", "screenshot 2", "download 1")
    ]
    assert archive.read(run_id, "recording 1") == read(webm())
    assert archive.read(run_id, "screenshot 1") == read(png(1))
    assert archive.read(run_id, "screenshot 2") == read(png(2))
    assert archive.read(run_id, "download 1") == PDF
    download = archive.artifact(run_id, "download 1")
    assert download["expected_sha256"] == hashlib.sha256(PDF).hexdigest()
    assert (download["expected_size"], download["attempts"]) == (len(PDF), 1)
    assert download["filename"] == "invoice.pdf"
    assert download["artifact_id"].startswith("a_")
    assert "?" not in download["url"]


def test_the_ending_tells_what_the_bytes_are(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    fetch(run_id)
    recording = archive.artifact(run_id, "recording 1")

    assert recording["path"] == "r1/recording.webm"
    assert (recording["media_type"], recording["served_type"]) == ("video/webm", "video/mp4")


def test_the_runs_folder_is_the_utc_day_of_its_creation(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    days = {
        "tsk_a": ("2026-01-01T00:30:00+01:00", "2025/12/31"),
        "tsk_b": ("2026-01-01T00:30:00", "2026/01/01"),
        "tsk_c": ("2026-01-01T23:30:00.000001Z", "2026/01/01"),
        "tsk_d": (None, "undated"),
        "tsk_e": ("yesterday", "undated"),
    }
    for run_id, (created, _) in days.items():
        server.add_run(task_run(run_id, created_at=created))
    fetch(*days)

    found = {run_id: archive.run(run_id).relative_to(archive.root) for run_id in days}
    assert found == {run_id: Path("runs") / day / run_id for run_id, (_, day) in days.items()}


def test_the_archive_begins_with_its_format_and_explains_itself(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    fetch(run_id)
    begin = json.loads((archive.root / "archive.json").read_text())

    assert begin["format"] == 2
    assert len(bytes.fromhex(begin["id"])) == 8
    assert begin["tool"].startswith("skyvern-archiver ")
    assert datetime.fromisoformat(begin["created_at"]).tzinfo is not None
    text = (archive.root / "README.txt").read_text()
    assert "sha256sum -c r1/SHA256SUMS" in text
    assert "tables" in text


def test_sha256sum_checks_the_manifests_of_a_session(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    session = fetch(run_id).json["session"]
    listed = f"ledger/{session}.sha256"
    assert (
        f"sha256sum -c {listed.replace(session, '<session>')}"
        in (archive.root / "README.txt").read_text()
    )
    assert subprocess.run(["sha256sum", "-c", listed], cwd=archive.root, check=True)


def test_the_head_is_printed(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str
) -> None:
    ran = fetch(run_id)
    record = archive.root / "ledger" / f"{ran.json['session']}.json"
    assert ran.json["head"] == hashlib.sha256(record.read_bytes()).hexdigest()
    said = archiver("fetch", run_id).out
    heads = {hashlib.sha256(path.read_bytes()).hexdigest() for path in record.parent.glob("*.json")}
    assert said.partition("ledger head ")[2][:64] in heads - {ran.json["head"]}


def test_the_ledger_chains_sessions_in_the_order_they_ran(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    sessions = [fetch(run_id).json["session"] for _ in range(6)]
    previous, digest = None, None
    for session in sessions:
        data = (archive.root / "ledger" / f"{session}.json").read_bytes()
        record = json.loads(data)
        assert (record["session"], record.get("previous_session")) == (session, previous)
        assert record.get("previous_sha256") == digest
        previous, digest = session, hashlib.sha256(data).hexdigest()
    assert sessions == sorted(sessions)
    first = json.loads((archive.root / "ledger" / f"{sessions[0]}.json").read_bytes())
    assert (first["runs"]["fetched"], first["manifests"]) == (1, 1)
    manifest = (archive.run(run_id) / "r1/manifest.json").read_bytes()
    path = (archive.run(run_id) / "r1/manifest.json").relative_to(archive.root)
    line = f"{hashlib.sha256(manifest).hexdigest()}  {path}"
    assert (archive.root / "ledger" / f"{sessions[0]}.sha256").read_text() == f"{line}\n"
    assert first["manifests_root"] == hashlib.sha256(b"\0" + line.encode()).hexdigest()
    assert first["by"]["options"] == {"archive": str(archive.root), "attempts": "1", "json": "yes"}
    assert first["ids_sha256"] == hashlib.sha256(f"{run_id}\n".encode()).hexdigest()


def test_the_ledger_does_not_fork_when_the_clock_goes_back(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    first = fetch(run_id).json["session"]
    ahead = f"{datetime.now(UTC) + timedelta(minutes=5):%Y%m%dT%H%M%S}.000Z-ffffffff"
    record = archive.root / "ledger" / f"{first}.json"
    (archive.root / "ledger" / f"{ahead}.json").write_text(record.read_text().replace(first, ahead))
    record.unlink()

    second, third = (fetch(run_id).json["session"] for _ in range(2))
    previous = [
        json.loads((archive.root / "ledger" / f"{session}.json").read_text())["previous_session"]
        for session in (second, third)
    ]
    assert previous == [ahead, second]


def test_an_archive_can_be_moved(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str
) -> None:
    fetch(run_id)
    moved = archive.root.with_name("moved")
    shutil.move(archive.root, moved)

    assert archiver("verify", "--archive", moved).code == 0
    assert fetch(run_id, "--archive", moved).runs == {"asked": 1, "unchanged": 1}
    shown = archiver("show", run_id, "--archive", moved, "--json").json
    assert all(Path(place).is_file() for place in shown["location"].values())


def test_every_table_can_be_read_by_others_before_it_has_a_row(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder
) -> None:
    fetch(server.add_run(task_run("tsk_1")))
    for table in TABLES:
        (file,) = archive.table_files(table.name)
        assert pq.read_schema(file).names == list(table.column_names)
    archiver("verify")
    archiver("reindex")
    archiver("erase", "tsk_1", "--reason", "asked", "--yes")
    fetch(server.add_run(task_run("tsk_2", "failed", errors=[{"error_code": "A"}])))
    archiver("reindex", "--compact")
    for table in TABLES:
        assert archive.table_files(table.name), table.name
    assert len(archive.rows("errors")) == 1
    archiver("verify")
