"""A session that writes, from the lock to its record in the ledger, signed and stamped."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from archiver.errors import ArchiveDamaged, ArchiverError, StampRefused
from archiver.ledger.records import (
    append_record,
    put_signature,
    put_stamp,
    read_record,
    record_attachments,
    remove_unrecorded,
    sessions_in_ledger,
)
from archiver.model.ids import SessionId, Sha256, sha256_of
from archiver.model.ledger import (
    UPGRADE,
    VERIFY,
    Actor,
    LedgerRecord,
    ManifestList,
    upgrade_details,
    upgrade_of,
)
from archiver.model.paths import (
    ARCHIVE_FILE,
    LEDGER_FOLDER,
    LOCK_FILE,
    TEMPORARY_FOLDER,
)
from archiver.recovery import Adopted, adopt, recover
from archiver.store.archive_file import (
    FORMAT,
    TOOL,
    can_be_made,
    make_archive,
    open_archive,
    raised,
    read_archive_file,
    remove_unused,
)
from archiver.store.continuity import is_continued, last_writer, note_writer
from archiver.store.lock import Writer, _is_kept, _locked, _name_holder, journals_in, sweep
from archiver.store.names import is_journal
from archiver.store.storage import LocalStorage
from archiver.system.files import os_errors
from archiver.system.fsync import Durability
from archiver.system.rights import PRIVATE, created_with, folder_rights, rights_below
from archiver.tables.pin import remove_replaced_tables, restore_tables


@dataclass(frozen=True, slots=True)
class Signing:
    """Who answers for a session. ``sign`` and ``stamp`` make of the record's bytes what vouches
    for them: a signature, an authority's time stamp (which raises StampRefused, soon where its
    second argument says that the session is to end)."""

    by: Actor | None = None
    sign: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    stamp: Callable[[bytes, Callable[[], bool]], bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ClosedSession:
    """A session whose record is written. ``head`` is its digest; ``unstamped`` says why there is no
    time stamp where one was wanted."""

    head: Sha256
    unstamped: StampRefused | None = None


@contextlib.contextmanager
def open_for_writing(
    root: Path,
    now: datetime,
    random: bytes,
    durability: Durability | None = None,
    *,
    signing: Signing | None = None,
    upgrades: bool = True,
    mode: int | None = None,
) -> Iterator[Writer]:
    """Hold an archive as its only writer; make one where the folder is empty or not there.

    The session begins ``now`` (UTC) and gets an id of that and 4 ``random`` bytes. Sweeps what a
    killed writer left half-written. An archive of an earlier format is raised to this one, which
    ``signing`` answers for, unless nothing is written that the earlier one does not have. What is
    made gets ``mode`` (that of files), else the rights of the folder, else is its owner's. Raises
    ArchiveLocked when another writer holds it, NotAnArchive when the folder holds something else.
    """
    storage = LocalStorage(root, durability)
    if not can_be_made(root):
        open_archive(root)
    was_there = root.exists()
    rights = rights_below(root) if mode is None else folder_rights(mode)
    last = last_writer(storage)
    with contextlib.ExitStack() as stack:
        stack.enter_context(created_with(PRIVATE if rights is None else rights))
        storage.make_root()
        with os_errors(f"create the archive {storage}"):
            storage.make_folder(TEMPORARY_FOLDER)
        stack.enter_context(_locked(storage))
        is_earlier = storage.exists(ARCHIVE_FILE) and read_archive_file(storage)[0].format < FORMAT
        if is_earlier and upgrades:
            _upgrade(storage, now, random, signing or Signing())
        if upgrades or not is_earlier:
            stack.enter_context(_locked(storage, LOCK_FILE))
        session = SessionId.at(now, random, after=max(sessions_in_ledger(storage), default=None))
        _name_holder(storage, session, now)
        is_new = not storage.exists(ARCHIVE_FILE)
        make_archive(storage, session, now)
        storage.make_folder(LEDGER_FOLDER)
        restore_tables(storage)
        remove_replaced_tables(storage)
        # Of what others left there nothing is removed: some of it cannot be.
        left = [name for name in storage.own_names(TEMPORARY_FOLDER) if not _is_kept(name)]
        sweep(storage, (name for name in left if not is_journal(name)), now)
        writer = Writer(storage, session, tuple(journals_in(storage)), is_new=is_new)
        writer.is_continued = is_new or is_continued(storage, last)
        _note(writer, session)
        try:
            yield writer
        finally:
            _note(writer)
    if writer.is_unused:
        remove_unused(root, with_root=not was_there)


def _note(writer: Writer, *sessions: str) -> None:
    """Note of which sessions there must be journals: of those that have some, and ``sessions``."""
    prefix = f"{LEDGER_FOLDER}/"
    with contextlib.suppress(ArchiverError):  # then it is not known
        journals = [path for path in journals_in(writer.storage) if path.startswith(prefix)]
        names = [path.removeprefix(prefix).removesuffix(".journal") for path in journals]
        note_writer(writer.storage, [*names, *sessions] if writer.is_continued else None)


def _upgrade(storage: LocalStorage, now: datetime, random: bytes, signing: Signing) -> None:
    """Raise an archive to this format: a record that says so, then archive.json (format, 8).

    The record has the new archive.json, so that whoever finds it without can go on from there.
    """
    _, before = read_archive_file(storage)
    after = _begun_upgrade(storage, before)
    if after is None:
        remove_unrecorded(storage)
        session = SessionId.at(now, random, after=max(sessions_in_ledger(storage), default=None))
        after = raised(before, session)
        record = LedgerRecord(
            kind=UPGRADE,
            session=session,
            tool=TOOL,
            by=signing.by,
            started_at=now,
            finished_at=now,
            details=upgrade_details(before, after),
        )
        written = append_record(storage, record)
        if signing.sign is not None:
            put_signature(storage, session, signing.sign(written.data))
            record_attachments(storage, written)
    storage.put(ARCHIVE_FILE, after)


def _begun_upgrade(storage: LocalStorage, before: bytes) -> bytes | None:
    """The archive.json of an upgrade that was killed before it could write it."""
    for session in sessions_in_ledger(storage)[-1:]:
        with contextlib.suppress(ArchiveDamaged):
            upgrade = upgrade_of(read_record(storage, session).record)
            if upgrade is not None and upgrade.before == sha256_of(before):
                return upgrade.text.encode()
    return None


@dataclass(frozen=True, slots=True)
class WritingSession:
    """A session that holds an archive as its only writer, until its record is written.

    ``kind`` is that of the record, ``started_at`` (UTC) when it began; ``recovered`` are killed
    sessions, and ``unlisted`` the paths of manifests that they committed; ``manifests`` are those,
    what was ``adopted``, and then those that it commits.
    """

    writer: Writer
    kind: str
    signing: Signing
    now: Callable[[], datetime]
    started_at: datetime
    recovered: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    adopted: Adopted = field(default_factory=Adopted)
    manifests: ManifestList = field(default_factory=ManifestList)

    def close(
        self,
        ids: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
        *,
        stopping: Callable[[], bool] = lambda: False,
        **fields: Any,
    ) -> ClosedSession:
        """Write the session's record, when all that it is about is durable; then sign it.

        ``ids`` are the runs that it chose, where they are to be listed; ``details`` and ``fields``
        those of the record that are its own (see LedgerRecord). Where the session is ``stopping`` a
        time stamp is not waited for long.

        Returns the record's digest, and why it has no time stamp where one was wanted. Raises
        ArchiveUnwritable.
        """
        storage, session = self.writer.storage, self.writer.session
        record = LedgerRecord(
            kind=self.kind,
            session=session,
            tool=TOOL,
            by=self.signing.by,
            started_at=self.started_at,
            finished_at=self.now(),
            recovered=self.recovered,
            details={**(details or {}), **self.adopted.details()},
            **fields,
        )
        written = append_record(storage, record, self.manifests, ids)
        self.writer.clear_unfinished()
        self.writer.is_continued |= self.kind != VERIFY  # which has looked for nothing
        # Without them the record counts all the same: those of the next one cover it too.
        if self.signing.sign is not None:
            put_signature(storage, session, self.signing.sign(written.data))
        unstamped = None
        try:
            if self.signing.stamp is not None:
                put_stamp(storage, session, self.signing.stamp(written.data, stopping))
        except StampRefused as error:
            unstamped = error
        record_attachments(storage, written)
        return ClosedSession(written.sha256, unstamped)


@contextlib.contextmanager
def writing_session(
    root: Path,
    kind: str,
    signing: Signing,
    now: Callable[[], datetime],
    random: bytes,
    durability: Durability | None = None,
    *,
    mode: int | None = None,
) -> Iterator[WritingSession]:
    """Hold an archive for a session of one ``kind``, and bring what killed ones left to its end.

    Whoever opened it closes it, as the last step of what went well: nothing is recorded because a
    block has ended. Raises what open_for_writing and recover do.
    """
    started_at = now()
    with open_for_writing(
        root, started_at, random, durability, signing=signing, mode=mode
    ) as writer:
        left = recover(writer)
        adopted = Adopted() if writer.is_continued else adopt(writer, left)
        manifests = left.listed()
        manifests.extend(adopted.manifests)
        # What was found is in no list before the record is written.
        writer.is_continued |= not adopted.manifests
        yield WritingSession(
            writer,
            kind,
            signing,
            now,
            started_at,
            left.sessions,
            tuple(one.path for one in left.unlisted),
            adopted,
            manifests,
        )
