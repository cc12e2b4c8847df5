"""Signatures and time stamps of the ledger's records."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from archiver.errors import ArchiveDamaged
from archiver.ledger.records import read_signature, read_stamp, seals, sessions_in_ledger
from archiver.model.ledger import beside, record_path, signature_path, stamp_path
from archiver.store.storage import LocalStorage
from archiver.verify.findings import Finding, Level, finding
from archiver.verify.ledger import Ledger

_NAMED = 5
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
) -> list[Finding]:
    """Check the signatures and stamps of records, but of those that are ``lost`` anyway.

    A signature covers all records before it too: what is not covered is said in ``notes``. That
    there is none at all, although one is demanded, is a finding.
    """
    if how.verifies is None and how.stamped_at is None:
        return []
    found: list[Finding] = []
    signed, stamped = seals(storage)
    sessions = [session for session in sessions_in_ledger(storage) if session not in lost]
    verifies, stamped_at = how.verifies, how.stamped_at
    for session in sessions:
        if verifies is not None and session in signed:
            problem = "it is not the signature of this key for the record"
            with _reported(signature_path(session), found):
                signature = read_signature(storage, session) or b""
                if not verifies(signature, storage.read(record_path(session))):
                    found.append(finding(signature_path(session), problem, Level.LEDGER, _TODO))
        if stamped_at is not None and session in stamped:
            problem = "it is no time stamp of the record by a trusted authority"
            with _reported(stamp_path(session), found):
                stamp = read_stamp(storage, session) or b""
                if stamped_at(stamp, storage.read(record_path(session))) is None:
                    found.append(finding(stamp_path(session), problem, Level.LEDGER, _TODO))
    for wanted, there, name in (
        (how.verifies, signed, "signature"),
        (how.stamped_at, stamped, "time stamp"),
    ):
        if wanted is None or not sessions:
            continue
        own = [session for session in sessions if session in there]
        if not own:
            problem = f"no record has a {name}"
            found.append(finding(record_path(sessions[-1]), problem, Level.LEDGER, _TODO))
            continue
        if behind := sum(session > own[-1] for session in sessions):
            notes.append(f"the last {behind} records are not covered by a {name}")
        if between := [one for one in sessions if own[0] < one < own[-1] and one not in there]:
            more = f" and {len(between) - _NAMED} more" if len(between) > _NAMED else ""
            notes.append(
                f"no {name} of their own, but of a later one: {', '.join(between[:_NAMED])}{more}"
            )
    return found


def check_beside(storage: LocalStorage, ledger: Ledger) -> None:
    """Check heads, signatures and stamps of records, whether a key is at hand or not.

    The head has the digests of the other two, and the record behind it those of all three.
    """
    behind = {record.previous_session: record.files for record in ledger.records.values()}
    for session in sorted(ledger.digests.keys() - ledger.lost):
        expected = dict(behind.get(session, {}))
        if head := ledger.heads.get(session):
            expected.update(head.seals)
        for path in beside(session):
            if path in expected:
                try:
                    if storage.digest(path)[1] != expected[path]:
                        ledger.blame(path, "the bytes are not those that were stored")
                except ArchiveDamaged as error:
                    ledger.blame(path, error.message)


@contextlib.contextmanager
def _reported(path: str, found: list[Finding]) -> Iterator[None]:
    """What cannot be read goes to ``found``."""
    try:
        yield
    except ArchiveDamaged as error:
        found.append(finding(path, error.message, Level.LEDGER, _TODO))
