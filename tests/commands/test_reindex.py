"""The manifests are the truth: whatever becomes of the tables, they can be had again."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from archiver.query.sql import run_query
from archiver.session import open_for_writing
from archiver.store.archive_file import open_archive
from archiver.tables.rebuild import reindex
from tests.archive_folder import TABLES, ArchiveFolder
from tests.cli.running import Command, Fetch, child_command, child_environment
from tests.lying_server import FOREVER, Artifact, LyingServer, Stall, png, task_run, webm


@pytest.fixture
def file(server: LyingServer) -> Artifact:
    return server.artifact(b"x", "download")


@pytest.fixture
def filled(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> ArchiveFolder:
    """An archive with runs of one and of two revisions, errors, gaps, and odd values."""
    created = "2026-01-01T00:00:00"
    server.add_run(
        task_run("tsk_1", "running", created_at=created, errors=[{"error_code": "A"}]),
        task_run("tsk_1", created_at=created, recording=server.artifact(webm()), downloads=[file]),
    )
    server.add_run(
        task_run(
            "tsk_2",
            "failed",
            step_count="x",
            screenshots=[server.artifact(png(), "screenshot")],
            output={"big": 2**80, "float": 1e-7, "text": "\u2028\x7f für"},
            request={"extra_http_headers": {"A": "b" * 20}},
            errors=[{"error_code": "A", "confidence_float": 1}, {"error_code": "B"}],
        )
    )
    server.add_run(
        b'{"run_id":"tsk_3","status":"odd","output":1e999,"x":"\\ud800"}', run_id="tsk_3"
    )
    server.add_run(task_run("tsk_v2_1"), run_id="wr_7")
    fetch("tsk_1", "tsk_2", "tsk_3", "wr_7")
    fetch("tsk_1", "tsk_9", code=3)
    return archive


def all_rows(archive: ArchiveFolder) -> dict[str, list[dict[str, Any]]]:
    return {table: archive.rows(table) for table in TABLES}


@pytest.mark.parametrize("lost", [[], ["runs"], ["documents", "artifacts", "errors", "runs"]])
def test_the_tables_are_rebuilt_from_the_manifests_alone(
    archiver: Command, filled: ArchiveFolder, lost: list[str]
) -> None:
    before = all_rows(filled)
    assert [len(before[table]) for table in TABLES] == [5, 5, 3, 3, 6]
    for table in lost:
        shutil.rmtree(filled.root / "tables" / table)

    ran = archiver("reindex", "--json")

    assert ran.json == {"revisions": 5, "damaged": []}
    assert all_rows(filled) == before
    assert "5 revisions" in archiver("reindex").out
    assert all_rows(filled) == before


def test_tables_that_are_all_lost_come_back_but_the_log_of_fetches(
    server: LyingServer, archiver: Command, fetch: Fetch, filled: ArchiveFolder
) -> None:
    before = all_rows(filled)
    shutil.rmtree(filled.root / "tables")
    archiver("reindex")

    assert all_rows(filled) == {**before, "fetches": []}
    server.clear_requests()
    assert fetch("tsk_1", "tsk_2").runs == {"asked": 2, "unchanged": 2}
    assert server.requests == []


def test_reindex_compacts_and_leaves_all_else_alone(
    server: LyingServer, archiver: Command, fetch: Fetch, filled: ArchiveFolder
) -> None:
    for n in range(20, 24):
        fetch(server.add_run(task_run(f"tsk_{n}")))
    rows = all_rows(filled)
    before = filled.files()
    archiver("reindex")

    assert all_rows(filled) == rows
    assert {table: len(filled.table_files(table)) for table in TABLES} == dict.fromkeys(TABLES, 1)
    after = filled.files()
    assert {name: d for name, d in before.items() if not name.startswith("tables/")} == {
        name: d for name, d in after.items() if not name.startswith("tables/")
    }
    assert [path.name for path in (filled.root / "tmp").iterdir() if "lock" not in path.name] == []


def test_reindex_leaves_out_what_is_damaged_and_says_so(
    archiver: Command, filled: ArchiveFolder
) -> None:
    (filled.run("tsk_2") / "r1/run.json").write_bytes(b"{")
    (filled.run("tsk_3") / "r1/manifest.json").write_bytes(b"{")
    ran = archiver("reindex", "--json", code=4)

    assert ran.json["revisions"] == 3
    assert len(ran.json["damaged"]) == 2
    assert "tsk_2" in ran.err
    assert "tsk_3" in ran.err
    assert {row["run_id"] for row in filled.rows("runs")} == {"tsk_1", "tsk_v2_1"}


def lose_rows_of(archive: ArchiveFolder, session: str) -> None:
    """What is left when a session is killed before it wrote the tables."""
    folders = [
        path.parent.relative_to(archive.root)
        for path in archive.root.rglob("manifest.json")
        if json.loads(path.read_text())["session"] == session
    ]
    lines = "".join(f"{folder}\n" for folder in folders)
    for path in (archive.root / "tables").rglob(f"{session}-*.parquet"):
        path.unlink()
    for path in (archive.root / "ledger").glob(f"{session}.*"):
        path.unlink()
    (archive.root / "ledger" / f"{session}.journal").write_text(lines)


@pytest.mark.parametrize("cut_off", ["", "runs/2026/03/01/tsk_"])
def test_what_a_killed_session_committed_is_recovered_without_asking(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    file: Artifact,
    cut_off: str,
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}", downloads=[file])) for n in range(3)]
    fetch(ids[0])
    session = fetch(ids[1], ids[2]).json["session"]
    before = all_rows(archive)
    lose_rows_of(archive, session)
    with (archive.root / "ledger" / f"{session}.journal").open("a") as journal:
        journal.write("runs/2026/01/01/tsk_never_committed/r1\n" + cut_off)
    (archive.root / "tmp" / "half.part").write_bytes(b"half")
    server.clear_requests()

    ran = fetch(*ids)

    assert ran.runs == {"asked": 3, "unchanged": 3}
    assert server.requests == []
    assert session in ran.err
    after = all_rows(archive)
    assert {**after, "fetches": None} == {**before, "fetches": None}
    assert [path.name for path in (archive.root / "tmp").iterdir() if "lock" not in path.name] == []
    record = json.loads((archive.root / "ledger" / f"{ran.json['session']}.json").read_text())
    assert record["recovered"] == [session]
    archiver("verify")


def test_a_flush_that_was_cut_off_leaves_no_rows_twice(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    server.add_run(task_run("tsk_1", downloads=[file]))
    session = fetch("tsk_1").json["session"]
    before = all_rows(archive)
    (path,) = archive.table_files("runs")
    path.unlink()
    (archive.root / "ledger" / f"{session}.journal").write_text(before["runs"][0]["path"] + "\n")

    assert fetch("tsk_1").runs == {"asked": 1, "unchanged": 1}
    assert all_rows(archive) == before


@pytest.fixture
def stalled(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has committed a run, and waits for ever for the recording of another."""
    server.add_run(task_run("tsk_1", downloads=[file]))
    recording = server.artifact(webm(100_000))
    server.add_run(task_run("tsk_2", recording=recording))
    server.lie(recording, Stall(50_000), times=FOREVER)
    process = subprocess.Popen(
        child_command("fetch", "tsk_1", "tsk_2", "--json", "--log-format", "json"),
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            told = json.loads(line)
            if told["event"] == "run_finished":
                assert told["run_id"] == "tsk_1"
                break
        # Not the process's word alone: the other run's download is under way.
        while server.count(f"/v1/artifacts/{recording.id}") == 0:
            pass
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_interrupted_session_keeps_what_it_committed(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    stalled: "subprocess.Popen[bytes]",
) -> None:
    os.kill(stalled.pid, signal.SIGINT)
    out, err = stalled.communicate(timeout=20)

    assert stalled.returncode == 130
    assert b"Traceback" not in err
    summary = json.loads(out)
    assert summary["runs"]["fetched"] == 1
    assert [row["run_id"] for row in archive.rows("runs")] == ["tsk_1"]
    assert not list(archive.root.glob("runs/**/tsk_2/r1/manifest.json"))
    archiver("verify")
    check_the_rest_is_fetched(server, fetch, archive)


def test_a_second_signal_ends_at_once(
    archive: ArchiveFolder, stalled: "subprocess.Popen[bytes]"
) -> None:
    os.kill(stalled.pid, signal.SIGTERM)
    assert stalled.stderr is not None
    while b"stopping" not in stalled.stderr.readline():
        pass
    os.kill(stalled.pid, signal.SIGINT)
    stalled.communicate(timeout=20)
    assert stalled.returncode == 130


def test_a_killed_session_keeps_what_it_committed(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    stalled: "subprocess.Popen[bytes]",
) -> None:
    stalled.kill()
    stalled.communicate(timeout=20)

    assert archive.rows("runs") == []
    assert archive.revisions("tsk_1") == ["r1"]
    archiver("verify")
    check_the_rest_is_fetched(server, fetch, archive)
    assert [path.name for path in (archive.root / "tmp").iterdir() if "lock" not in path.name] == []


def check_the_rest_is_fetched(server: LyingServer, fetch: Fetch, archive: ArchiveFolder) -> None:
    server.stop_lying()
    server.clear_requests()
    assert fetch("tsk_1", "tsk_2").runs == {"asked": 2, "fetched": 1, "unchanged": 1}
    assert server.count("/v1/runs/tsk_1") == 0
    assert [row["run_id"] for row in archive.rows("runs")] == ["tsk_1", "tsk_2"]
    assert Path(archive.run("tsk_2") / "r1/recording.webm").stat().st_size == 100_000


def test_readers_see_whole_tables_while_they_are_rebuilt(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    for number in range(3):
        fetch(server.add_run(task_run(f"tsk_{number}")))
    storage = open_archive(archive.root)

    def rebuild() -> None:
        for _ in range(8):
            with open_for_writing(archive.root, datetime.now(UTC), b"read") as writer:
                reindex(writer, [])

    counts = []
    with ThreadPoolExecutor(1) as executor:
        rebuilding = executor.submit(rebuild)
        while not rebuilding.done():
            batches = run_query(storage, "FROM runs JOIN documents USING (run_id)").batches
            counts.append(sum(batch.num_rows for batch in batches))
        rebuilding.result()
    assert set(counts) == {3}


@pytest.mark.parametrize("harm", ["cut", "columns", "other"])
def test_a_log_of_fetches_that_is_damaged_is_left_out_and_said(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, harm: str
) -> None:
    for number in range(2):
        fetch(server.add_run(task_run(f"tsk_{number}")))
    path = archive.table_files("fetches")[0]
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:50])
    elif harm == "columns":
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["at"]), path)
    else:
        (path.parent / ".DS_Store").write_bytes(b"x")
    ran = archiver("reindex", code=0 if harm == "other" else 4)
    assert (path.name in ran.err) is (harm != "other")
    assert len(archive.rows("fetches")) == (2 if harm == "other" else 1)
    assert fetch("tsk_0", "tsk_1").runs == {"asked": 2, "unchanged": 2}


