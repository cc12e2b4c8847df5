"""Prune by kind: artifacts go, all else stays, and everything knows that it is right so."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, png, task_run, webm
from tests.retention.test_deciding import OLD

PRUNE = ("prune", "--rule", "older-than=1y kind=recording,download")


@pytest.fixture
def old(server: LyingServer, fetch: Fetch, archive: ArchiveFolder) -> Path:
    """The folder of an old run with one artifact of each kind, and two recordings in turn."""
    server.add_run(task_run("tsk_2", recording=server.artifact(webm(9))))
    for number in (1, 2):
        document = task_run(
            "tsk_1",
            recording=server.artifact(webm(number)),
            screenshots=[server.artifact(png(), "screenshot")],
            downloads=[server.artifact(b"of a file", "download", "file.txt")],
            title=f"title {number}",
            **OLD,
        )
        server.add_run(document)
        fetch("tsk_1", "tsk_2", "--refresh")
    return archive.run("tsk_1")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_artifacts_of_a_kind_go_from_all_revisions_and_nothing_else(
    archiver: Command, archive: ArchiveFolder, old: Path
) -> None:
    before, other = files(old), files(archive.run("tsk_2"))
    gone = {name for name in before if "/recording" in name or "/downloads/" in name}
    assert len([name for name in gone if "/recording" in name]) == 2
    size = sum((old / name).stat().st_size for name in gone)
    dry = archiver(*PRUNE, "--dry-run", "--json").json
    assert files(old) == before
    done = archiver(*PRUNE, "--json").json
    for told in (dry, done):
        assert (told["runs"], told["pruned_of"]) == ([], ["tsk_1"])
        assert (told["files"], told["bytes"]) == (len(gone), size)
    assert files(old) == before - gone | {"r3/manifest.json", "r3/SHA256SUMS"}
    assert files(archive.run("tsk_2")) == other
    manifest = json.loads((old / "r3/manifest.json").read_text())
    assert {file["path"] for file in manifest["pruned"]["files"]} == gone
    assert manifest["pruned"]["reason"] == f"kept long enough: {PRUNE[2]}"
    assert manifest["is_complete"]
    command = ["sha256sum", "--strict", "-c", "r3/SHA256SUMS"]
    assert subprocess.run(command, cwd=old, capture_output=True).returncode == 0


def test_the_archive_stands_by_what_was_pruned(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder, old: Path, tmp_path: Path
) -> None:
    head = archiver("ledger", "--json").json["head"]
    archiver("prove", "tsk_1", "--output", tmp_path / "proof")
    archiver(*PRUNE)
    for options in ((), ("--quick",), ("--run", "tsk_1"), ("--sample", "50%")):
        assert "intact" in archiver("verify", *options).out
    archiver("reindex")
    archiver("verify")
    archiver("check-proof", tmp_path / "proof", "--head", head)
    states = {row["kind"]: row for row in archive.rows("artifacts", run_id="tsk_1", revision=3)}
    assert states["recording"]["state"] == "excluded"
    assert states["recording"]["pruned_at"]
    assert states["recording"]["sha256"]
    assert states["screenshot"]["path"]
    assert archiver(*PRUNE).out == "no run is old enough\n"
    archiver("export", "tsk_1", "--bagit", tmp_path / "bag")
    assert "pruned" in archiver("show", "tsk_1").out


def test_what_was_pruned_is_not_fetched_again_unless_it_is_new(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder, old: Path
) -> None:
    archiver(*PRUNE)
    assert fetch("tsk_1", "--refresh").runs == {"asked": 1, "unchanged": 1}
    server.add_run(
        task_run(
            "tsk_1",
            recording=server.artifact(webm(2)),
            screenshots=[server.artifact(png(), "screenshot")],
            downloads=[server.artifact(b"a new file", "download", "new.txt")],
            **OLD,
        )
    )
    fetch("tsk_1", "--refresh")
    rows = archive.rows("artifacts", run_id="tsk_1", revision=4)
    assert [row["filename"] for row in rows if row["kind"] == "download" and row["path"]] == [
        "new.txt"
    ]
    assert len([row for row in rows if row["pruned_at"]]) >= 1
    archiver("verify")
    assert archiver(*PRUNE, "--json").json["pruned_of"] == ["tsk_1"]
    assert not list(old.rglob("downloads/*"))
    archiver("verify")


def test_a_file_that_is_back_is_named(archiver: Command, archive: ArchiveFolder, old: Path) -> None:
    (recording,) = old.glob("r1/recording*")
    data = recording.read_bytes()
    archiver(*PRUNE)
    recording.write_bytes(data)
    (finding,) = archiver("verify", "--json", code=4).json["integrity"]["findings"]
    assert finding["path"] == str(recording.relative_to(archive.root))
    assert finding["level"] == "stray"


def test_a_file_that_is_gone_is_excused_by_nothing_else(
    archiver: Command, archive: ArchiveFolder, old: Path
) -> None:
    archiver(*PRUNE)
    (shot,) = old.glob("r2/screenshots/*.png")
    shot.unlink()
    (finding,) = archiver("verify", "--json", code=4).json["integrity"]["findings"]
    assert finding["path"] == str(shot.relative_to(archive.root))


def test_whole_runs_go_before_their_artifacts_and_holds_keep_both(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder, old: Path
) -> None:
    server.add_run(task_run("tsk_3", "failed", recording=server.artifact(webm(3)), **OLD))
    server.add_run(task_run("tsk_4", recording=server.artifact(webm(4)), **OLD))
    fetch("tsk_3", "tsk_4")
    archiver("hold", "tsk_4", "--reason", "case")
    rules = ("--rule", "older-than=2y status=failed", "--rule", "older-than=1y kind=recording")
    done = archiver("prune", *rules, "--json").json
    assert (done["runs"], done["pruned_of"], done["on_hold"]) == (["tsk_3"], ["tsk_1"], ["tsk_4"])
    ids = max(archive.root.glob("ledger/*.ids")).read_text().split()
    assert ids == ["tsk_1", "tsk_3"]
    archiver("verify")
    archiver("erase", "tsk_1", "--reason", "x", "--yes")
    archiver("verify")


def test_a_run_with_a_damaged_manifest_keeps_its_artifacts(
    archiver: Command, archive: ArchiveFolder, old: Path
) -> None:
    (old / "r1/manifest.json").write_text("{")
    before = archive.files()
    dry = archiver(*PRUNE, "--dry-run")
    assert "tsk_1: runs/" in dry.err
    assert "artifacts of 0 others" in dry.out
    ran = archiver(*PRUNE, "--json", code=4)
    assert "tsk_1" in ran.err
    assert ran.json["pruned_of"] == []
    after = archive.files()
    assert {path: after.get(path) for path in before} == before


@pytest.mark.parametrize("kinds", ["", ",", "video", "recording,", "recordings"])
def test_kinds_that_are_none_are_refused(
    archiver: Command, archive: ArchiveFolder, old: Path, kinds: str
) -> None:
    before = archive.files()
    archiver("prune", "--rule", f"older-than=1y kind={kinds}", code=2)
    assert archive.files() == before
