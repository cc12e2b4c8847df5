"""Archives of format 1 are raised to format 2 by the first command that writes, and by no other."""

import hashlib
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import ArchiveLocked
from archiver.ledger.records import append_record
from archiver.model.ledger import UPGRADE, LedgerRecord, upgrade_details
from archiver.session import open_for_writing
from archiver.store.storage import LocalStorage
from archiver.system.fsync import Durability
from tests.archive_folder import ArchiveFolder
from tests.archives.test_format_1 import FORMAT_1, assert_intact, copied, key_of
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run

NOW = datetime(2027, 1, 1, tzinfo=UTC)
QUICK = Durability(enabled=False)
OLD = json.loads((FORMAT_1 / "plain/archive.json").read_bytes())


def first(archive: Path) -> dict[str, Any]:
    """archive.json."""
    found: dict[str, Any] = json.loads((archive / "archive.json").read_bytes())
    return found


def records(archive: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(archive.glob("ledger/*.json"))]


def test_a_new_archive_has_an_id_a_lock_and_no_upgrade(
    fetch: Fetch, archive: ArchiveFolder, server: LyingServer
) -> None:
    fetch(server.add_run(task_run("tsk_1")))
    assert first(archive.root)["format"] == 2
    assert re.fullmatch("[0-9a-f]{16}", first(archive.root)["id"])
    assert [record["kind"] for record in records(archive.root)] == ["fetch"]
    assert (archive.root / "lock").is_file()
    assert not list(archive.root.rglob("*.journal"))
    shutil.rmtree(archive.root / "tmp")
    server.add_run(task_run("tsk_2"))
    fetch("tsk_2")


@pytest.mark.parametrize("command", [("hold", "wr_3", "--reason", "Later."), ("reindex",)])
@pytest.mark.parametrize("name", ["signed", "killed"])
def test_the_first_command_that_writes_raises_it(
    name: str, command: tuple[str, ...], archiver: Command, archive: ArchiveFolder
) -> None:
    copied(name, archive)
    before, count = (archive.root / "archive.json").read_bytes(), len(records(archive.root))
    readme = (archive.root / "README.txt").read_bytes()
    archiver(*command)
    after = (archive.root / "archive.json").read_bytes()
    raised = json.loads(after)
    assert raised == {**json.loads(before), "format": 2, "id": raised["id"]}
    assert (archive.root / "README.txt").read_bytes() == readme
    upgrade = records(archive.root)[count]
    assert upgrade["kind"] == "upgrade"
    assert upgrade["details"]["archive.json"] == {
        "before": hashlib.sha256(before).hexdigest(),
        "after": hashlib.sha256(after).hexdigest(),
        "text": after.decode(),
    }
    archiver(*command)
    assert [one["kind"] for one in records(archive.root)].count("upgrade") == 1
    assert_intact(archiver, archive.root, *key_of(name))
    assert "upgrade" in archiver("ledger").out


def test_whoever_signs_signs_the_upgrade_too(
    archiver: Command, archive: ArchiveFolder, tmp_path: Path
) -> None:
    copied("plain", archive)
    archiver("keygen", tmp_path / "key")
    archiver("hold", "wr_3", "--reason", "Later.", "--sign-key", tmp_path / "key")
    upgrade, hold = records(archive.root)[-2:]
    assert (upgrade["kind"], hold["kind"]) == ("upgrade", "hold")
    assert upgrade["by"] == hold["by"]
    ran = archiver("verify", "--json", "--no-record", "--public-key", tmp_path / "key.pub")
    assert ran.json["integrity"]["intact"]
    assert ran.json["notes"] == []


@pytest.mark.parametrize("name", ["plain", "killed"])
def test_reading_and_verifying_never_raise_it(
    name: str, archiver: Command, archive: ArchiveFolder, tmp_path: Path
) -> None:
    copied(name, archive)
    archiver("verify", "--quiet")
    archiver("query", "SELECT 1")
    archiver("export", "--csv", tmp_path / "csv")
    assert first(archive.root)["format"] == 1
    assert not (archive.root / "lock").exists(), "version 0.1.0 knows no such file"
    assert records(archive.root)[-1]["kind"] == "verify"


