"""Proofs: whoever noted a head can check one run with nothing but the file."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, png, task_run


@pytest.fixture
def runs(server: LyingServer) -> list[str]:
    return [
        server.add_run(
            task_run(f"tsk_{number}", screenshots=[server.artifact(png(number), "screenshot")])
        )
        for number in range(1, 6)
    ]


@pytest.fixture
def head(fetch: Fetch, runs: list[str]) -> str:
    """The head after two sessions."""
    fetch(*runs[:4])
    return str(fetch(runs[4]).json["head"])


def test_a_proof_replaces_no_file_unless_told_so(
    archiver: Command, runs: list[str], head: str, tmp_path: Path
) -> None:
    proof = tmp_path / "proof.json"
    archiver("prove", runs[0], "--output", proof)
    before = proof.read_bytes()
    err = archiver("prove", runs[1], "--output", proof, code=2).err
    assert "--overwrite" in err
    assert proof.read_bytes() == before
    archiver("prove", runs[1], "--output", proof, "--overwrite")
    assert proof.read_bytes() != before


def test_a_proof_is_checked_without_the_archive(
    archiver: Command, archive: ArchiveFolder, runs: list[str], head: str, tmp_path: Path
) -> None:
    proof = tmp_path / "proof.json"
    for run in runs:
        archiver("prove", run, "--output", proof, "--overwrite")
        moved = archive.root.rename(tmp_path / "elsewhere")
        ran = archiver("check-proof", proof, "--head", head)
        assert run in ran.out
        assert head in ran.out
        shown = archiver("check-proof", proof, "--json").json
        moved.rename(archive.root)
        assert (shown["run_id"], shown["head"], shown["noted_head"]) == (run, head, None)
        for file in shown["files"]:
            data = (archive.run(run) / file["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]


def test_a_head_noted_earlier_will_do(
    archiver: Command, fetch: Fetch, runs: list[str], tmp_path: Path
) -> None:
    noted = fetch(runs[0]).json["head"]
    for run in runs:
        fetch(run)
    (tmp_path / "proof").write_text(archiver("prove", runs[0]).out)
    archiver("check-proof", tmp_path / "proof", "--head", noted.upper())
    (tmp_path / "proof").write_text(archiver("prove", runs[1]).out)
    ran = archiver("check-proof", tmp_path / "proof", "--head", noted, code=4)
    assert noted in ran.err


def test_a_proof_ends_with_the_session_that_is_asked_for(
    archiver: Command, fetch: Fetch, runs: list[str], tmp_path: Path
) -> None:
    first, second = (fetch(run).json for run in runs[:2])
    (tmp_path / "proof").write_text(archiver("prove", runs[0], "--session", first["session"]).out)
    shown = archiver("check-proof", tmp_path / "proof", "--json").json
    assert shown["head"] == first["head"] != second["head"]
    by_head = archiver("prove", runs[0], "--head", first["head"]).out
    assert by_head == archiver("prove", runs[0], "--session", first["session"]).out
    assert "no record" in archiver("prove", runs[0], "--head", "0" * 64, code=2).err
    archiver("prove", runs[0], "--head", "0", code=2)
    archiver("prove", runs[0], "--head", first["head"], "--session", first["session"], code=2)
    assert "no session" in archiver("prove", runs[0], "--session", "x", code=2).err
    later = second["session"][:-1] + "0"
    assert "no session" in archiver("prove", runs[0], "--session", later, code=2).err
    archiver("prove", runs[1], "--session", first["session"], code=2)


def test_each_revision_can_be_proven(
    archiver: Command, server: LyingServer, fetch: Fetch, runs: list[str], tmp_path: Path
) -> None:
    fetch(runs[0])
    server.add_run(task_run(runs[0], title="changed"))
    fetch(runs[0], "--refresh")
    for arguments, revision in (((), 2), (("--revision", "1"), 1), (("--revision", "2"), 2)):
        (tmp_path / "proof").write_text(archiver("prove", runs[0], *arguments).out)
        assert archiver("check-proof", tmp_path / "proof", "--json").json["revision"] == revision
    assert "revision 3" in archiver("prove", runs[0], "--revision", "3", code=2).err


def _change(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def harm(proof: dict[str, Any]) -> None:
        proof[name] = change(proof[name])

    return harm


@pytest.mark.parametrize(
    "harm",
    [
        _change("manifest", lambda text: text.replace("completed", "complete ")),
        _change("manifest", lambda _: "{}"),
        _change("manifest_path", lambda path: path.replace("tsk_2", "tsk_3")),
        _change("run_id", lambda _: "tsk_3"),
        _change("revision", lambda _: 2),
        _change("index", lambda index: index + 1),
        _change("index", lambda _: -1),
        _change("size", lambda size: size + 1),
        _change("size", lambda _: 0),
        _change("siblings", lambda siblings: siblings[::-1]),
        _change("siblings", lambda siblings: siblings[:-1]),
        _change("siblings", lambda siblings: ["zz", *siblings[1:]]),
        _change("records", lambda records: records[:-1]),
        _change("records", lambda records: records[::-1]),
        _change("records", lambda _: []),
        _change("records", lambda records: [records[0].replace("tsk", "tks") + " ", *records[1:]]),
        _change("records", lambda records: [*records[:-1], records[-1] + " "]),
        _change("format", lambda _: 99),
        lambda proof: proof.clear(),
    ],
)
def test_whatever_is_changed_is_found(
    archiver: Command,
    runs: list[str],
    head: str,
    tmp_path: Path,
    harm: Callable[[dict[str, Any]], None],
) -> None:
    proof = json.loads(archiver("prove", runs[1]).out)
    harm(proof)
    (tmp_path / "proof").write_text(json.dumps(proof))
    ran = archiver("check-proof", tmp_path / "proof", "--head", head, code=4)
    assert "Error: " in ran.err


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"format":1}', b"[" * 100_000])
def test_what_is_no_proof(archiver: Command, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "proof").write_bytes(data)
    assert "no proof" in archiver("check-proof", tmp_path / "proof", code=4).err


def test_what_is_not_so_is_not_proven(
    archiver: Command, archive: ArchiveFolder, runs: list[str], head: str
) -> None:
    assert head
    assert "no list" in archiver("prove", "tsk_99", code=2).err
    manifest = archive.run(runs[0]) / "r1/manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"completed", b"complete "))
    assert "is not what session" in archiver("prove", runs[0], code=4).err
    first, _ = sorted(archive.root.glob("ledger/*.json"))
    first.write_bytes(first.read_bytes() + b" ")
    assert first.stem in archiver("prove", runs[1], code=4).err


def test_a_proof_is_not_written_into_the_archive(
    archiver: Command, archive: ArchiveFolder, runs: list[str], head: str
) -> None:
    assert head
    archiver("prove", runs[0], "--output", archive.root / "proof.json", code=2)
    archiver("check-proof", archive.root / "nowhere", code=2)
    archiver("check-proof", archive.root / "archive.json", "--head", "12", code=2)
