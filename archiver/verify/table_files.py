"""The files of the tables: which belong there, and whether they are what was written."""

import filecmp
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged
from archiver.model.ids import Sha256, sha256_of
from archiver.model.paths import TABLES_FOLDER
from archiver.model.schema import CHECKS, FETCHES, RUNS, TABLES, Table
from archiver.store.names import is_leftover, is_own
from archiver.store.scan import Kind
from archiver.store.storage import LocalStorage
from archiver.system.files import open_file, unreadable
from archiver.tables.connect import limit_in
from archiver.tables.fetch_log import _LINE
from archiver.tables.files import TableFile
from archiver.tables.write import DigestCheck, check_digest
from archiver.verify.compare import Comparison
from archiver.verify.findings import REINDEX, RESTORE, Finding, Level, finding, unlisted
from archiver.verify.ledger import Ledger
from archiver.verify.walk import hidden_folders, misplaced, readable_entries


class SessionRows(NamedTuple):
    """How many rows a session has, their digest, and a file that some of them lie in.

    Rows that somebody forged may be of none.
    """

    session: str | None
    rows: int
    sha256: Sha256
    file: str | None


def stored_fetches(comparison: Comparison, files: Sequence[str]) -> Iterator[SessionRows]:
    """Yield what these Parquet files have, by session in order. Raises duckdb.Error."""
    named = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    query = (
        f"SELECT session, unhex(sha256({_LINE})) AS digest, filename "  # noqa: S608 # names of this machine's files
        f"FROM read_parquet([{named}], hive_partitioning = false, union_by_name = true, "
        "filename = true) ORDER BY session, digest"
    )
    for session, rows in groupby(comparison.each(query) if files else (), key=itemgetter(0)):
        digest, count, file = hashlib.sha256(), 0, None
        for _, row, file in rows:  # noqa: B007 # any file of theirs will do
            digest.update(row)
            count += 1
        yield SessionRows(session, count, Sha256(digest.hexdigest()), file)


NO_SEAL = "somebody else than archiver wrote it: it has no seal"
_MEMORY = 16 << 20
_END = 64 << 10
_WITHOUT = f"{RESTORE}; without one, `archiver reindex` goes on without what it told"
_AS_IS = f"{RESTORE}; without one, `archiver reindex` takes what it tells as it is"


@dataclass(slots=True)
class TableFiles:
    """The files of the tables, by table: those whose rows count, and those that were harmed.

    ``without_digest`` are those that others wrote, or an older version.
    """

    sound: dict[Table, list[str]] = field(default_factory=dict)
    harmed: dict[Table, list[str]] = field(default_factory=dict)
    without_digest: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def is_hidden(self, table_name: str) -> bool:
        """Tell whether files of a table may lie in a folder that could not be looked into."""
        folder = f"{TABLES_FOLDER}/{table_name}"
        return any(
            f"{one}/".startswith(f"{folder}/") or one == TABLES_FOLDER
            for one in hidden_folders(self.findings)
        )

    def harm(self, table: Table, path: str, problem: str, of_log: str = _WITHOUT) -> None:
        """Note that a file is harmed; ``of_log``: what to do about one that nothing can rebuild."""
        self.harmed.setdefault(table, []).append(path)
        todo = of_log if table.is_log else REINDEX
        self.findings.append(finding(path, problem, Level.TABLES, todo))

    def set_copies_aside(self, storage: LocalStorage, table: Table) -> None:
        """Name files with the same bytes as another: all their rows would be there twice."""
        alike: dict[tuple[int, bytes], list[str]] = {}
        for path in list(self.sound.get(table, ())):
            path_on_disk = storage.locate(path)
            others = alike.setdefault(_end_of(path_on_disk), [])
            same = (
                one
                for one in others
                if filecmp.cmp(storage.locate(one), path_on_disk, shallow=False)
            )
            first = next(same, None)
            if first is None:
                others.append(path)
                continue
            since = _last_session(storage, path)
            is_second = first.rpartition("/")[2] < since <= path.rpartition("/")[2]
            copy, original = (first, path) if is_second else (path, first)
            self.sound[table].remove(copy)
            self.findings.append(unlisted(copy, f"it is a copy of {original}"))


def table_files(
    storage: LocalStorage, check_stop: Callable[[], None], *, is_quick: bool = False
) -> TableFiles:
    """Look at every file of the tables: its place, its seal, and where it has none its content.

    Not at what is in it where it ``is_quick``.
    """
    found = TableFiles()
    named = {table.name: table for table in TABLES}
    for name, kind in readable_entries(storage, TABLES_FOLDER, found.findings):
        folder = f"{TABLES_FOLDER}/{name}"
        if kind is not Kind.FOLDER or name not in named:
            found.findings.append(misplaced(storage, folder))
            continue
        table = named[name]
        for month, of_month in readable_entries(storage, folder, found.findings):
            if is_leftover(f"{folder}/{month}"):
                found.findings.append(misplaced(storage, f"{folder}/{month}"))
                continue
            files = []
            if of_month is Kind.FOLDER:
                files = readable_entries(storage, f"{folder}/{month}", found.findings)
            belongs = is_own(folder, month)
            if not files and not (belongs and of_month is Kind.FOLDER):
                found.findings.append(misplaced(storage, f"{folder}/{month}"))
            for file, of_file in files:
                check_stop()
                path = f"{folder}/{month}/{file}"
                if not is_own(f"{folder}/{month}", file):
                    found.findings.append(misplaced(storage, path))
                elif of_file is not Kind.FILE:
                    found.harm(table, path, f"it is {of_file.value}")
                elif is_quick:
                    found.sound.setdefault(table, []).append(path)
                else:
                    _look_at(storage, table, path, found)
        if not is_quick:
            found.set_copies_aside(storage, table)
    return found


