"""Closing a session: its record in the ledger, and what vouches for that."""

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.adapters.archive import Writer
from archiver.adapters.ledger import Written, append_record
from archiver.domain.ledger import Actor, LedgerRecord, ManifestList


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who answers for a session."""

    by: Actor | None = None


def close_session(
    writer: Writer,
    record: LedgerRecord,
    manifests: ManifestList | None = None,
    ids: Sequence[str] = (),
) -> Written:
    """Write a session's record, when all that it is about is durable.

    ``manifests`` are those that it committed, with those that were recovered; ``ids`` the runs that
    it chose, where they are to be listed. Raises ArchiveUnwritable.
    """
    written = append_record(writer.storage, record, manifests, ids)
    writer.forget_unfinished()
    return written
