"""The ledger: what each session did, chained; and the lists of the manifests that each committed.

Beside a record lies its list, one line per manifest as sha256sum(1) writes it, in the order in
which they were committed. The record has the Merkle root over the lines, so that the digest of a
later record speaks for every manifest before it, and a short proof shows that it does (format, 5).
"""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec

from archiver.errors import ArchiveDamaged
from archiver.model.ids import SessionId, Sha256, sha256_of
from archiver.model.merkle import MerkleTree, leaf_hash, tree_root
from archiver.model.paths import ARCHIVE_FILE, LEDGER_FOLDER, MANIFEST

FORMAT = 2
FETCH = "fetch"
VERIFY = "verify"
UPGRADE = "upgrade"
RECORD_ENDING = ".json"
LIST_ENDING = ".sha256"
IDS_ENDING = ".ids"
SIGNATURE_ENDING = ".sig"
STAMP_ENDING = ".tsr"
HEAD_ENDING = ".head"
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""A number of things, or of bytes, that any reader of JSON can hold, and sums of it too."""
_LINE = re.compile(r"([0-9a-f]{64})  (runs/[^\n\0]+/manifest\.json)")


class Actor(msgspec.Struct, frozen=True):
    """Who did something: the user and the host, and with which options (none is a secret)."""

    user: str
    host: str
    options: dict[str, str] = {}


class LedgerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a session did. ``previous_sha256`` is the digest of the record before: the chain.

    ``kind`` is the command. ``ids_sha256`` is the digest of the run ids that it was about, sorted,
    one per line; where it was about those that it chose, they are listed in a file of their own.
    ``manifests`` are those that it committed, ``manifests_root`` the Merkle root over the lines of
    their list. ``files`` are the digests of the archive's own files, and of what lies beside the
    record before: its digest, signature and time stamp. Records of format 1 have
    ``manifests_sha256`` in the root's place, the digest of their sorted digests, one per line, and
    no list. ``fetches`` counts the rows that the session wrote into the table of that name, and
    ``fetches_sha256`` is their digest. ``details`` are what a kind of session has to say besides.
    """

    format: Annotated[int, msgspec.Meta(ge=1)] = 1
    kind: str = FETCH
    session: str
    tool: str
    by: Actor | None = None
    started_at: _Moment
    finished_at: _Moment
    interrupted: bool = False
    ids_asked: _Count = 0
    ids_sha256: str | None = None
    runs: dict[str, _Count] = {}
    artifacts: dict[str, _Count] = {}
    manifests: _Count = 0
    manifests_root: str | None = None
    manifests_sha256: str | None = None
    bytes_downloaded: _Count = 0
    fetches: _Count = 0
    fetches_sha256: str | None = None
    recovered: tuple[str, ...] = ()
    files: dict[str, str] = {}
    details: dict[str, Any] = {}
    previous_session: str | None = None
    previous_sha256: str | None = None


class Upgrade(NamedTuple):
    """What a record of kind ``upgrade`` says of archive.json: its digests before and after, and its
    new text."""

    before: str
    after: str
    text: str


def upgrade_details(before: bytes, after: bytes) -> dict[str, Any]:
    """The details of a record of kind ``upgrade``, of archive.json's bytes before and after."""
    upgrade = Upgrade(sha256_of(before), sha256_of(after), after.decode())
    return {ARCHIVE_FILE: upgrade._asdict()}


def upgrade_of(record: LedgerRecord) -> Upgrade | None:
    """What a record says of an upgrade; None where it is of another kind, or says nothing true."""
    told = record.details.get(ARCHIVE_FILE) if record.kind == UPGRADE else None
    match told:
        case {"before": str(before), "after": str(after), "text": str(text)}:
            is_true = sha256_of(text.encode()) == after
            return Upgrade(before, after, text) if is_true else None
    return None


def archive_files(records: Iterable[LedgerRecord]) -> set[str]:
    """The digests that archive.json may have by what these records say, oldest first.

    Those are the one that the last record speaks of and, where that is an upgrade, the one that it
    brings: it may have been killed before it did. None where no record speaks of it.
    """
    may_be: set[str] = set()
    for record in records:
        stated = record.files.get(ARCHIVE_FILE)
        if stated is not None and (not may_be or stated in may_be):
            may_be = {stated}
        upgrade = upgrade_of(record)
        if upgrade is not None and upgrade.before in may_be:
            may_be.add(upgrade.after)
    return may_be


class ListedManifest(NamedTuple):
    """A manifest that a session committed: its digest, and its path in the archive."""

    sha256: Sha256
    path: str

    @property
    def line(self) -> str:
        """The line of the list, without its end."""
        return f"{self.sha256}  {self.path}"

    @property
    def leaf(self) -> bytes:
        """The hash of the leaf in the session's Merkle tree: the entry is the line."""
        return leaf_hash(self.line.encode())


