"""Signatures and time stamps of the ledger's records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from archiver.adapters.ledger import read_signature, read_stamp, seals, sessions_in_ledger
from archiver.adapters.storage import LocalStorage
from archiver.domain.findings import Finding, Level, finding
from archiver.domain.ledger import record_path, signature_path, stamp_path

_TODO = "Find out who changed it: compare with a copy, or with a head that was noted"


@dataclass(frozen=True, slots=True)
class Seals:
    """What vouches for records: ``verifies`` tells whether a signature is one of bytes by the key
    that is trusted, ``stamped_at`` when bytes were stamped, None where the stamp is none of them.
    Both are None where they are not to be checked.
    """

    verifies: Callable[[bytes, bytes], bool] | None = None
    stamped_at: Callable[[bytes, bytes], datetime | None] | None = None


def check_seals(
    storage: LocalStorage, how: Seals, lost: set[str], notes: list[str]
) -> Iterator[Finding]:
    """Check the signatures and stamps of records, but of those that are ``lost`` anyway.

    A signature covers all records before it too: what is not covered is said in ``notes``. That
    there is none at all, although one is demanded, is a finding.
    """
    if how.verifies is None and how.stamped_at is None:
        return
    signed, stamped = seals(storage)
    sessions = [session for session in sessions_in_ledger(storage) if session not in lost]
    for session in sessions:
        if how.verifies is not None and session in signed:
            signature = read_signature(storage, session) or b""
            if not how.verifies(signature, storage.read(record_path(session))):
                problem = "it is not the signature of this key for the record"
                yield finding(signature_path(session), problem, Level.LEDGER, _TODO)
        if how.stamped_at is not None and session in stamped:
            stamp = read_stamp(storage, session) or b""
            if how.stamped_at(stamp, storage.read(record_path(session))) is None:
                problem = "it is no time stamp of the record by a trusted authority"
                yield finding(stamp_path(session), problem, Level.LEDGER, _TODO)
    for wanted, there, name in (
        (how.verifies, signed, "signature"),
        (how.stamped_at, stamped, "time stamp"),
    ):
        if wanted is None or not sessions:
            continue
        last = max((session for session in sessions if session in there), default=None)
        if last is None:
            yield finding(record_path(sessions[-1]), f"no record has a {name}", Level.LEDGER, _TODO)
        elif behind := sum(session > last for session in sessions):
            notes.append(f"the last {behind} records are not covered by a {name}")
