"""The ledger against itself, and against the manifests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from archiver.errors import ArchiveDamaged
from archiver.ledger.records import (
    ledger_records,
    read_heads,
    sessions_in_ledger,
    signed_and_stamped,
)
from archiver.model.ids import Sha256, digest_of_lines, sha256_of
from archiver.model.ledger import (
    FETCH,
    HEAD_ENDING,
    IDS_ENDING,
    LIST_ENDING,
    SIGNATURE_ENDING,
    STAMP_ENDING,
    Head,
    LedgerRecord,
    archive_files,
    attachments,
    decode_list,
    decode_record,
    head_path,
    ids_path,
    list_path,
    record_path,
    root_of,
    session_of,
    signature_path,
    stamp_path,
)
from archiver.model.paths import (
    ARCHIVE_FILE,
    LEDGER_FOLDER,
    MANIFEST,
    README_FILE,
    TEMPORARY_FOLDER,
)
from archiver.recovery import ADOPTED
from archiver.store.names import is_journal
from archiver.store.scan import Kind, entries
from archiver.store.storage import LocalStorage
from archiver.verify.compare import Comparison
from archiver.verify.findings import RESTORE, Finding, Gap, GapKind, Level, finding, unlisted
from archiver.verify.walk import misplaced, readable_entries

_ENDINGS = (HEAD_ENDING, LIST_ENDING, IDS_ENDING, SIGNATURE_ENDING, STAMP_ENDING)
_ACCEPT = "accept"
_WITH_IDS = frozenset({"hold", "release", _ACCEPT, "prune", "erase"})
"""Kinds of sessions whose ids are listed."""


@dataclass(slots=True)
class Ledger:
    """What the ledger says, and what is wrong with it.

    ``records`` are those in their places, by session; ``lost`` are sessions whose record is not
    there or not true. ``pending`` are revisions that only the journal of a killed session knows, or
    of one at work, ``recovered`` sessions that were killed, ``accepted`` the ids whose gaps were
    declared final, ``heads`` those that are as they were written.
    """

    records: dict[str, LedgerRecord] = field(default_factory=dict)
    digests: dict[str, Sha256] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)
    recovered: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    run_ids: frozenset[str] = frozenset()
    heads: dict[str, Head] = field(default_factory=dict)
    adopted: dict[str, str] = field(default_factory=dict)
    """What sessions took into the ledger that nothing named before, in words."""

    @property
    def last(self) -> str:
        """The last session that had a record when the ledger was read; empty where none had."""
        return max(self.digests, default="")

    def add_finding(self, path: str, problem: str, todo: str = RESTORE) -> None:
        """Note what is wrong with a file, unless something is already."""
        if all(one.path != path for one in self.findings):
            self.findings.append(finding(path, problem, Level.LEDGER, todo))

    def add_lost(self, session: str, problem: str) -> None:
        """Note that a session's record is not there, or not true."""
        self.lost.add(session)
        self.add_finding(record_path(session), problem)


def check_ledger(
    storage: LocalStorage, comparison: Comparison, run_ids: frozenset[str] = frozenset()
) -> Ledger:
    """Check the chain, each session's lists, and the archive's own files that records speak of.

    What the lists say of manifests goes into ``comparison``; of these runs only, where there are
    any.
    """
    ledger = Ledger(run_ids=run_ids)
    others = _read_records(storage, ledger)
    _check_chain(storage, ledger)
    for session, record in ledger.records.items():
        _check_list(storage, ledger, session, comparison)
        _check_ids(storage, ledger, session, record)
        ledger.recovered.update(record.recovered)
        match record.details.get(ADOPTED):
            case {"manifests": int(count), "sessions": list(others)}:
                ledger.adopted[session] = f"{count} revisions of {', '.join(map(str, others))}"
    sessions = {*ledger.records, *ledger.lost}
    for name in others:
        if is_journal(name):
            continue
        of = next((s for ending in _ENDINGS if (s := session_of(name, ending))), None)
        path = f"{LEDGER_FOLDER}/{name}"
        if of is None or (of not in sessions and of < max(sessions, default="")):
            ledger.findings.append(unlisted(path))
        elif of in ledger.lost and name.endswith(LIST_ENDING):
            _check_list(storage, ledger, of, comparison)
    _check_own_files(storage, ledger)
    read_journals(storage, ledger)
    return ledger


