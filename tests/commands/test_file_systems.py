"""File systems as they are: what one of them refuses is done without, or said in words."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archiver.model.paths import download_prefix
from archiver.store.storage import LocalStorage
from archiver.tables.pin import restore_tables
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import Blob, LyingServer, task_run


def add_run(server: LyingServer, run_id: str) -> str:
    download = server.artifact(Blob(2_000, len(run_id)), "download", "a.bin")
    return server.add_run(task_run(run_id, downloads=[download]))


def refusing(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    number: int,
    applies: Callable[..., bool],
) -> list[object]:
    """Let a system call refuse what ``applies``; what comes back grows with each refusal."""
    call, refused = getattr(module, name), list[object]()

    def refuse(*arguments: Any, **options: Any) -> Any:
        if applies(*arguments):
            refused.append(arguments)
            raise OSError(number, os.strerror(number))
        return call(*arguments, **options)

    monkeypatch.setattr(module, name, refuse)
    return refused


@pytest.fixture
def everything(server: LyingServer, archiver: Command, fetch: Fetch) -> Callable[[], None]:
    """What a month does to an archive."""

    def run() -> None:
        for n in (1, 2, 3):
            assert fetch(add_run(server, f"tsk_{n}")).runs["fetched"] == 1
        archiver("reindex", "--compact")
        archiver("erase", "tsk_1", "--reason", "asked", "--yes")
        archiver("reindex")
        assert fetch("tsk_2", "tsk_3").runs == {"asked": 2, "unchanged": 2}
        archiver("verify")

    return run


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_folders_that_cannot_be_synced_are_not(
    everything: Callable[[], None], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refused = refusing(
        monkeypatch, os, "fsync", number, lambda fd: Path(f"/proc/self/fd/{fd}").resolve().is_dir()
    )
    everything()
    assert refused


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EACCES])
def test_file_systems_without_hard_links_are_taken(
    everything: Callable[[], None], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refused = refusing(monkeypatch, os, "link", number, lambda *_: True)
    everything()
    assert refused


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.EINVAL])
def test_folders_that_the_system_does_not_exchange_are_renamed(
    everything: Callable[[], None], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        import ctypes

        ctypes.set_errno(number)
        refused.append(number)
        return -1

    refused: list[int] = []
    monkeypatch.setattr("archiver.system.folders._system_rename", lambda: refuse)
    everything()
    assert refused


def no_renames(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """As on overlayfs: folders of a lower layer cannot be renamed at all."""
    monkeypatch.setattr("archiver.system.folders._system_rename", lambda: None)
    return refusing(
        monkeypatch, os, "rename", errno.EXDEV, lambda old, *_: Path(old).name == "tables"
    )


def test_folders_that_cannot_be_renamed_are_replaced(
    everything: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = no_renames(monkeypatch)
    everything()
    assert refused


def test_tables_whose_replacement_was_cut_off_are_the_new_ones(
    server: LyingServer, archive: ArchiveFolder, archiver: Command, fetch: Fetch
) -> None:
    fetch(add_run(server, "tsk_1"))
    whole = archive.root / "tmp/tables/20261124T010203.000Z-0011aabb-whole"
    shutil.copytree(archive.root / "tables", whole)
    shutil.rmtree(archive.root / "tables/runs")
    (row,) = archiver("query", "SELECT count(*) AS n FROM runs", "--format", "json").json
    assert row == {"n": 1}
    storage = LocalStorage(archive.root)
    storage.accept_root()
    restore_tables(storage)
    assert not whole.exists()
    archiver("verify")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_is_refused_in_words(
    server: LyingServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refusing(monkeypatch, fcntl, "flock", number, lambda *_: True)
    ran = fetch(add_run(server, "tsk_1"), code=10)
    assert "has no locks" in ran.err
    assert "choose another --archive" in ran.err


@pytest.mark.parametrize("name", ["runs", "tables", "ledger", "tmp"])
def test_a_folder_that_is_a_link_is_refused_in_words(
    server: LyingServer,
    archive: ArchiveFolder,
    archiver: Command,
    fetch: Fetch,
    tmp_path: Path,
    name: str,
) -> None:
    fetch(add_run(server, "tsk_1"))
    elsewhere = (archive.root / name).rename(tmp_path / "elsewhere")
    (archive.root / name).symlink_to(elsewhere)
    before = archive.files()
    ran = fetch(add_run(server, "tsk_2"), code=10)
    assert f"{name} is a link to another place" in ran.err
    assert "Put the folder itself in its place" in ran.err
    assert archive.files() == before
    told = archiver("verify", "--no-record", code=4).err
    assert "remove it" not in told
    assert f"{name}: it is a link" in told


def test_a_year_that_is_a_link_is_never_to_be_removed(
    server: LyingServer, archive: ArchiveFolder, archiver: Command, fetch: Fetch, tmp_path: Path
) -> None:
    fetch(add_run(server, "tsk_1"))
    (year,) = (archive.root / "runs").iterdir()
    year.rename(tmp_path / "elsewhere")
    year.symlink_to(tmp_path / "elsewhere")
    assert "remove it" not in archiver("verify", "--no-record", code=4).err


def test_a_folder_on_another_disk_is_said_in_words(
    server: LyingServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_run = lambda source, target: "/runs/" in os.fspath(target)  # noqa: E731 # of two calls
    refusing(monkeypatch, os, "replace", errno.EXDEV, is_run)
    refusing(monkeypatch, os, "link", errno.EXDEV, is_run)
    ran = fetch(add_run(server, "tsk_1"), code=3)
    assert "must lie in one file system" in ran.err


def test_names_fit_where_they_may_have_143_bytes(
    server: LyingServer,
    archiver: Command,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """As on eCryptfs."""
    opened, longest = os.open, 0

    def checked(path: Any, *arguments: Any, **options: Any) -> int:
        nonlocal longest
        if not isinstance(path, int) and "r1" not in os.fspath(path):
            longest = max(longest, len(os.fsencode(Path(os.fspath(path)).name)))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", checked)
    run_id = f"tsk_v2_{'9' * 128}"
    fetch(add_run(server, run_id))
    monkeypatch.undo()
    assert 0 < longest <= 143
    assert len(download_prefix(run_id)) < 110
