"""A reader keeps the tables that it reads, whatever takes their place meanwhile."""

import sys
from pathlib import Path

import pytest

from archiver.store.storage import LocalStorage
from archiver.system.folders import FolderSnapshot, is_in_use

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere readers begin again")


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    storage = LocalStorage(tmp_path / "archive")
    storage.make_root()
    storage.make_folder("tmp")
    storage.put("tables/runs/a", b"old")
    storage.put("tmp/new/runs/b", b"new")
    return storage


@linux
def test_a_folder_that_is_read_stays_until_it_is_released(storage: LocalStorage) -> None:
    pinned = FolderSnapshot(storage.locate("tables"))
    assert not is_in_use(storage.locate("tmp"))
    storage.replace_folder("tmp/new", "tables")

    assert storage.names("tables/runs") == ["b"]
    assert pinned.names("runs") == ["a"]
    assert Path(pinned.path, "runs/a").read_bytes() == b"old"
    assert is_in_use(storage.locate("tmp/new"))
    storage.remove_unless_in_use("tmp/new")
    pinned.release()
    assert not is_in_use(storage.locate("tmp/new"))
    storage.remove_unless_in_use("tmp/new")
    assert storage.names("tmp") == []


@linux
def test_what_nobody_reads_is_removed_at_once(storage: LocalStorage) -> None:
    FolderSnapshot(storage.locate("tables")).release()
    storage.replace_folder("tmp/new", "tables")
    assert storage.names("tmp") == []


def test_a_folder_that_is_not_there_has_nothing_in_it(storage: LocalStorage) -> None:
    pinned = FolderSnapshot(storage.locate("nowhere"))
    assert pinned.names("runs") == []
    pinned.release()