def _read_records(storage: LocalStorage, ledger: Ledger) -> list[str]:
    """Read the records; the names of all other files come back."""
    others = []
    for name, kind in entries(storage, LEDGER_FOLDER):
        session = session_of(name)
        path = f"{LEDGER_FOLDER}/{name}"
        if kind is not Kind.FILE:
            ledger.findings.append(misplaced(storage, path))
        elif session is None:
            others.append(name)
        else:
            try:
                data = storage.read(path)
                ledger.digests[session] = sha256_of(data)
                record = decode_record(data, path)
            except ArchiveDamaged as error:
                ledger.add_lost(session, error.message)
                continue
            if record.session != session:
                ledger.add_lost(session, f"it is the record of session {record.session}")
            else:
                ledger.records[session] = record
    return others


def _check_chain(storage: LocalStorage, ledger: Ledger) -> None:
    """Each record names the one before and its digest, so each but the last is vouched for."""
    there = set(ledger.digests)
    claimed = {record.previous_session for record in ledger.records.values()}
    for of, head in read_heads(storage):
        if head is None:
            todo = "Remove it, if the record beside it is not among the findings"
            ledger.add_finding(head_path(of), "it is not what was written", todo)
        elif of not in there:
            ledger.add_lost(of, "the record is not there")
        elif ledger.digests[of] != head.sha256:
            ledger.add_lost(of, "it is not what was written")
        else:
            ledger.heads[of] = head
    # From the last on: what a record says counts where the one behind it vouches for it.
    for session, record in reversed(ledger.records.items()):
        if session in ledger.lost:
            continue
        before = record.previous_session
        if before is not None and before >= session:
            ledger.add_finding(record_path(session), f"it follows {before}, which is behind it")
        elif before is not None and before not in there:
            problem = f"the record is not there that {session} follows"
            ledger.add_lost(before, problem)
        elif before is not None and record.previous_sha256 != ledger.digests[before]:
            ledger.add_lost(before, f"it is not what it was when {session} was written")
    *earlier, _last = sorted(there) or [""]
    for session in earlier:
        if session not in claimed and not _is_behind_lost(session, ledger, there):
            problem = "no later record follows it: it was put there, or others were changed"
            ledger.add_lost(session, problem)
    for session in ledger.lost:
        ledger.records.pop(session, None)


def _is_behind_lost(session: str, ledger: Ledger, there: set[str]) -> bool:
    """Whether the record that should name this one is itself lost."""
    later = [s for s in sorted(there | ledger.lost) if s > session]
    return bool(later) and later[0] in ledger.lost


def _check_list(
    storage: LocalStorage, ledger: Ledger, session: str, comparison: Comparison
) -> None:
    """Take what a session's list says, where it is the one that its record speaks of.

    Where the record is lost, the better part of it is true.
    """
    path, record = list_path(session), ledger.records.get(session)
    if record is not None and record.manifests_root is None:
        return
    try:
        committed = decode_list(storage.read(path), path)
    except ArchiveDamaged as error:
        problem: str | None = error.message
    else:
        is_its_own = record is None or (record.manifests, record.manifests_root) == (
            len(committed),
            root_of(committed),
        )
        problem = None if is_its_own else f"it is not the list that session {session} committed"
    if problem is None:
        listed = ((one.path.removesuffix(f"/{MANIFEST}"), one.sha256) for one in committed)
        comparison.add(
            "listed",
            (
                (folder, sha256, session)
                for folder, sha256 in listed
                if not ledger.run_ids or folder.split("/")[-2] in ledger.run_ids
            ),
        )
    elif record is not None:
        ledger.add_finding(path, problem)
        ledger.recovered.add(session)


def _check_ids(storage: LocalStorage, ledger: Ledger, session: str, record: LedgerRecord) -> None:
    path = ids_path(session)
    if not storage.exists(path):
        if record.kind in _WITH_IDS and record.ids_asked:
            ledger.add_finding(path, f"the ids are not there that session {session} was about")
        return
    try:
        lines = storage.read(path).decode(errors="replace").split("\n")
    except ArchiveDamaged as error:
        ledger.add_finding(path, error.message)
        return
    ids = lines[:-1]
    if lines[-1] or len(ids) != record.ids_asked or digest_of_lines(ids) != record.ids_sha256:
        ledger.add_finding(path, f"these are not the ids that session {session} was about")
    elif record.kind == _ACCEPT:
        ledger.accepted.update(ids)


