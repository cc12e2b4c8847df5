"""What people decided about runs, read out of the ledger's files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from archiver.errors import ArchiveDamaged
from archiver.ledger.records import ledger_records, read_ids, read_record, sessions_with_ids
from archiver.model.ids import SessionId
from archiver.model.ledger import Actor, LedgerRecord, ids_path, record_path
from archiver.store.storage import LocalStorage

HOLD = "hold"
RELEASE = "release"
ACCEPT = "accept"
KINDS = frozenset({HOLD, RELEASE, ACCEPT})
REASON = "reason"
"""Where the details of a record say why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided something about a run, in which session, when (UTC) and why."""

    session: str
    at: datetime
    by: Actor | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        by = msgspec.to_builtins(self.by) if self.by is not None else None
        return {
            "session": self.session,
            "at": self.at.isoformat(),
            "by": {name: by[name] for name in ("user", "host")} if by else None,
            "reason": self.reason,
        }


@dataclass(slots=True)
class Decisions:
    """What is decided now, by run id: ``holds``, and ``accepted`` gaps."""

    holds: dict[str, Decision] = field(default_factory=dict)
    accepted: dict[str, Decision] = field(default_factory=dict)


def fold(decided: Iterable[tuple[LedgerRecord, Sequence[str]]]) -> Decisions:
    """What records, oldest first, come to; with each the ids of the runs that it is about."""
    now = Decisions()
    for record, ids in decided:
        if record.kind == RELEASE:
            for run_id in ids:
                now.holds.pop(run_id, None)
        elif record.kind in (HOLD, ACCEPT):
            why = str(record.details.get(REASON, ""))
            decision = Decision(record.session, record.finished_at, record.by, why)
            of_kind = now.holds if record.kind == HOLD else now.accepted
            of_kind.update(dict.fromkeys(ids, decision))
    return now


_HINT = "Nothing is removed as long as it cannot be told what is on hold; see `archiver verify`"


def decisions(storage: LocalStorage, damaged: list[str]) -> Decisions:
    """What is decided now. Records that cannot be read are left out and named in ``damaged``.

    Reads only those that have a list of ids.
    """

    def readable() -> Iterator[tuple[LedgerRecord, list[str]]]:
        for session in sessions_with_ids(storage):
            try:
                record = read_record(storage, session).record
                if record.kind in KINDS:
                    yield record, read_ids(storage, record)
            except ArchiveDamaged as error:
                damaged.append(str(error))

    return fold(readable())


def runs_on_hold(storage: LocalStorage) -> dict[str, Decision]:
    """The runs on hold, with who put them there, when and why.

    Whoever removes runs goes by it, so that it reads the whole ledger: raises ArchiveDamaged where
    a record is missing, was changed, or lacks the list of its ids.
    """
    return fold(_all_decided(storage)).holds


def runs_accepted(storage: LocalStorage) -> dict[str, Decision]:
    """The ids whose gaps were accepted, with who did so, when and why.

    What cannot be read is left out: then a run is asked for once more.
    """
    return decisions(storage, []).accepted


def _all_decided(storage: LocalStorage) -> Iterator[tuple[LedgerRecord, list[str]]]:
    damaged: list[str] = []
    unread = set(sessions_with_ids(storage))
    before: tuple[str | None, str | None] = None, None
    for written in ledger_records(storage, damaged):
        record = written.record
        if not damaged and (record.previous_session, record.previous_sha256) != before:
            damaged.append(f"the ledger is no chain before {record_path(record.session)}")
        if damaged:
            break
        if record.kind in KINDS:
            if record.session not in unread:
                raise ArchiveDamaged(f"{ids_path(record.session)} is missing", hint=_HINT)
            yield record, read_ids(storage, record)
        unread.discard(SessionId(record.session))
        before = record.session, written.sha256
    else:
        damaged += [f"{record_path(session)} is missing" for session in sorted(unread)]
    if damaged:
        raise ArchiveDamaged(damaged[0], hint=_HINT)
