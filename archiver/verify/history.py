"""What verify leaves in the archive: rows of ``checks``, and a record in the ledger.

The archive is held only while something is written, not for the hours of reading.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from archiver.errors import ArchiveDamaged, ArchiveLocked, ArchiverError
from archiver.ledger.records import read_record, remove_unrecorded, sessions_in_ledger
from archiver.model.ids import parse_timestamp
from archiver.model.ledger import VERIFY, LedgerRecord
from archiver.model.rows import Row
from archiver.model.schema import CHECKS
from archiver.session import ClosedSession, Signing, WritingSession, open_for_writing
from archiver.store.lock import Writer
from archiver.store.storage import LocalStorage
from archiver.system.stop import StopSwitch
from archiver.tables.write import RowBuffer, flush_name
from archiver.verify.findings import Depth, Level, VerifyReport, without_name
from archiver.verify.revisions import RevisionCheck

if TYPE_CHECKING:
    import duckdb

INTACT = "intact"
DAMAGED = "damaged"
FIRST = timedelta(days=1)
"""How long ago the last rotating check is taken to have been where there was none."""


class Check(msgspec.Struct, frozen=True):
    """That a revision was looked at, and what was found: a row of the table ``checks``."""

    run_id: str
    revision: int
    path: str
    session: str
    checked_at: datetime
    depth: Depth
    outcome: str
    files: int
    bytes: int
    findings: tuple[str, ...]


_row = attrgetter(*CHECKS.column_names)


def check_row(check: Check) -> Row:
    """Return the row of the table ``checks``."""
    row: Row = _row(check)
    return row


class Past(msgspec.Struct, frozen=True):
    """A revision's folder, the bytes that it takes, and when they were last read."""

    path: str
    bytes: int
    checked_at: datetime | None


def share_due(now: datetime, last: datetime | None, period: timedelta) -> float:
    """Return which share of the bytes, 0 to 1, to read now so that each is read once in ``period``.

    ``last`` is when the check began that did so before.
    """
    elapsed = FIRST if last is None else max(timedelta(), now - last)
    return min(1.0, elapsed / period) if period else 1.0


def oldest(
    revisions: Iterable[Past], total: int, share: float, since: datetime | None
) -> Iterator[str]:
    """Yield the folders of revisions whose turn it is, out of all in the order of their last check.

    Those of ``share`` of the ``total`` bytes, at least one; what was read after ``since`` by a
    check that did not come to its end counts.
    """
    budget = total * share
    chosen = 0
    for one in revisions:
        if since is not None and one.checked_at is not None and one.checked_at > since:
            budget -= one.bytes
            continue
        if chosen and budget <= 0:
            continue
        chosen += 1
        budget -= one.bytes
        yield one.path


ROTATED_AT = "rotated_at"
CHECK = "check"
_LAST_CHECKS = """
CREATE TEMP TABLE past AS
WITH last AS (SELECT path, max(checked_at) AS checked_at FROM checks
              WHERE depth = 'bytes' AND checked_at <= $now GROUP BY path),
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


def revisions_due(
    storage: LocalStorage, now: datetime, period: timedelta, notes: list[str]
) -> frozenset[str]:
    """Return the folders of the revisions to read now so that all are read once in ``period``.

    What was checked at a moment that is still to come counts as never, and ``notes`` say so.
    Raises ArchiveDamaged where the tables cannot be read.
    """
    from archiver.tables.views import read_tables

    began, ended = last_rotation(storage, now, notes)
    share = share_due(now, began, period)

    def work(connection: "duckdb.DuckDBPyConnection") -> frozenset[str]:
        connection.execute(_LAST_CHECKS, {"now": now})
        ((total,),) = connection.sql("SELECT coalesce(sum(bytes), 0) FROM past").fetchall()
        connection.execute(_BY_AGE)
        return frozenset(oldest(_past(connection), int(total), share, ended))

    return read_tables(storage, work)


def _past(connection: "duckdb.DuckDBPyConnection") -> Iterator[Past]:
    while rows := connection.fetchmany(10_000):
        for row in rows:
            yield Past(*row)


def last_rotation(
    storage: LocalStorage, now: datetime, notes: list[str]
) -> tuple[datetime | None, datetime | None]:
    """Return when the last check that read the oldest part and came to its end began and ended."""
    for record in _verifications(storage):
        moment = record.details.get(ROTATED_AT)
        if isinstance(moment, str) and not record.interrupted:
            try:
                began = parse_timestamp(moment)
            except ValueError:
                continue
            if max(began, record.finished_at) <= now:
                return began, record.finished_at
            notes.append(
                f"the check {record.session} says that it ended on {record.finished_at:%Y-%m-%d}, "
                "which is still to come: it counts as never. Was the clock ahead?"
            )
    return None, None


def unfinished_check(storage: LocalStorage, now: datetime) -> Unfinished | None:
    """Return the last check before ``now``, if it was interrupted or killed.

    Raises ArchiveDamaged.
    """
    from archiver.tables.views import read_tables

    def work(connection: "duckdb.DuckDBPyConnection") -> Unfinished | None:
        last = "SELECT max(session) FROM checks WHERE checked_at <= ?"
        ((session,),) = connection.execute(last, [now]).fetchall()
        if session is None or _is_finished(storage, session):
            return None
        query = "SELECT path FROM checks WHERE session = ? AND depth = 'bytes' "
        query += "AND outcome = 'intact'"
        connection.execute(query, [session])
        done: list[str] = []
        while rows := connection.fetchmany(10_000):
            done += (row[0] for row in rows)
        return Unfinished(session, frozenset(done))

    return read_tables(storage, work)


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


FLUSH_SECONDS = 300.0
_FLUSH_ROWS = 100_000
_PATIENCE = 10.0
"""Seconds that another writer is waited for at the end."""
_LOOK_SECONDS = 0.25
_MOST = 100
"""Findings that a record or a row has; their total number stands beside them."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Where and for whom a check is recorded; ``session`` is its id, ``started_at`` in UTC."""

    archive: Path
    session: str
    started_at: datetime
    now: Callable[[], datetime]
    random: Random
    signing: Signing
    stop: StopSwitch
    details: dict[str, Any]