def _check_own_files(storage: LocalStorage, ledger: Ledger) -> None:
    """README.txt as the first record has it that speaks of it, archive.json as upgrades left it."""
    records = ledger.records.values()
    stated = {
        path: [record.files[path] for record in records if path in record.files]
        for path in (ARCHIVE_FILE, README_FILE)
    }
    may_be = {ARCHIVE_FILE: archive_files(records), README_FILE: set(stated[README_FILE][:1])}
    if ledger.lost:  # among them may be that of an upgrade
        may_be[ARCHIVE_FILE].update(stated[ARCHIVE_FILE][-1:])
    for path, digests in may_be.items():
        try:
            data = storage.read(path)
        except ArchiveDamaged as error:
            if ledger.digests:  # else the first session was killed before it made it
                ledger.add_finding(path, error.message)
            continue
        if digests and sha256_of(data) not in digests:
            ledger.add_finding(path, "the bytes are not those that were stored")


def read_journals(storage: LocalStorage, ledger: Ledger) -> None:
    """Add to ``pending`` what killed sessions committed, or a session that is still at work.

    Here alone is decided where journals lie.
    """
    for folder in (TEMPORARY_FOLDER, LEDGER_FOLDER):
        for name, kind in readable_entries(storage, folder, ledger.findings):
            if kind is Kind.FILE and is_journal(name):
                text = storage.read(f"{folder}/{name}").decode(errors="replace")
                ledger.pending.update(line for line in text.split("\n")[:-1] if line)


def is_marker_harmed(storage: LocalStorage) -> bool:
    """Tell whether archive.json is not what the ledger says, so that no format can be told."""
    may_be = archive_files(one.record for one in ledger_records(storage, []))
    try:
        return bool(may_be) and storage.digest(ARCHIVE_FILE)[1] not in may_be
    except ArchiveDamaged:
        return True


def interrupted(ledger: Ledger) -> Iterator[Gap]:
    """Yield a gap for the last fetch if it was interrupted.

    What else it would have asked for is not known from here.
    """
    fetches = [record for record in ledger.records.values() if record.kind == FETCH]
    if fetches and fetches[-1].interrupted:
        what = "the last fetch was interrupted: the same command again picks up where it stopped"
        yield Gap(GapKind.INTERRUPTED, fetches[-1].session, what)


_NAMED = 5
_NO_SIGNATURE = "it is not the signature of this key for the record"
_NO_STAMP = "it is no time stamp of the record by a trusted authority"
_TODO = "Find out who changed it: compare with a copy, or with a head that was noted"


@dataclass(frozen=True, slots=True)
class Signatures:
    """What vouches for records: ``verifies`` tells whether a signature is one of bytes by the key
    that is trusted, ``stamped_at`` when bytes were stamped, None where the stamp is none of them.
    Both are None where they are not to be checked.
    """

    verifies: Callable[[bytes, bytes], bool] | None = None
    stamped_at: Callable[[bytes, bytes], datetime | None] | None = None


def check_signatures(
    storage: LocalStorage, how: Signatures, lost: set[str], notes: list[str]
) -> list[Finding]:
    """Check the signatures and stamps of records, but of those that are ``lost`` anyway.

    A signature covers all records before it too: what is not covered is said in ``notes``. That
    there is none at all, although one is demanded, is a finding.
    """
    found: list[Finding] = []
    signed, stamped = signed_and_stamped(storage)
    sessions = [session for session in sessions_in_ledger(storage) if session not in lost]
    for vouches, there, path_of, name, otherwise in (
        (how.verifies, signed, signature_path, "signature", _NO_SIGNATURE),
        (
            how.stamped_at,
            stamped,
            stamp_path,
            "time stamp",
            "a time stamp by an authority, of",
        ),
    ):
        if vouches is None or not sessions:
            continue
        own = [session for session in sessions if session in there]
        for session in own:
            try:
                data = storage.read(path_of(session)), storage.read(record_path(session))
                problem = None if vouches(*data) else otherwise
            except ArchiveDamaged as error:
                problem = error.message
            if problem is not None:
                found.append(finding(path_of(session), problem, Level.LEDGER, _TODO))
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


def check_attachments(storage: LocalStorage, ledger: Ledger) -> None:
    """Check heads, signatures and stamps of records, whether a key is at hand or not.

    The head has the digests of the other two, and the record behind it those of all three.
    """
    behind = {record.previous_session: record.files for record in ledger.records.values()}
    for session in sorted(ledger.digests.keys() - ledger.lost):
        expected = dict(behind.get(session, {}))
        if head := ledger.heads.get(session):
            expected.update(head.attachments)
        for path in attachments(session):
            if path in expected:
                try:
                    if storage.digest(path)[1] != expected[path]:
                        ledger.add_finding(path, "the bytes are not those that were stored")
                except ArchiveDamaged as error:
                    ledger.add_finding(path, error.message)
