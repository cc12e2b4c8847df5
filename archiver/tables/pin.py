"""The tables while they are replaced: for their readers, and for the writer after one that was
killed."""

from collections.abc import Iterator

from archiver.model.paths import REPLACED_TABLES, TABLES_FOLDER
from archiver.store.storage import LocalStorage
from archiver.system.folders import BETWEEN_ENDING, WHOLE_ENDING, FolderSnapshot


def snapshot_tables(storage: LocalStorage) -> FolderSnapshot:
    """The tables as they are now, wherever they are; empty where there are none yet."""
    while True:
        # While they are in neither place, their own is taken the next moment.
        for path in (*_aside(storage, WHOLE_ENDING), TABLES_FOLDER, *_aside(storage)):
            tables = FolderSnapshot(storage.locate(path))
            if tables.is_there:
                return tables
        if not storage.exists(TABLES_FOLDER):
            return tables


def restore_tables(storage: LocalStorage) -> None:
    """Put the tables back where a killed writer had moved them aside to replace them.

    It does so only where a file system cannot exchange two folders at once.
    """
    for path in _aside(storage, WHOLE_ENDING):
        storage.put_in_place(path, TABLES_FOLDER)
    if not storage.exists(TABLES_FOLDER):
        for path in _aside(storage):
            storage.rename(path, TABLES_FOLDER)


def remove_replaced_tables(storage: LocalStorage) -> None:
    """Remove replaced tables, and such as were never finished, unless somebody still reads them."""
    for name in storage.own_names(REPLACED_TABLES):
        storage.remove_unless_in_use(f"{REPLACED_TABLES}/{name}")
    if storage.exists(REPLACED_TABLES):
        storage.remove_empty(REPLACED_TABLES)


def _aside(storage: LocalStorage, ending: str = BETWEEN_ENDING) -> Iterator[str]:
    """The old tables, while they are in neither place, or the new ones (see exchange_folders)."""
    for name in storage.own_names(REPLACED_TABLES):
        if name.endswith(ending):
            yield f"{REPLACED_TABLES}/{name}"