def interrupted(archive: ArchiveFolder) -> None:
    """Put an archive of which the upgrade was killed between record and archive.json."""
    copied("plain", archive)
    before = (archive.root / "archive.json").read_bytes()
    with open_for_writing(archive.root, NOW, b"abcd", QUICK):
        pass
    (archive.root / "archive.json").write_bytes(before)
    (archive.root / "lock").unlink()


def test_somebody_else_may_write_between_an_upgrade_and_its_end(
    archiver: Command, archive: ArchiveFolder
) -> None:
    interrupted(archive)
    archiver("verify", "--quiet")  # as version 0.1.0 would: the archive is one of format 1 still
    assert first(archive.root)["format"] == 1
    archiver("hold", "wr_3", "--reason", "Later.")
    kinds = [one["kind"] for one in records(archive.root)][-4:]
    assert kinds == ["upgrade", "verify", "upgrade", "hold"]
    assert_intact(archiver, archive.root)


def test_an_archive_file_that_no_record_brought_is_found(
    archiver: Command, archive: ArchiveFolder
) -> None:
    copied("plain", archive)
    archiver("hold", "wr_3", "--reason", "Later.")
    path = archive.root / "archive.json"
    there = path.read_bytes()
    for data in ((FORMAT_1 / "plain/archive.json").read_bytes(), there.replace(b"2026", b"2025")):
        path.write_bytes(data)
        (finding,) = archiver("verify", "--json", "--no-record", code=4).json["integrity"][
            "findings"
        ]
        assert finding["path"] == "archive.json"
    path.write_bytes(there)
    upgrade = sorted(archive.root.glob("ledger/*.json"))[-2]
    upgrade.write_bytes(upgrade.read_bytes().replace(b"upgrade", b"Upgrade"))
    findings = archiver("verify", "--json", "--no-record", code=4).json["integrity"]["findings"]
    assert [one["path"] for one in findings] == [str(upgrade.relative_to(archive.root))]


def test_a_newer_format_is_refused(archiver: Command, archive: ArchiveFolder) -> None:
    copied("plain", archive)
    text = json.dumps({**OLD, "format": 3})
    (archive.root / "archive.json").write_text(text)
    for command in (("query", "SELECT 1"), ("reindex",), ("ledger",), ("show", "tsk_1")):
        assert "format 3" in archiver(*command, code=10).err
    # Also by verify, where the ledger says how it came to it; else it is damage.
    assert archiver("verify", "--json", "--no-record", code=4).json["integrity"]["findings"]
    before = (FORMAT_1 / "plain/archive.json").read_bytes()
    upgrade = LedgerRecord(
        kind=UPGRADE,
        session="20270101T000000.000Z-00000000",
        tool="a later version",
        started_at=NOW,
        finished_at=NOW,
        files={"archive.json": hashlib.sha256(before).hexdigest()},
        details=upgrade_details(before, text.encode()),
    )
    storage = LocalStorage(archive.root)
    storage.accept_root()
    (archive.root / "archive.json").write_bytes(before)
    append_record(storage, upgrade)
    (archive.root / "archive.json").write_text(text)
    assert "format 3" in archiver("verify", code=10).err