class CheckLog:
    """Gathers what was looked at, and writes it into the archive from time to time."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._waiting: list[tuple[RevisionCheck, datetime]] = []
        self._flushed_at = time.monotonic()

    def take(self, checks: list[RevisionCheck], altered: Callable[[], set[str]]) -> None:
        """Note revisions that were checked; ``altered`` says whose manifest is not to be trusted.

        Where the archive cannot be written now, they wait for the next time.
        """
        now = self._recording.now()
        self._waiting += ((check, now) for check in checks)
        waited = time.monotonic() - self._flushed_at
        if waited >= FLUSH_SECONDS or len(self._waiting) >= _FLUSH_ROWS:
            self._flushed_at = time.monotonic()
            problem = "its manifest is not what was committed"
            damaged: dict[str, tuple[str, ...]] = dict.fromkeys(altered(), (problem,))
            with contextlib.suppress(ArchiverError), self._held(0) as writer:
                self._write(writer, damaged)

    def close(self, report: VerifyReport) -> ClosedSession:
        """Write what waits, and the record.

        Raises ArchiveLocked, ArchiveUnwritable, NotAnArchive.
        """
        damaged: dict[str, tuple[str, ...]] = {}
        for one in report.findings:
            if one.level is not Level.TABLES and one.revision is not None:
                folder = f"{one.path.partition('/r' + str(one.revision))[0]}/r{one.revision}"
                damaged[folder] = (*damaged.get(folder, ()), f"{one.path}: {one.problem}")
        with self._held(_PATIENCE) as writer:
            self._write(writer, damaged)
            # What killed fetches left is for the next fetch to list: their journals stay.
            remove_unrecorded(writer.storage)
            recording = self._recording
            session = WritingSession(
                replace(writer, unfinished=()),
                VERIFY,
                recording.signing,
                recording.now,
                recording.started_at,
            )
            return session.close(
                stopping=lambda: recording.stop.interrupted,
                interrupted=report.interrupted,
                runs={"revisions": report.revisions, "skipped": report.skipped},
                details=self._details(report),
            )

    def _details(self, report: VerifyReport) -> dict[str, Any]:
        # Nothing of a record can be erased: names of files have no place in it.
        findings = [
            {"path": without_name(one.path), "level": one.level} for one in report.findings[:_MOST]
        ]
        return {
            CHECK: self._recording.session,
            "outcome": INTACT if report.is_intact else DAMAGED,
            "files": report.files,
            "bytes": report.bytes,
            "findings_total": len(report.findings),
            "findings": findings,
            "gaps_total": len(report.open_gaps),
            **self._recording.details,
        }

    def _write(self, writer: Writer, damaged: dict[str, tuple[str, ...]]) -> None:
        buffer = RowBuffer()
        for check, at in self._waiting:
            found = tuple(f"{one.path}: {one.problem}" for one in check.findings)
            found = (damaged.get(check.folder) or found)[:_MOST]
            row = Check(
                check.run_id,
                check.revision,
                check.folder,
                self._recording.session,
                at,
                check.depth,
                DAMAGED if found else INTACT,
                check.files,
                check.bytes,
                found,
            )
            buffer.add(CHECKS, [check_row(row)], at)
        buffer.write(writer.storage, flush_name(writer.session, 1))
        self._waiting.clear()

    @contextlib.contextmanager
    def _held(self, patience: float) -> Iterator[Writer]:
        """The archive, held for a moment; somebody else who holds it is waited for."""
        recording = self._recording
        until = time.monotonic() + patience
        with contextlib.ExitStack() as stack:
            while True:
                held = open_for_writing(
                    recording.archive,
                    recording.now(),
                    recording.random.randbytes(4),
                    upgrades=False,  # whoever only looks changes nothing that others rely on
                )
                try:
                    writer = stack.enter_context(held)
                    break
                except ArchiveLocked:
                    if time.monotonic() >= until or recording.stop.is_set:
                        raise
                    time.sleep(_LOOK_SECONDS)
            yield writer
