"""What is damaged, full or cut off leaves no half of a package, and is told by its name."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import Command, child_command, child_environment
from tests.export.conftest import Known

EACH = (["--bagit", "{}/out"], ["--ro-crate", "{}/out"], ["--zip", "{}/out"])


@pytest.fixture
def copy(known: Known, tmp_path: Path) -> Path:
    """A copy of the archive, to be harmed."""
    shutil.copytree(known.held.root, tmp_path / "copy")
    return tmp_path / "copy"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS: list[tuple[Callable[[Path], object], str]] = [
    (flip, "recording.webm"),
    (lambda path: path.write_bytes(path.read_bytes() + b"x"), "screenshots/01.png"),
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), "run.json"),
    (Path.unlink, "downloads/invoice.pdf"),
    (make_folder, "downloads/invoice.pdf"),
    (Path.unlink, "manifest.json"),
    (flip, "manifest.json"),
    (lambda path: path.write_text(path.read_text().replace("tsk_1", "tsk_9")), "manifest.json"),
    (lambda path: path.write_text(path.read_text().replace("true", "true ")), "manifest.json"),
]
CASES = [(*case, arguments) for case, arguments in zip(HARMS, itertools.cycle(EACH))]


@pytest.mark.parametrize(("harm", "name", "arguments"), CASES)
def test_a_damaged_file_is_told_by_its_name(
    archiver: Command,
    copy: Path,
    tmp_path: Path,
    harm: Callable[[Path], object],
    name: str,
    arguments: list[str],
) -> None:
    (folder,) = copy.glob("runs/**/tsk_1")
    harm(folder / "r1" / name)
    filled = [argument.format(tmp_path) for argument in arguments]
    ran = archiver("export", "tsk_1", *filled, "--archive", copy, code=4)
    assert f"tsk_1/r1/{name}" in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "here"]
    archiver("export", "tsk_2", *filled, "--archive", copy)


def test_linked_files_are_checked_too(archiver: Command, copy: Path, tmp_path: Path) -> None:
    """And what is damaged is in the way of nothing but its own run."""
    (path,) = copy.glob("runs/**/tsk_1/r1/recording.webm")
    flip(path)
    archiver("export", "tsk_2", "--bagit", tmp_path / "other", "--archive", copy)
    bag = ("--bagit", tmp_path / "bag", "--link")
    assert "recording.webm" in archiver("export", "tsk_1", *bag, "--archive", copy, code=4).err
    assert path.exists()
    assert not (tmp_path / "bag").exists()


def test_a_ledger_that_is_no_chain_any_more_proves_nothing(
    archiver: Command, known: Known, copy: Path, tmp_path: Path
) -> None:
    record = copy / "ledger" / f"{known.sessions[0]}.json"
    record.write_text(record.read_text().replace("skyvern-archiver", "another archiver"))
    bag = ("--bagit", tmp_path / "bag")
    ran = archiver("export", "tsk_1", *bag, "--archive", copy, code=4)
    assert known.sessions[0] in ran.err
    assert not (tmp_path / "bag").exists()
    archiver("export", "tsk_3", *bag, "--archive", copy)  # its session is behind that


def test_runs_that_no_list_has_go_without_a_proof(
    archiver: Command, known: Known, copy: Path, tmp_path: Path
) -> None:
    (copy / "ledger" / f"{known.sessions[0]}.sha256").unlink()
    bag = ("--bagit", tmp_path / "bag")
    ran = archiver("export", "tsk_1", "tsk_3", *bag, "--archive", copy, "--json")
    assert ran.json["packages"][0]["without_proof"] == ["tsk_1"]
    assert "without a proof" in ran.err
    page = (tmp_path / "bag/HOW-TO-CHECK.txt").read_text()
    assert page.endswith("cut off.\n\n    tsk_1\n")
    assert not (tmp_path / "bag/data/runs/tsk_1/proof.json").exists()
    assert (tmp_path / "bag/data/runs/tsk_3/proof.json").exists()


def test_tables_that_cannot_be_read_are_damage(
    archiver: Command, copy: Path, tmp_path: Path
) -> None:
    for path in copy.glob("tables/runs/*/*.parquet"):
        data = bytearray(path.read_bytes())
        data[4:2000] = bytes(1996)
        path.write_bytes(data)
    for choice in (["tsk_1"], ["--where", "status = 'failed'"]):
        bag = ("--bagit", tmp_path / "bag")
        assert "reindex" in archiver("export", *choice, *bag, "--archive", copy, code=4).err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "here"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("arguments", EACH, ids=lambda arguments: arguments[0])
def test_a_full_disk_is_told_and_nothing_is_left(
    archiver: Command, copy: Path, small_disk: Path, arguments: list[str]
) -> None:
    grown = large(copy, os.urandom(100_000))
    filled = [argument.format(small_disk) for argument in arguments]
    ran = archiver("export", grown, *filled, "--archive", copy, code=3)
    assert "No space left" in ran.err
    assert list(small_disk.iterdir()) == []


def large(archive: Path, data: bytes, size: int | None = None) -> str:
    """Give a run another recording; the ledger has no list. Up to its size there is a hole."""
    size = size or len(data)
    (folder,) = archive.glob("runs/**/tsk_1")
    recording = folder / "r1/recording.webm"
    recording.write_bytes(data)
    os.truncate(recording, size)
    manifest = json.loads((folder / "r1/manifest.json").read_bytes())
    (entry,) = [a for a in manifest["artifacts"] if a["kind"] == "recording"]
    entry["size"], entry["sha256"] = size, hashlib.sha256(data).hexdigest()
    (folder / "r1/manifest.json").write_text(json.dumps(manifest))
    for path in archive.glob("ledger/*.sha256"):
        path.unlink()
    return "tsk_1"


@pytest.mark.parametrize("arguments", EACH[::2], ids=lambda arguments: arguments[0])
def test_an_export_that_is_interrupted_leaves_nothing(
    copy: Path, tmp_path: Path, arguments: list[str]
) -> None:
    huge = large(copy, b"", 8 << 30)  # it takes seconds to read
    filled = [argument.format(tmp_path) for argument in arguments]
    command = child_command("export", huge, *filled, "--archive", copy)
    with subprocess.Popen(command, env=child_environment(), stderr=subprocess.PIPE) as process:
        while not any(tmp_path.glob(".out.*")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        err = process.stderr.read()
    assert process.returncode == 130, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "here"]