def test_a_writer_of_format_1_keeps_others_out(archiver: Command, archive: ArchiveFolder) -> None:
    fcntl = pytest.importorskip("fcntl")
    copied("plain", archive)
    with (archive.root / "tmp/lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        archiver("hold", "wr_3", "--reason", "Later.", code=11)
        assert first(archive.root)["format"] == 1
    with (
        open_for_writing(archive.root, NOW, b"abcd", QUICK),
        (archive.root / "tmp/lock").open("rb+") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_lock_holds_although_tmp_is_tidied_away(archive: ArchiveFolder) -> None:
    with open_for_writing(archive.root, NOW, b"abcd", QUICK):
        shutil.rmtree(archive.root / "tmp")
        with (
            pytest.raises(ArchiveLocked),
            open_for_writing(archive.root, NOW, b"efgh", QUICK),
        ):
            pass


def test_what_later_versions_may_put_there_is_no_damage(
    archiver: Command, archive: ArchiveFolder
) -> None:
    copied("plain", archive)
    archiver("hold", "wr_3", "--reason", "Later.")
    (archive.root / "browser_sessions/2026/11/23/pbs_1").mkdir(parents=True)
    (archive.root / "browser_sessions/2026/11/23/pbs_1/recording.webm").write_bytes(b"x")
    assert_intact(archiver, archive.root)
    (archive.root / "ledger/other.journal").write_bytes(b"")
    ran = archiver("verify", "--json", "--no-record", code=None)
    assert [one["path"] for one in ran.json["integrity"]["findings"]] == ["ledger/other.journal"]


def test_a_record_of_an_unknown_kind_is_kept_in_the_chain(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder
) -> None:
    copied("plain", archive)
    archiver("hold", "wr_3", "--reason", "Later.")
    last = max(archive.root.glob("ledger/*.json"))
    record = json.loads(last.read_bytes())
    session = "20270101T000000.000Z-00000000"
    later = {
        **record,
        "kind": "witness",
        "session": session,
        "details": {"anything": [1, {"else": None}]},
        "ids_asked": 0,
        "ids_sha256": None,
        "new_field": {"of": "a later version"},
        "files": {},
        "previous_session": record["session"],
        "previous_sha256": hashlib.sha256(last.read_bytes()).hexdigest(),
    }
    (archive.root / f"ledger/{session}.json").write_text(json.dumps(later))
    assert_intact(archiver, archive.root)
    shown = archiver("ledger", "--json").json["records"]
    assert shown[-1]["kind"] == "witness"
    fetch("wr_3")
    assert records(archive.root)[-1]["previous_session"] == session
    assert_intact(archiver, archive.root)
    path = archive.root / f"ledger/{session}.json"
    path.write_bytes(path.read_bytes().replace(b"later", b"older"))
    archiver("verify", "--no-record", code=4)


def test_artifacts_of_unknown_kinds_are_read_kept_and_exported(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder, server: LyingServer, tmp_path: Path
) -> None:
    """A later version took down HARs, of which one could not be had."""
    server.add_run(task_run("tsk_1", downloads=[server.artifact(b"A file.", "download", "a.txt")]))
    fetch("tsk_1")
    path = archive.run("tsk_1") / "r1/manifest.json"
    manifest = json.loads(path.read_bytes())
    (download,) = manifest["artifacts"]
    har = archive.run("tsk_1") / "r1/har/1.har"
    har.parent.mkdir()
    har.write_bytes(b"{}")
    held = {**download, "kind": "har", "path": "r1/har/1.har", "size": 2, "state": "unverified",
            "sha256": hashlib.sha256(b"{}").hexdigest(), "expected_sha256": None}  # fmt: skip
    gone = {**held, "ordinal": 2, "path": None, "size": None, "sha256": None, "state": "gone"}
    path.write_text(json.dumps({**manifest, "artifacts": [download, held, gone]}))
    archiver("reindex")
    assert {row["kind"] for row in archive.rows("artifacts")} == {"download", "har"}
    assert len(archiver("show", "tsk_1", "--json").json["artifacts"]) == 3
    archiver("report")
    server.add_run(task_run("tsk_1", title="New."))
    assert fetch("tsk_1", "--refresh").runs["fetched"] == 1
    states = archive.states("tsk_1", 2)
    assert states == {"download 1": "verified", "har 1": "unverified", "har 2": "gone"}
    assert archive.artifact("tsk_1", "har 1", 2)["path"] == "r1/har/1.har"
    archiver("export", "tsk_1", "--bagit", tmp_path / "bag", code=None)
    exported = [path.read_bytes() for path in tmp_path.glob("bag/data/**/other/*")]
    assert exported == [b"{}"]
    findings = archiver("verify", "--json", "--no-record", code=4).json["integrity"]["findings"]
    # Only what this test itself has changed.
    assert {one["path"].rpartition("/")[2] for one in findings} <= {"manifest.json", "SHA256SUMS"}


def test_two_archives_have_two_ids(tmp_path: Path) -> None:
    ids = set()
    for number in range(3):
        with open_for_writing(tmp_path / str(number), NOW, b"abc%d" % number, QUICK):
            ids.add(first(tmp_path / str(number))["id"])
    assert len(ids) == 3