def quick_look(
    storage: LocalStorage, check_stop: Callable[[], None], *, has_runs: bool
) -> list[Finding]:
    """Return what is wrong with the names of the tables' files.

    ``has_runs``: the ledger lists some, so there must be files of them.
    """
    files = table_files(storage, check_stop, is_quick=True)
    if has_runs and not files.sound.get(RUNS) and not files.is_hidden(RUNS.name):
        path = f"{TABLES_FOLDER}/{RUNS.name}"
        files.findings.append(finding(path, "no file of it is there", Level.TABLES, REINDEX))
    return files.findings


def _look_at(storage: LocalStorage, table: Table, path: str, found: TableFiles) -> None:
    try:
        with os.fdopen(open_file(storage.locate(path), follow_links=False), "rb") as file:
            digest = check_digest(file)
        content = TableFile(storage, table, path) if digest is not DigestCheck.ALTERED else None
        if content is not None and digest is DigestCheck.NONE:
            for _ in content.batches(_MEMORY):
                pass
        problem = (
            "the bytes are not those that were written" if digest is DigestCheck.ALTERED else None
        )
        if digest is DigestCheck.NONE:
            found.without_digest.add(path)
            if table is CHECKS and problem is None:
                # Nothing else vouches for its rows, and no older archive has that table.
                found.harm(table, path, NO_SEAL, _AS_IS)
                return
    except OSError as error:
        problem = unreadable(path, error).message
    except ArchiveDamaged as error:
        problem = error.message
    if problem is None:
        found.sound.setdefault(table, []).append(path)
    else:
        found.harm(table, path, problem)


def _end_of(path_on_disk: Path) -> tuple[int, bytes]:
    """Size and last bytes of a file: of table files their seal is among them."""
    with path_on_disk.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END))
        return size, file.read()


def _last_session(storage: LocalStorage, path: str) -> str:
    """The last session that rows of a file are of: whatever wrote the file, it was not before."""
    path_on_disk = storage.locate(path)
    if "session" not in pq.read_schema(path_on_disk).names:
        return ""
    rows = pq.read_table(path_on_disk, columns=["session"], partitioning=None)
    return str(pc.max(rows["session"]).as_py())


_NAMED = 5
_PATH = f"{TABLES_FOLDER}/{FETCHES.name}"
_TODO = f"{RESTORE}; without one it is not known any more what that session asked for in vain"


def check_fetches(
    storage: LocalStorage,
    comparison: Comparison,
    files: TableFiles,
    ledger: Ledger,
    notes: list[str],
) -> Iterator[Finding]:
    """Hold the rows of each session against its record.

    What does not fit is one finding for each file. Where a file is harmed, that is one of its own,
    and what it had is not missing besides. Rows of sessions without a record are told in ``notes``:
    they were killed, or someone else wrote the rows. Raises ArchiveDamaged.
    """
    places = {str(storage.locate(path)): path for path in files.sound.get(FETCHES, ())}
    try:
        stored: dict[str | None, SessionRows] = {
            one.session: one for one in stored_fetches(comparison, list(places))
        }
    except duckdb.Error as error:
        raise limit_in(error) or ArchiveDamaged(
            f"{_PATH} cannot be read: {str(error).splitlines()[0]}", hint=RESTORE
        ) from None
    is_harmed = bool(files.harmed.get(FETCHES)) or files.is_hidden(FETCHES.name)
    problems: dict[str, list[str]] = {}
    if nameless := stored.pop(None, None):
        problems[places.get(nameless.file or "", _PATH)] = [f"{nameless.rows} rows of no session"]
    nothing = Sha256(sha256_of(b""))
    for session, record in ledger.records.items():
        there = stored.pop(session, SessionRows(session, 0, nothing, None))
        if record.fetches_sha256 is None:
            continue  # of an older version, which had no seals either
        if record.fetches_sha256 == there.sha256:
            if (path := places.get(there.file or "")) in files.without_digest:
                problems.setdefault(path, [NO_SEAL])
            continue
        if there.rows < record.fetches and is_harmed:
            continue
        problems.setdefault(places.get(there.file or "", _PATH), []).append(
            f"{there.rows} rows of session {session} instead of {record.fetches}"
            if there.rows != record.fetches
            else f"the rows of session {session} are not those that it wrote"
        )
    for path, of_path in problems.items():
        more = f"; and {len(of_path) - _NAMED} more" if len(of_path) > _NAMED else ""
        what = "; ".join(of_path[:_NAMED]) + more
        yield Finding(path, what, Level.TABLES, _TODO, table=FETCHES.name)
    unknown = sorted(s for s in stored if s and s not in ledger.lost and s <= ledger.last)
    if unknown:
        notes.append(
            f"{_PATH} has rows of {len(unknown)} sessions without a record, as a session leaves "
            f"that is killed; the last is {unknown[-1]}"
        )
