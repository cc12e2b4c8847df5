"""The table ``fetches`` against the ledger: it is a log, and only its sessions' records know it."""

from collections.abc import Iterator

import duckdb

from archiver.domain.digest import Sha256, sha256_of
from archiver.errors import ArchiveDamaged
from archiver.model.paths import TABLES_FOLDER
from archiver.model.schema import FETCHES
from archiver.store.storage import LocalStorage
from archiver.tables.fetch_log import SessionRows, stored_fetches
from archiver.verify.compare import Comparison
from archiver.verify.findings import RESTORE, Finding, Level
from archiver.verify.ledger import Ledger
from archiver.verify.table_files import NO_SEAL, TableFiles

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
        raise ArchiveDamaged(
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
            if (path := places.get(there.file or "")) in files.unsealed:
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