def manifest_path(revision_folder: str) -> str:
    return f"{revision_folder}/{MANIFEST}"


def record_path(session: str) -> str:
    """Where a session's record lies."""
    return f"{LEDGER_FOLDER}/{session}{RECORD_ENDING}"


def list_path(session: str) -> str:
    """Where the list of the manifests lies that a session committed."""
    return f"{LEDGER_FOLDER}/{session}{LIST_ENDING}"


def ids_path(session: str) -> str:
    """Where the ids of the runs are listed that a session was about, where it chose them."""
    return f"{LEDGER_FOLDER}/{session}{IDS_ENDING}"


def head_path(session: str) -> str:
    """Where the digest of a session's record lies, and of its signature and time stamp: for those
    of the last one, no other vouches."""
    return f"{LEDGER_FOLDER}/{session}{HEAD_ENDING}"


def signature_path(session: str) -> str:
    """Where the signature of a session's record lies."""
    return f"{LEDGER_FOLDER}/{session}{SIGNATURE_ENDING}"


def stamp_path(session: str) -> str:
    """Where the time stamp of a session's record lies."""
    return f"{LEDGER_FOLDER}/{session}{STAMP_ENDING}"


def attachments(session: str) -> tuple[str, ...]:
    """Where what lies beside a session's record is to be found: head, signature, time stamp."""
    return head_path(session), signature_path(session), stamp_path(session)


def session_of(name: str, ending: str = RECORD_ENDING) -> SessionId | None:
    """The session that a file of the ledger's folder is of; None where it is no such file."""
    try:
        return SessionId(name.removesuffix(ending)) if name.endswith(ending) else None
    except ValueError:
        return None


_RECORD = msgspec.json.Decoder(LedgerRecord)


def encode_record(record: LedgerRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record, enc_hook=str), indent=1) + b"\n"


def decode_record(data: bytes, where: str) -> LedgerRecord:
    """Raises ArchiveDamaged when ``data`` is no ledger record."""
    try:
        return _RECORD.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveDamaged(f"{where} is no ledger record: {error}") from None


class Head(NamedTuple):
    """What lies beside a record: its digest, and those of its signature and stamp, by path."""

    sha256: Sha256
    attachments: Mapping[str, Sha256] = MappingProxyType({})


def encode_head(session: str, head: Head) -> bytes:
    """The digests, for ``sha256sum -c``; then the digest of those lines themselves."""
    digests = {record_path(session): head.sha256, **head.attachments}
    lines = "".join(f"{sha256}  {path}\n" for path, sha256 in digests.items())
    return f"{lines}# {sha256_of(lines.encode())}\n".encode()


def decode_head(data: bytes, session: str) -> Head:
    """What was written beside a session's record. Raises ArchiveDamaged where it is not that."""
    digests: dict[str, Sha256] = {}
    for line in data.split(b"\n")[:-2]:
        sha256, _, path = line.decode(errors="replace").partition("  ")
        with contextlib.suppress(ValueError):
            digests[path] = Sha256(sha256)
    own = digests.pop(record_path(session), None)
    if own is None or not digests.keys() <= set(attachments(session)):
        raise ArchiveDamaged(f"{head_path(session)} is not what was written")
    head = Head(own, digests)
    if data != encode_head(session, head):
        raise ArchiveDamaged(f"{head_path(session)} is not what was written")
    return head


class ManifestList:
    """The list of a session, as it grows; ``data`` is the file, ``root`` its Merkle root."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._tree = MerkleTree()

    def add(self, manifest: ListedManifest) -> None:
        line = manifest.line.encode()
        self.data += line + b"\n"
        self._tree.add(leaf_hash(line))

    def extend(self, manifests: Iterable[ListedManifest]) -> None:
        for manifest in manifests:
            self.add(manifest)

    @property
    def count(self) -> int:
        return self._tree.size

    @property
    def root(self) -> Sha256:
        return self._tree.root


def decode_list(data: bytes, where: str) -> list[ListedManifest]:
    """The lines of a list. Raises ArchiveDamaged where one is not as they are written."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise ArchiveDamaged(f"{where} is not UTF-8") from None
    if lines.pop() != "":
        raise ArchiveDamaged(f"{where} was cut off")
    found = []
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ArchiveDamaged(f"{where}, line {number}, is no digest and path of a manifest")
        found.append(ListedManifest(Sha256(match[1]), match[2]))
    return found


def root_of(committed: Sequence[ListedManifest]) -> Sha256:
    """The Merkle root over a list, in its order."""
    return tree_root(one.leaf for one in committed)
