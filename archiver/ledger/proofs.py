"""Prove: that a run's manifest is one that the ledger speaks for."""

import re
from collections.abc import Sequence
from itertools import pairwise

from archiver.domain.digest import Sha256, sha256_of
from archiver.domain.session import SessionId
from archiver.errors import ArchiveDamaged, UsageError
from archiver.ledger.records import (
    Written,
    read_list,
    read_record,
    read_signature,
    sessions_in_ledger,
)
from archiver.model.ids import RunId
from archiver.model.ledger import ListedManifest, list_path, record_path
from archiver.model.proof import Proof, make_proof
from archiver.store.storage import LocalStorage


def prove(
    storage: LocalStorage, run_id: RunId, revision: int | None, until: SessionId | None
) -> Proof:
    """A proof for a revision of a run, the latest unless one is given.

    It holds the records up to that of the session ``until``, else up to the ledger's last. Raises
    UsageError where no list of the ledger has the revision, ArchiveDamaged where what is to be
    proven is not so.
    """
    sessions = sessions_in_ledger(storage)
    if until is not None:
        if until not in sessions:
            raise UsageError(f"the ledger has no session {until}", hint="See `archiver ledger`")
        sessions = sessions[: sessions.index(until) + 1]
    session, committed, place = _find(storage, sessions, run_id, revision)
    manifest = storage.read(committed[place].path)
    if sha256_of(manifest) != committed[place].sha256:
        raise ArchiveDamaged(
            f"{committed[place].path} is not what session {session} committed",
            hint="`archiver verify` says what else is not",
        )
    records = read_chain(storage, sessions[sessions.index(session) :])
    signature = read_signature(storage, sessions[-1])
    return make_proof(committed, place, manifest, [record.data for record in records], signature)


def session_of_head(storage: LocalStorage, head: Sha256) -> SessionId:
    """The session whose record has this digest. Raises UsageError where none has."""
    for session in reversed(sessions_in_ledger(storage)):
        if sha256_of(storage.read(record_path(session))) == head:
            return session
    raise UsageError(
        f"no record of the ledger has the digest {head}",
        hint="It is of another archive, or the record is not what it was: see `archiver verify`",
    )


def _find(
    storage: LocalStorage, sessions: list[SessionId], run_id: RunId, revision: int | None
) -> tuple[SessionId, list[ListedManifest], int]:
    of_run = rf"/{re.escape(run_id)}/r{revision or '[0-9]+'}/manifest\.json$"
    pattern = re.compile(of_run.encode(), re.MULTILINE)
    for session in reversed(sessions):
        path = list_path(session)
        if storage.exists(path) and (found := list(pattern.finditer(storage.read(path)))):
            committed = read_list(storage, session)
            place = storage.read(path).count(b"\n", 0, found[-1].start())
            return session, committed, place
    which = run_id if revision is None else f"revision {revision} of {run_id}"
    raise UsageError(
        f"no list of the ledger has {which}",
        hint="Was it committed by a session that was killed? The next fetch lists it",
    )


def read_chain(storage: LocalStorage, sessions: Sequence[SessionId]) -> list[Written]:
    """The records of sessions that follow each other. Raises ArchiveDamaged where they do not."""
    records = [read_record(storage, session) for session in sessions]
    for before, after in pairwise(records):
        if after.record.previous_sha256 != before.sha256:
            raise ArchiveDamaged(
                f"the record of session {before.record.session} is not what it was",
                hint="`archiver verify` says what else is not",
            )
    return records
