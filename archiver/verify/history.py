"""What verify leaves in the archive: rows of ``checks``, and a record in the ledger.

The archive is held only while something is written, not for the hours of reading.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from archiver.adapters.past_checks import CHECK
from archiver.domain.checks import DAMAGED, INTACT, Check, check_row
from archiver.errors import ArchiveLocked, ArchiverError
from archiver.fetch.options import StopSwitch
from archiver.ledger.records import remove_unrecorded
from archiver.model.ledger import VERIFY, LedgerRecord
from archiver.model.schema import CHECKS
from archiver.session import Closed, SignOff, close_session
from archiver.store.lock import TOOL, Writer, hold_archive
from archiver.tables.write import RowBuffer, flush_name
from archiver.verify.findings import Level, Report, without_name
from archiver.verify.revisions import RevisionCheck

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
    sign_off: SignOff
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

    def close(self, report: Report) -> Closed:
        """Write the rest, and the record. Raises ArchiveLocked, ArchiveUnwritable, NotAnArchive."""
        damaged: dict[str, tuple[str, ...]] = {}
        for one in report.findings:
            if one.level is not Level.TABLES and one.revision is not None:
                folder = f"{one.path.partition('/r' + str(one.revision))[0]}/r{one.revision}"
                damaged[folder] = (*damaged.get(folder, ()), f"{one.path}: {one.problem}")
        with self._held(_PATIENCE) as writer:
            self._write(writer, damaged)
            # What killed fetches left is for the next fetch to list: their journals stay.
            remove_unrecorded(writer.storage)
            record = self._record(writer, report)
            return close_session(replace(writer, unfinished=()), self._recording.sign_off, record)

    def _record(self, writer: Writer, report: Report) -> LedgerRecord:
        recording = self._recording
        # Nothing of a record can be erased: names of files have no place in it.
        findings = [
            {"path": without_name(one.path), "level": one.level} for one in report.findings[:_MOST]
        ]
        details = {
            CHECK: recording.session,
            "outcome": INTACT if report.is_intact else DAMAGED,
            "files": report.files,
            "bytes": report.bytes,
            "findings_total": len(report.findings),
            "findings": findings,
            "gaps_total": len(report.open_gaps),
            **recording.details,
        }
        return LedgerRecord(
            kind=VERIFY,
            session=writer.session,
            tool=TOOL,
            by=recording.sign_off.by,
            started_at=recording.started_at,
            finished_at=recording.now(),
            interrupted=report.interrupted,
            runs={"revisions": report.revisions, "skipped": report.skipped},
            details=details,
        )

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
                held = hold_archive(
                    recording.archive, recording.now(), recording.random.randbytes(4)
                )
                try:
                    writer = stack.enter_context(held)
                    break
                except ArchiveLocked:
                    if time.monotonic() >= until or recording.stop.is_set:
                        raise
                    time.sleep(_LOOK_SECONDS)
            yield writer
