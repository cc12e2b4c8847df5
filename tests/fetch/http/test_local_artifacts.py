"""A self-hosted server's files are read below the folder that the user named, nowhere else."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    LyingServer,
    task_run,
)

DATA = b"%PDF-1.7 " + b"the same again and again, " * 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a self-hosted server's artifacts, with a secret beside it."""
    (tmp_path / "secret.txt").write_bytes(b"secret")
    folder = tmp_path / "artifacts of the server"
    (folder / "o_1").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name", ["plain.txt", "2026-11-23T01:02:03 file.txt", "50%25.txt", "a?b#c.txt", "für №1.txt"]
)
@pytest.mark.parametrize("spelled", ["raw", "escaped", "localhost"])
def test_local_files_are_read_below_the_folder_named(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, folder: Path, name: str, spelled: str
) -> None:
    path = folder / "o_1" / name
    path.write_bytes(DATA)
    host = "localhost" if spelled == "localhost" else ""
    url = f"file://{host}{path}" if spelled == "raw" else f"file://{host}{quote(str(path))}"
    digest = hashlib.sha256(DATA).hexdigest()
    entry = {"url": url, "checksum": digest, "filename": name, "file_size": len(DATA)}
    server.add_run(task_run("tsk_1", downloads=[entry]))

    assert fetch("tsk_1", "--local-artifacts", folder).states == {"verified": 1}
    assert archive.read("tsk_1", "download 1") == DATA


def test_a_local_file_of_another_size_and_digest_is_a_mismatch(
    server: LyingServer, fetch: Fetch, folder: Path
) -> None:
    path = folder / "a.txt"
    path.write_bytes(DATA[:100])
    digest = hashlib.sha256(DATA).hexdigest()
    entry = {"url": f"file://{path}", "checksum": digest, "file_size": len(DATA)}
    server.add_run(task_run("tsk_1", downloads=[entry]))
    assert fetch("tsk_1", "--local-artifacts", folder, code=3).states == {"mismatch": 1}


def test_without_a_folder_local_files_have_failed_with_a_hint(
    server: LyingServer, fetch: Fetch, folder: Path
) -> None:
    path = folder / "a.txt"
    path.write_bytes(DATA)
    server.add_run(task_run("tsk_1", downloads=[{"url": f"file://{path}", "filename": "a"}]))
    ran = fetch("tsk_1", code=3)
    assert ran.states == {"failed": 1}
    assert "--local-artifacts" in ran.reasons[0]


@pytest.mark.parametrize(
    "where",
    [
        "{folder}/../secret.txt",
        "{folder}/o_1/../../secret.txt",
        "{folder}/%2e%2e/secret.txt",
        "{folder}/..%2fsecret.txt",
        "{folder}/link.txt",
        "{folder}/linked/secret.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "{folder}",
        "{folder}/o_1",
        "{folder}\x00/secret.txt",
        "",
        "/" + "x" * 5000,
    ],
)
def test_local_files_outside_the_folder_are_not_read(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, folder: Path, where: str
) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "linked").symlink_to(folder.parent)
    url = "file://" + where.format(folder=folder)
    server.add_run(task_run("tsk_1", downloads=[{"url": url, "filename": "a"}], recording=url))
    server.add_run(task_run("tsk_2"))

    ran = fetch("tsk_1", "tsk_2", "--local-artifacts", folder, code=None)
    assert ran.code in (0, 3)
    assert set(archive.states("tsk_1").values()) <= {"failed", "gone"}
    assert not list(archive.run("tsk_1").rglob("downloads/*"))


def test_a_local_file_that_is_not_there_is_gone(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, folder: Path
) -> None:
    entry = {"url": f"file://{folder}/missing.txt", "filename": "missing.txt"}
    server.add_run(task_run("tsk_1", downloads=[entry]))
    assert fetch("tsk_1", "--local-artifacts", folder).states == {"gone": 1}


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_a_local_artifact_that_is_no_file_holds_nothing_up(
    server: LyingServer, fetch: Fetch, folder: Path, kind: str
) -> None:
    path = folder / "odd"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    server.add_run(task_run("tsk_1", recording=f"file://{path}"))
    ran = fetch("tsk_1", "--local-artifacts", folder, code=None)
    assert ran.states.keys() <= {"failed", "gone"}
