"""What was checked before, asked of the table ``checks`` and of the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from archiver.domain.checks import Past, oldest, share_due
from archiver.domain.timestamps import parse_timestamp
from archiver.errors import ArchiveDamaged
from archiver.ledger.records import read_record, sessions_in_ledger
from archiver.model.ledger import VERIFY, LedgerRecord
from archiver.store.storage import LocalStorage

if TYPE_CHECKING:
    import duckdb

ROTATED_AT = "rotated_at"
CHECK = "check"
_LAST_CHECKS = """
CREATE TEMP TABLE past AS
WITH last AS (SELECT path, max(checked_at) AS checked_at FROM checks
              WHERE depth = 'bytes' GROUP BY path),
sizes AS (SELECT run_id, revision, sum(size) FILTER (path IS NOT NULL) AS bytes
          FROM artifact_revisions GROUP BY run_id, revision)
SELECT path, coalesce(bytes, 0)::BIGINT + 8192 AS bytes, checked_at
FROM run_revisions LEFT JOIN sizes USING (run_id, revision) LEFT JOIN last USING (path)
"""
"""Manifest, sums and document of a revision take about 8 KB."""
_BY_AGE = "SELECT path, bytes, checked_at FROM past ORDER BY checked_at NULLS FIRST, path"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A check that did not come to its end, and the folders whose bytes it has read."""

    session: str
    done: frozenset[str]


def revisions_due(storage: LocalStorage, now: datetime, period: timedelta) -> frozenset[str]:
    """The folders of the revisions whose turn it is, where all are to be read once in ``period``.

    Raises ArchiveDamaged where the tables cannot be read.
    """
    from archiver.tables.views import ask, damage_found

    began, ended = last_rotation(storage)
    share = share_due(now, began, period)

    def work(connection: "duckdb.DuckDBPyConnection") -> frozenset[str]:
        with connection:
            connection.execute(_LAST_CHECKS)
            ((total,),) = connection.sql("SELECT coalesce(sum(bytes), 0) FROM past").fetchall()
            connection.execute(_BY_AGE)
            return frozenset(oldest(_past(connection), int(total), share, ended))

    with damage_found():
        return ask(storage, work, derived=False)


def _past(connection: "duckdb.DuckDBPyConnection") -> Iterator[Past]:
    while rows := connection.fetchmany(10_000):
        for row in rows:
            yield Past(*row)


def last_rotation(storage: LocalStorage) -> tuple[datetime | None, datetime | None]:
    """When the last check began and ended that read the oldest part and came to its end."""
    for record in _verifications(storage):
        moment = record.details.get(ROTATED_AT)
        if isinstance(moment, str) and not record.interrupted:
            try:
                return parse_timestamp(moment), record.finished_at
            except ValueError:
                continue
    return None, None


def unfinished_check(storage: LocalStorage) -> Unfinished | None:
    """The last check, if it was interrupted or killed. Raises ArchiveDamaged."""
    from archiver.tables.views import ask, damage_found

    def work(connection: "duckdb.DuckDBPyConnection") -> Unfinished | None:
        with connection:
            ((session,),) = connection.sql("SELECT max(session) FROM checks").fetchall()
            if session is None or _is_finished(storage, session):
                return None
            query = "SELECT path FROM checks WHERE session = ? AND depth = 'bytes' "
            query += "AND outcome = 'intact'"
            connection.execute(query, [session])
            done: list[str] = []
            while rows := connection.fetchmany(10_000):
                done += (row[0] for row in rows)
            return Unfinished(session, frozenset(done))

    with damage_found():
        return ask(storage, work, derived=False)


def _is_finished(storage: LocalStorage, session: str) -> bool:
    record = next((r for r in _verifications(storage) if r.details.get(CHECK) == session), None)
    return record is not None and not record.interrupted


def _verifications(storage: LocalStorage) -> Iterator[LedgerRecord]:
    """The records of verify, the last first; what cannot be read is passed over."""
    for session in reversed(sessions_in_ledger(storage)):
        try:
            record = read_record(storage, session).record
        except ArchiveDamaged:
            continue
        if record.kind == VERIFY:
            yield record
