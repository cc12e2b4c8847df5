"""The ledger's files, as they lie in the archive."""

import contextlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from archiver.errors import ArchiveDamaged
from archiver.model.ids import SessionId, Sha256, digest_of_lines, sha256_of
from archiver.model.ledger import (
    FORMAT,
    HEAD_ENDING,
    IDS_ENDING,
    LIST_ENDING,
    SIGNATURE_ENDING,
    STAMP_ENDING,
    Head,
    LedgerRecord,
    ListedManifest,
    ManifestList,
    attachments,
    decode_head,
    decode_list,
    decode_record,
    encode_head,
    encode_record,
    head_path,
    ids_path,
    list_path,
    record_path,
    session_of,
    signature_path,
    stamp_path,
)
from archiver.model.paths import ARCHIVE_FILE, LEDGER_FOLDER, README_FILE
from archiver.store.storage import LocalStorage


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A record as it lies in the archive."""

    record: LedgerRecord
    data: bytes

    @property
    def sha256(self) -> Sha256:
        """What the record after it says of it; of the last one, the head."""
        return sha256_of(self.data)


def sessions_in_ledger(storage: LocalStorage) -> list[SessionId]:
    """The sessions that have a record, oldest first."""
    return [session for name in storage.own_names(LEDGER_FOLDER) if (session := session_of(name))]


def head(storage: LocalStorage) -> tuple[SessionId | None, Sha256 | None]:
    """Session and digest of the last record; None where the ledger is empty."""
    sessions = sessions_in_ledger(storage)
    if not sessions:
        return None, None
    # As it lies there, whatever it says: a record that was damaged must not end the chain.
    return sessions[-1], sha256_of(storage.read(record_path(sessions[-1])))


def read_record(storage: LocalStorage, session: str) -> LedgerEntry:
    """The record of a session. Raises ArchiveDamaged where it cannot be read."""
    path = record_path(session)
    data = storage.read(path)
    return LedgerEntry(decode_record(data, path), data)


def ledger_records(storage: LocalStorage, damaged: list[str]) -> Iterator[LedgerEntry]:
    """All records, oldest first; what cannot be read is named in ``damaged``."""
    for session in sessions_in_ledger(storage):
        try:
            yield read_record(storage, session)
        except ArchiveDamaged as error:
            damaged.append(str(error))


def read_list(storage: LocalStorage, session: str) -> list[ListedManifest]:
    """The manifests that a session committed, in order. Raises ArchiveDamaged."""
    path = list_path(session)
    return decode_list(storage.read(path), path)


def listed_manifests(
    storage: LocalStorage, run_folders: Collection[str]
) -> dict[str, dict[str, Sha256]]:
    """What the lists say of runs: for each the digests of its manifests, by path in the archive.

    Lists and lines that cannot be read are left out.
    """
    found: dict[str, dict[str, Sha256]] = {folder: {} for folder in run_folders}
    wanted = {folder.encode() for folder in run_folders}
    for session in sessions_in_ledger(storage):
        with contextlib.suppress(ArchiveDamaged):  # many have none
            for line in storage.read(list_path(session)).split(b"\n"):
                if line[66:].rsplit(b"/", 2)[0] in wanted:
                    for one in decode_list(line + b"\n", list_path(session)):
                        found[one.path.rsplit("/", 2)[0]][one.path] = one.sha256
    return found


def listed_revisions(storage: LocalStorage, run_ids: Collection[str]) -> dict[str, str]:
    """The folders of these runs' last revisions that the lists know, by run id.

    Lists and lines that cannot be read are left out.
    """
    last: dict[str, str] = {}
    wanted = {run_id.encode() for run_id in run_ids}
    for session in sessions_in_ledger(storage):
        with contextlib.suppress(ArchiveDamaged):  # many have none
            for line in storage.read(list_path(session)).split(b"\n"):
                if len(parts := line[66:].rsplit(b"/", 3)) == 4 and parts[1] in wanted:
                    for one in decode_list(line + b"\n", list_path(session)):
                        folder, run_id = one.path.rpartition("/")[0], parts[1].decode()
                        if _number(folder) > _number(last.get(run_id, "")):
                            last[run_id] = folder
    return last


def _number(revision_folder: str) -> int:
    return int(revision_folder.rpartition("/r")[2] or 0)


def sessions_with_ids(storage: LocalStorage) -> list[SessionId]:
    """The sessions that listed the ids that they were about, oldest first.

    A list behind the last record does not count: its session was killed, or is about to end.
    """
    names = storage.own_names(LEDGER_FOLDER)
    last = max((session for name in names if (session := session_of(name))), default="")
    listed = (session for name in names if (session := session_of(name, IDS_ENDING)))
    return [session for session in listed if session <= last]


def read_ids(storage: LocalStorage, record: LedgerRecord) -> list[str]:
    """The ids that a session was about, as its record vouches for. Raises ArchiveDamaged."""
    path = ids_path(record.session)
    data = storage.read(path)
    if sha256_of(data) != record.ids_sha256:
        raise ArchiveDamaged(
            f"{path} is not what its record says", hint="`archiver verify` says what else is not"
        )
    return data.decode().split()


def append_record(
    storage: LocalStorage,
    record: LedgerRecord,
    committed: ManifestList | None = None,
    ids: Sequence[str] = (),
) -> LedgerEntry:
    """Write a session's record, chained to the last one.

    Behind the list of the manifests that it committed, and that of the ``ids`` that it was about
    where they are to be listed. Raises ArchiveUnwritable.
    """
    session, sha256 = head(storage)
    record = replace(
        record, format=FORMAT, previous_session=session and str(session), previous_sha256=sha256
    )
    if committed is not None and committed.count:
        storage.put(list_path(record.session), bytes(committed.data))
        record = replace(record, manifests=committed.count, manifests_root=committed.root)
    if ids:
        ids = sorted(ids)
        storage.put(ids_path(record.session), "".join(f"{id_}\n" for id_ in ids).encode())
        record = replace(record, ids_asked=len(ids), ids_sha256=digest_of_lines(ids))
    before = attachments(session) if session is not None else ()
    record = replace(record, files=_digests(storage, (ARCHIVE_FILE, README_FILE, *before)))
    data = encode_record(record)
    storage.put(record_path(record.session), data, new=True)
    written = LedgerEntry(record, data)
    storage.put(head_path(record.session), encode_head(record.session, Head(written.sha256)))
    return written


def _digests(storage: LocalStorage, paths: Iterable[str]) -> dict[str, Sha256]:
    """The digests of these files, of those that can be read."""
    found = {}
    for path in paths:
        with contextlib.suppress(ArchiveDamaged):
            found[path] = storage.digest(path)[1]
    return found


def record_attachments(storage: LocalStorage, written: LedgerEntry) -> None:
    """Let the head vouch for what was put beside the record. Raises ArchiveUnwritable."""
    session = written.record.session
    attached = _digests(storage, (signature_path(session), stamp_path(session)))
    if attached:
        storage.put(head_path(session), encode_head(session, Head(written.sha256, attached)))


def read_heads(storage: LocalStorage) -> Iterator[tuple[SessionId, Head | None]]:
    """What lies beside records to vouch for them; None for what is not as it was written.

    A session that was killed may have written its record, and no digest yet.
    """
    for name in storage.own_names(LEDGER_FOLDER):
        if (session := session_of(name, HEAD_ENDING)) is not None:
            try:
                yield session, decode_head(storage.read(head_path(session)), session)
            except ArchiveDamaged:
                yield session, None


def put_signature(storage: LocalStorage, session: str, signature: bytes) -> None:
    """Keep a signature of a session's record beside it."""
    storage.put(signature_path(session), signature)


