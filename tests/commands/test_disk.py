"""A disk that refuses is said once, and what was kept stays kept."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import ArchiveUnwritable
from archiver.session import open_for_writing
from archiver.store.archive_file import open_archive
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_command, child_environment
from tests.commands.nights import spend_night
from tests.lying_server import FOREVER, Blob, LyingServer, Stall, task_run

SMALL = 8 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, where one can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(server: LyingServer, runs: int, size: int = 1 << 20) -> list[str]:
    return [
        server.add_run(
            task_run(f"tsk_{n}", downloads=[server.artifact(Blob(size, n), "download", "a.bin")])
        )
        for n in range(runs)
    ]


def test_a_full_disk_ends_the_batch_with_one_line_and_can_be_gone_on_with(
    server: LyingServer, archiver: Command, small_disk: Path
) -> None:
    ids = fill(server, 40)
    archive = small_disk / "archive"
    ran = archiver("fetch", *ids, "--archive", archive, code=3)

    errors = [line for line in ran.err.splitlines() if "No space left" in line]
    assert len(errors) == 1
    assert "Free some space" in errors[0]
    assert len(server.requests) < 60
    archiver("verify", "--archive", archive)
    kept = {path: path.read_bytes() for path in archive.rglob("manifest.json")}
    subprocess.run(["mount", "-o", f"remount,size={60 << 20}", str(small_disk)], check=True)
    again = archiver("fetch", *ids, "--archive", archive, "--json")
    assert again.runs["fetched"] + again.runs.get("unchanged", 0) == 40
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert len(list(archive.rglob("manifest.json"))) == 40
    archiver("verify", "--archive", archive)


def test_a_disk_without_room_to_merge_table_files_is_a_warning_and_no_more(
    server: LyingServer, archiver: Command, small_disk: Path
) -> None:
    archive = small_disk / "archive"
    for night in range(16):
        with open_for_writing(archive, datetime.now(UTC), night.to_bytes(4)) as writer:
            texts = [os.urandom(SMALL // 50).hex() for _ in range(2)]
            spend_night(writer, [f"wr_{night}"], datetime.now(UTC), documents=texts)
    before = {path: path.read_bytes() for path in archive.rglob("*.parquet")}
    (run_id,) = fill(server, 1, 1000)

    ran = archiver("fetch", run_id, "--archive", archive, "--json", "--quiet")

    assert ran.runs == {"asked": 1, "fetched": 1}
    (warning,) = ran.err.splitlines()
    assert "No space left" in warning
    assert "Free some space" in warning
    after = {path: path.read_bytes() for path in archive.rglob("*.parquet")}
    assert before.items() < after.items()
    assert [path.name for path in (archive / "tmp").iterdir() if path.name != "lock"] == []
    assert "No space left" in archiver("reindex", "--compact", "--archive", archive, code=3).err
    assert {path: path.read_bytes() for path in archive.rglob("*.parquet")} == after


@pytest.mark.parametrize(
    "to",
    [["--csv", "x"], ["--parquet", "x"], ["--duckdb", "x"], ["--zip", "x.zip"], ["--bagit", "x"]],
)
def test_a_disk_that_is_full_under_an_export_is_no_wrong_usage(
    server: LyingServer, archiver: Command, small_disk: Path, to: list[str]
) -> None:
    text = os.urandom(SMALL).hex()
    run_id = server.add_run(task_run("tsk_1", output={"text": text}))
    archiver("fetch", run_id, "--max-document-size", "64MB")
    chosen = [run_id] if to[0] in ("--zip", "--bagit") else []
    err = archiver("export", *chosen, to[0], small_disk / to[1], code=3).err
    assert "cannot write" in err
    assert "[Errno" not in err
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_is_read_only_is_said_and_can_still_be_read(
    server: LyingServer, archiver: Command, small_disk: Path
) -> None:
    (run_id, other) = fill(server, 2, 1000)
    archive = small_disk / "archive"
    archiver("fetch", run_id, "--archive", archive)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for command in (["fetch", other], ["reindex"]):
        assert "read-only" in archiver(*command, "--archive", archive, code=3).err
    archiver("verify", "--archive", archive)
    assert len(archiver("query", "FROM runs", "--archive", archive, "--format", "json").json) == 1


def test_no_folder_is_made_where_the_archive_was(archive: ArchiveFolder, fetch: Fetch) -> None:
    fetch("tsk_1", code=3)
    storage = open_archive(archive.root)
    storage.accept_root()
    moved = archive.root.rename(archive.root.with_name("moved"))
    with pytest.raises(ArchiveUnwritable, match="not there any more"):
        storage.make_new_folder("runs/2026/11/tsk_1")
    assert not archive.root.exists()
    moved.rename(archive.root)
    assert storage.make_new_folder("runs/2026/11/tsk_1")


@pytest.mark.parametrize("new", [False, True], ids=["gone", "another"])
def test_a_folder_that_vanishes_is_never_made_anew(
    server: LyingServer, archive: ArchiveFolder, fetch: Fetch, new: bool
) -> None:
    recording = server.artifact(Blob(100_000, 1), "recording")
    server.lie(recording, Stall(50_000))
    server.add_run(task_run("tsk_big", recording=recording))
    ids = fill(server, 3, 1000)
    process = subprocess.Popen(
        child_command("fetch", "tsk_big", *ids, "--stall-timeout", "1s", "--attempts", "2"),
        env=child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not list((archive.root / "tmp").glob("tsk_big-*.part")):
        assert process.poll() is None
    moved = archive.root.rename(archive.root.with_name("moved"))
    if new:
        archive.root.mkdir()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert err.count(b"moved, removed or unmounted") == 1
    assert b"Traceback" not in err
    if new:
        assert not [path for path in archive.root.rglob("*") if path.is_file()]
        shutil.rmtree(archive.root)
    moved.rename(archive.root)
    server.stop_lying()
    assert sum(fetch("tsk_big", *ids).runs.values()) == 8


@pytest.mark.parametrize("limit", [16, 20, 24, 32])
def test_too_few_open_files_are_said_once(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, limit: int
) -> None:
    ids = fill(server, 30, 1000)
    ended = subprocess.run(
        child_command("fetch", *ids),
        env=child_environment(),
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )
    assert b"Traceback" not in ended.stderr
    if ended.returncode:
        assert ended.returncode == 3
        lines = ended.stderr.decode().splitlines()
        assert len([line for line in lines if os.strerror(errno.EMFILE) in line]) <= 1
    archiver("fetch", *ids)
    archiver("verify")
    assert len(archive.rows("runs")) == 30


def test_two_writers_that_start_together_do_not_meet(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    recording = server.artifact(Blob(100_000, 1), "recording")
    server.lie(recording, Stall(50_000), times=FOREVER)
    server.add_run(task_run("tsk_1", recording=recording))
    options = ("--stall-timeout", "2s", "--attempts", "1")
    writers = [
        subprocess.Popen(
            child_command("fetch", "tsk_1", *options),
            env=child_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    ends = [(writer.communicate(timeout=30)[1], writer.returncode) for writer in writers]
    assert sorted(code for _, code in ends) == [3, 11, 11]
    assert all(b"another writer holds" in err for err, code in ends if code == 11)
    assert archive.revisions("tsk_1") == ["r1"]


def test_a_journal_that_does_not_fit_is_an_error(small_disk: Path) -> None:
    journaled = [f"runs/2026/11/23/tsk_{n}/r1" for n in range(500)]
    with open_for_writing(small_disk / "archive", datetime.now(UTC), b"1234") as writer:
        writer.journal(journaled[:1])
        filler = (small_disk / "filler").open("wb", buffering=0)
        with filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        with pytest.raises(ArchiveUnwritable):
            writer.journal(journaled)
