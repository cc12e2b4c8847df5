"""Prove: that a run's manifest is one that the ledger speaks for."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from archiver.errors import ArchiveDamaged, UsageError
from archiver.ledger.records import (
    LedgerEntry,
    read_list,
    read_record,
    read_signature,
    read_stamp,
    sessions_in_ledger,
)
from archiver.model.ids import RunId, SessionId, Sha256, sha256_of
from archiver.model.ledger import (
    RECORD_ENDING,
    SIGNATURE_ENDING,
    STAMP_ENDING,
    ListedManifest,
    list_path,
    manifest_path,
    record_path,
)
from archiver.model.merkle import InclusionPaths
from archiver.model.proof import Proof, encode_proof, make_proof
from archiver.model.run import ChosenRun
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
    session, committed, index = _find(storage, sessions, run_id, revision)
    manifest = storage.read(committed[index].path)
    if sha256_of(manifest) != committed[index].sha256:
        raise ArchiveDamaged(
            f"{committed[index].path} is not what session {session} committed",
            hint="`archiver verify` says what else is not",
        )
    records = read_chain(storage, sessions[sessions.index(session) :])
    signature = read_signature(storage, sessions[-1])
    paths = InclusionPaths([one.leaf for one in committed])
    texts = [record.data for record in records]
    return make_proof(committed, paths, index, manifest, texts, signature)


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
            index = storage.read(path).count(b"\n", 0, found[-1].start())
            return session, committed, index
    which = run_id if revision is None else f"revision {revision} of {run_id}"
    raise UsageError(
        f"no list of the ledger has {which}",
        hint="Was it committed by a session that was killed? The next fetch lists it",
    )


def read_chain(storage: LocalStorage, sessions: Sequence[SessionId]) -> list[LedgerEntry]:
    """The records of sessions that follow each other. Raises ArchiveDamaged where they do not."""
    records = [read_record(storage, session) for session in sessions]
    for before, after in pairwise(records):
        if after.record.previous_sha256 != before.sha256:
            raise ArchiveDamaged(
                f"the record of session {before.record.session} is not what it was",
                hint="`archiver verify` says what else is not",
            )
    return records


_LINE_PATH = 66
"""Where the path begins in a line of a list."""
_MOST_BYTES = 256_000_000
"""Bytes that the records in all proofs may take, else each holds only that of its own session."""
_LISTS = 16
"""Lists that are held in memory, with all nodes of their trees."""


@dataclass(frozen=True, slots=True)
class LedgerExtract:
    """The ledger's records from the first session that committed one of the runs to the head.

    ``places`` says of a manifest's path by which of the sessions it was committed, and as which
    in its list. ``own_heads``: proofs end with the record of that session.
    """

    storage: LocalStorage
    records: Sequence[LedgerEntry] = ()
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    own_heads: bool = False

    def prover(self) -> "ProofWriter":
        return ProofWriter(self)

    def sealed(self, ending: str) -> list[str]:
        """The sessions that have a signature, or a time stamp."""
        read = {SIGNATURE_ENDING: read_signature, STAMP_ENDING: read_stamp}[ending]
        sessions = (written.record.session for written in self.records)
        return [session for session in sessions if read(self.storage, session) is not None]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The records, signatures and time stamps, with the names that they have in the ledger."""
        for written in self.records:
            session = written.record.session
            yield f"{session}{RECORD_ENDING}", written.data
            if (signature := read_signature(self.storage, session)) is not None:
                yield f"{session}{SIGNATURE_ENDING}", signature
            if (stamp := read_stamp(self.storage, session)) is not None:
                yield f"{session}{STAMP_ENDING}", stamp


class ProofWriter:
    """Makes proofs for runs of a package, one after the other."""

    def __init__(self, evidence: LedgerExtract) -> None:
        self._evidence = evidence
        self._texts = [written.data for written in evidence.records]
        self._list = lru_cache(_LISTS)(self._read)

    def proof(self, run: ChosenRun, manifest: bytes) -> bytes | None:
        """The proof of a run as ``archiver prove`` writes it; None where no list has its manifest.

        Raises ArchiveDamaged where the manifest is not the one that was committed.
        """
        evidence = self._evidence
        path = manifest_path(run.path)
        if path not in evidence.places:
            return None
        number, index = evidence.places[path]
        committed, paths = self._list(number)
        session = evidence.records[number].record.session
        if committed[index] != ListedManifest(sha256_of(manifest), path):
            raise ArchiveDamaged(
                f"{path} is not what session {session} committed",
                hint="`archiver verify` says what else is not",
            )
        texts = self._texts[number : number + 1] if evidence.own_heads else self._texts[number:]
        last = session if evidence.own_heads else evidence.records[-1].record.session
        signature = read_signature(evidence.storage, last)
        return encode_proof(make_proof(committed, paths, index, manifest, texts, signature))

    def _read(self, number: int) -> tuple[list[ListedManifest], InclusionPaths]:
        session = self._evidence.records[number].record.session
        committed = read_list(self._evidence.storage, session)
        return committed, InclusionPaths([one.leaf for one in committed])


def collect(storage: LocalStorage, runs: Sequence[ChosenRun]) -> LedgerExtract:
    """What the ledger has to say of these runs. Raises ArchiveDamaged where its chain is broken."""
    sessions = sessions_in_ledger(storage)
    found = _places(storage, sessions, {manifest_path(run.path).encode() for run in runs})
    if not found:
        return LedgerExtract(storage)
    first = min(session for session, _ in found.values())
    records = read_chain(storage, sessions[first:])
    places = {path: (session - first, index) for path, (session, index) in found.items()}
    sizes = [len(written.data) for written in records]
    behind = [0] * len(sizes)
    total = 0
    for number in reversed(range(len(sizes))):
        total += sizes[number]
        behind[number] = total
    needed = sum(behind[number] for number, _ in places.values())
    return LedgerExtract(storage, records, places, needed > _MOST_BYTES)


def _places(
    storage: LocalStorage, sessions: Sequence[SessionId], wanted: set[bytes]
) -> dict[str, tuple[int, int]]:
    """Of each manifest that a list has: the number of the session, and that of the line."""
    places = {}
    for number, session in enumerate(sessions):
        path = list_path(session)
        if not storage.exists(path):
            continue
        for index, line in enumerate(storage.read(path).split(b"\n")):
            if line[_LINE_PATH:] in wanted:
                places[line[_LINE_PATH:].decode()] = (number, index)
    return places
