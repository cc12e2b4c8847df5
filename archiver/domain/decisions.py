"""What people decided about runs: a fold over the ledger, which is the only place that has it.

A run is on hold if the last word on it was ``hold`` and not ``release``. An id is accepted once
somebody has declared that what is missing of its run will stay so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from archiver.model.ledger import Actor, LedgerRecord

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