def put_stamp(storage: LocalStorage, session: str, stamp: bytes) -> None:
    """Keep a time stamp of a session's record beside it."""
    storage.put(stamp_path(session), stamp)


def read_signature(storage: LocalStorage, session: str) -> bytes | None:
    """The signature of a session's record, None where it has none. Raises ArchiveDamaged."""
    path = signature_path(session)
    return storage.read(path) if storage.exists(path) else None


def read_stamp(storage: LocalStorage, session: str) -> bytes | None:
    """The time stamp of a session's record, None where it has none. Raises ArchiveDamaged."""
    path = stamp_path(session)
    return storage.read(path) if storage.exists(path) else None


def signed_and_stamped(storage: LocalStorage) -> tuple[set[str], set[str]]:
    """The sessions whose records have a signature beside them, and those with a time stamp."""
    names = storage.own_names(LEDGER_FOLDER)
    signed, stamped = (
        {str(session) for name in names if (session := session_of(name, ending))}
        for ending in (SIGNATURE_ENDING, STAMP_ENDING)
    )
    return signed, stamped


def remove_unrecorded(storage: LocalStorage) -> None:
    """Remove the lists of a session that was killed before it could write its record."""
    last = max(sessions_in_ledger(storage), default="")
    for name in storage.own_names(LEDGER_FOLDER):
        session = session_of(name, LIST_ENDING) or session_of(name, IDS_ENDING)
        if session is not None and session > last:
            storage.remove(f"{LEDGER_FOLDER}/{name}")


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A record with its digest, and whether a signature and a time stamp lie beside it."""

    record: LedgerRecord
    sha256: Sha256
    is_signed: bool
    is_stamped: bool

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self.record, builtin_types=(datetime,))
        attached = {"signed": self.is_signed, "stamped": self.is_stamped}
        return {**fields, "sha256": str(self.sha256), **attached}


def shown_records(storage: LocalStorage, limit: int, damaged: list[str]) -> list[ShownRecord]:
    """The last ``limit`` records (0: all), oldest first.

    What cannot be read is left out and named in ``damaged``.
    """
    signed, stamped = signed_and_stamped(storage)
    records = deque(ledger_records(storage, damaged), maxlen=limit or None)
    return [
        ShownRecord(w.record, w.sha256, w.record.session in signed, w.record.session in stamped)
        for w in records
    ]
