"""Closing a session: its record in the ledger, signed and stamped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from archiver.domain.digest import Sha256
from archiver.errors import StampRefused
from archiver.ledger.records import append_record, note_seals, put_signature, put_stamp
from archiver.model.ledger import Actor, LedgerRecord, ManifestList
from archiver.store.lock import Writer


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who answers for a session. ``sign`` and ``stamp`` make of the record's bytes what vouches
    for them: a signature, an authority's time stamp (which raises StampRefused)."""

    by: Actor | None = None
    sign: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    stamp: Callable[[bytes], bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Closed:
    """A session whose record is written. ``head`` is its digest; ``unstamped`` says why there is no
    time stamp where one was wanted."""

    head: Sha256
    unstamped: StampRefused | None = None


def close_session(
    writer: Writer,
    sign_off: SignOff,
    record: LedgerRecord,
    manifests: ManifestList | None = None,
    ids: Sequence[str] = (),
) -> Closed:
    """Write a session's record, when all that it is about is durable; then sign it.

    ``manifests`` are those that it committed, with those that were recovered; ``ids`` the runs that
    it chose, where they are to be listed. Raises ArchiveUnwritable.
    """
    written = append_record(writer.storage, record, manifests, ids)
    writer.forget_unfinished()
    # Without them the record counts all the same: those of the next one cover it too.
    if sign_off.sign is not None:
        put_signature(writer.storage, record.session, sign_off.sign(written.data))
    unstamped = None
    try:
        if sign_off.stamp is not None:
            put_stamp(writer.storage, record.session, sign_off.stamp(written.data))
    except StampRefused as error:
        unstamped = error
    note_seals(writer.storage, written)
    return Closed(written.sha256, unstamped)
