"""What a killed writer, or one before whose tables are still read, left of tables set aside."""

from archiver.adapters.exchange import BETWEEN_ENDING
from archiver.adapters.storage import LocalStorage
from archiver.domain.paths import TABLES_ASIDE, TABLES_FOLDER


def restore_tables(storage: LocalStorage) -> None:
    """Put the tables back where a killed writer had moved them aside to replace them.

    It does so only where a file system cannot exchange two folders at once.
    """
    if not storage.exists(TABLES_FOLDER):
        for name in storage.names(TABLES_ASIDE):
            if name.endswith(BETWEEN_ENDING):
                storage.rename(f"{TABLES_ASIDE}/{name}", TABLES_FOLDER)


def remove_tables_aside(storage: LocalStorage) -> None:
    """Remove replaced tables, and such as were never finished, unless somebody still reads them."""
    for name in storage.names(TABLES_ASIDE):
        storage.remove_unless_pinned(f"{TABLES_ASIDE}/{name}")
    if storage.exists(TABLES_ASIDE):
        storage.remove_empty(TABLES_ASIDE)