@pytest.mark.parametrize("command", ["reindex", "fetch"])
def test_what_a_killed_commit_left_is_cleared_away(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, command: str
) -> None:
    session = fetch(server.add_run(task_run("tsk_1"))).json["session"]
    left = archive.run("tsk_1").parent / "tsk_2" / "r1"
    left.mkdir(parents=True)
    (left / "recording.webm").write_bytes(b"x")
    name = str(left.relative_to(archive.root))
    (archive.root / "ledger" / f"{session}.journal").write_text(f"{name}\n../../evil/r1\nruns\n")
    archiver(command, *(["tsk_1"] if command == "fetch" else []))
    assert not left.parent.exists()
    assert archive.revisions("tsk_1") == ["r1"]


def test_tables_that_were_moved_aside_come_back(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    fetch(server.add_run(task_run("tsk_1")))
    before = all_rows(archive)
    tables = archive.root / "tables"
    (archive.root / "tmp/tables").mkdir()
    tables.rename(archive.root / "tmp/tables/20261124T010203.000Z-0011aabb-exchanged")
    (batch,) = run_query(open_archive(archive.root), "SELECT run_id FROM runs").batches
    assert batch.to_pylist() == [{"run_id": "tsk_1"}]
    assert fetch("tsk_1").runs == {"asked": 1, "unchanged": 1}
    assert all_rows(archive) == before


def test_folders_that_cannot_be_exchanged_at_once_are_all_the_same(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        fetch(server.add_run(task_run(f"tsk_{number}")))
    before = all_rows(archive)
    monkeypatch.setattr("archiver.system.folders._system_rename", lambda: None)
    archiver("reindex")
    assert all_rows(archive) == before
    assert len(archive.table_files("runs")) == 1
