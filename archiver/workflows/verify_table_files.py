"""The files of the tables: which belong there, and whether they are what was written."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from archiver.adapters.inventory import Kind, entries
from archiver.adapters.seal import is_sealed_truly
from archiver.adapters.storage import LocalStorage
from archiver.adapters.table_files import TableFile
from archiver.domain.findings import REINDEX, RESTORE, Finding, Level, finding
from archiver.domain.paths import TABLES_FOLDER
from archiver.domain.tables import TABLES, Table
from archiver.errors import ArchiveDamaged
from archiver.workflows.verify_revisions import stray

_FILE = re.compile(r"\d{4}-\d\d/(\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}-\d{4,})\.parquet", re.ASCII)
_MEMORY = 16 << 20


@dataclass(slots=True)
class TableFiles:
    """The files of the tables, by table: those whose rows count, and those that were harmed."""

    sound: dict[Table, list[str]] = field(default_factory=dict)
    harmed: dict[Table, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def table_files(storage: LocalStorage, check_stop: Callable[[], None]) -> TableFiles:
    """Look at every file of the tables: its place, its seal, and where it has none its content."""
    found = TableFiles()
    named = {table.name: table for table in TABLES}
    for name, kind in entries(storage, TABLES_FOLDER):
        folder = f"{TABLES_FOLDER}/{name}"
        if kind is not Kind.FOLDER or name not in named:
            found.findings.append(stray(folder))
            continue
        table = named[name]
        for month, _ in entries(storage, folder):
            for file, _ in entries(storage, f"{folder}/{month}") or [("", Kind.OTHER)]:
                check_stop()
                path = f"{folder}/{month}/{file}".rstrip("/")
                prefix, _, value = month.partition("=")
                if prefix == table.partition and _FILE.fullmatch(f"{value}/{file}"):
                    _look_at(storage, table, path, found)
                elif file or not value:
                    found.findings.append(stray(path))
    return found


def _look_at(storage: LocalStorage, table: Table, path: str, found: TableFiles) -> None:
    try:
        with storage.locate(path).open("rb") as file:
            sealed = is_sealed_truly(file)
        if sealed is None:
            for _ in TableFile(storage, table, path).batches(_MEMORY):
                pass
        problem = "the bytes are not those that were written" if sealed is False else None
    except (ArchiveDamaged, OSError) as error:
        problem = getattr(error, "message", str(error))
    if problem is None:
        found.sound.setdefault(table, []).append(path)
    else:
        found.harmed.setdefault(table, []).append(path)
        todo = f"{RESTORE}; without one, `archiver reindex` goes on without what it told"
        found.findings.append(
            finding(path, problem, Level.TABLES, todo if table.is_log else REINDEX)
        )
