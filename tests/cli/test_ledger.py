"""The ledger as it is shown, and what it keeps of who did something."""

import getpass
import hashlib
import socket

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run


@pytest.fixture
def run_id(server: LyingServer) -> str:
    return server.add_run(task_run("tsk_1"))


def test_who_did_it_and_how_but_no_secret(
    archiver: Command,
    fetch: Fetch,
    run_id: str,
    archive: ArchiveFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARCHIVER_FETCH_WORKERS", "1")
    fetch(run_id, "--settle", "1h", "--without", "recording", "--without", "download", "--quiet")
    (record,) = archiver("ledger", "--json").json["records"]
    assert record["kind"] == "fetch"
    assert record["by"] == {
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "options": {
            "archive": str(archive.root),
            "attempts": "1",
            "json": "yes",
            "quiet": "yes",
            "settle": "3600s",
            "without": "recording, download",
            "workers": "1",
        },
    }


def test_records_are_shown_with_their_digests(
    archiver: Command, fetch: Fetch, run_id: str, archive: ArchiveFolder
) -> None:
    sessions = [fetch(run_id).json["session"] for _ in range(3)]
    shown = archiver("ledger", "--json").json
    assert [record["session"] for record in shown["records"]] == sessions
    for record in shown["records"]:
        data = (archive.root / "ledger" / f"{record['session']}.json").read_bytes()
        assert record["sha256"] == hashlib.sha256(data).hexdigest()
    assert shown["head"] == shown["records"][-1]["sha256"]
    last = archiver("ledger", "--limit", "1").out
    assert sessions[2] in last
    assert sessions[1] not in last
    assert last.endswith(f"head {shown['head']}\n")
    assert last.count(shown["head"]) == 1  # on a line of its own; shortened in the table
    assert f"{shown['head'][:12]}…" in last


def test_a_record_that_cannot_be_read_is_named(
    archiver: Command, fetch: Fetch, run_id: str, archive: ArchiveFolder
) -> None:
    sessions = [fetch(run_id).json["session"] for _ in range(2)]
    path = archive.root / "ledger" / f"{sessions[0]}.json"
    path.write_bytes(b"{")
    ran = archiver("ledger", code=4)
    assert path.name in ran.err
    assert sessions[1] in ran.out


def test_an_empty_ledger(
    archiver: Command, fetch: Fetch, run_id: str, archive: ArchiveFolder
) -> None:
    path = archive.root / "ledger" / f"{fetch(run_id).json['session']}.json"
    path.unlink()
    assert "empty" in archiver("ledger").out
    assert archiver("ledger", "--json").json == {"head": None, "records": []}
