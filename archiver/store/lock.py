"""The one writer of an archive: its locks, and its journal (format, 7).

The writer's locks are operating system locks: they end with the process that holds them, so no
stale process id is ever trusted. The journal has one line for each revision before it is committed,
so that the next writer knows which of a killed session's revisions the tables and the ledger may
lack.
"""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from archiver.errors import ArchiveLocked, NotAnArchive
from archiver.model.ids import SessionId, sha256_of
from archiver.model.paths import (
    ARCHIVE_FILE,
    LEDGER_FOLDER,
    LOCK_FILE,
    README_FILE,
    TABLES_FOLDER,
    TEMPORARY_FOLDER,
)
from archiver.store.names import is_journal, is_others
from archiver.store.storage import LocalStorage
from archiver.system.files import open_file, os_errors
from archiver.system.fsync import Durability
from archiver.version import __version__

PART_ENDING = ".part"


NOTE_ENDING = ".resume"


_KEPT = timedelta(days=7)


def sweep(storage: LocalStorage, names: Iterable[str], now: datetime) -> None:
    """Remove temporary files, but not those of downloads that may still be gone on with."""
    found = set(names)
    for name in found:
        stem = name.removesuffix(PART_ENDING).removesuffix(NOTE_ENDING)
        pair = {f"{stem}{PART_ENDING}", f"{stem}{NOTE_ENDING}"}
        if name not in pair or not pair <= found or _is_old(storage, f"{stem}{NOTE_ENDING}", now):
            storage.remove(f"{TEMPORARY_FOLDER}/{name}")


def _is_old(storage: LocalStorage, name: str, now: datetime) -> bool:
    try:
        changed = storage.locate(f"{TEMPORARY_FOLDER}/{name}").stat().st_mtime
    except OSError:
        return True
    return now.timestamp() - changed > _KEPT.total_seconds()


FORMAT = 2
TOOL = f"skyvern-archiver {__version__}"

_FIRST_LOCK = f"{TEMPORARY_FOLDER}/lock"
_HOLDER = f"{TEMPORARY_FOLDER}/lock.json"
_MOST_NAMED = 5
_LAST_BREATH = 5.0
"""Seconds in which those that worked for a killed writer are gone."""

README = """\
This folder is an archive of Skyvern runs, written by skyvern-archiver.

archive.json                          the format of this folder, its id, when it was made
runs/<year>/<month>/<day>/<run id>/   one folder per run, by the UTC day it was created
  r1/manifest.json                    what revision 1 consists of: paths, sizes, SHA-256 digests
  r1/run.json                         the API's answer (GET /v1/runs/<run id>), secrets masked
  r1/recording.*, r1/screenshots/, r1/downloads/
  r2/...                              a later revision; what did not change stays in r1
tables/                               the same as Parquet: runs, documents, artifacts, errors;
                                      built from the manifests, and can be rebuilt; and the logs
                                      fetches and checks (what came of each fetch and verify)
ledger/<session>.json                 what each session did, with the digest of the record before
ledger/<session>.sha256               the manifests that it committed; of this list the record has
                                      the Merkle root (RFC 9162, a leaf per line)
ledger/<session>.ids                  the ids of the runs that it was about, where it chose them
ledger/<session>.head                 the digest of the record, for sha256sum -c
ledger/<session>.sig, .tsr            Ed25519 signature and RFC 3161 time stamp of the record
ledger/<session>*.journal             what a session is about to commit, until its record is there
lock                                  the writer's lock
tmp/                                  what is being written; of no use when nobody writes

Only revisions with a manifest.json count; nothing in them is ever changed. A run that was removed
has one left: its manifest says what there was, with all digests, when it went, and why.

To check the files of a revision, in the run's folder:
  sha256sum -c r1/SHA256SUMS
and the manifests that a session committed, here:
  sha256sum -c ledger/<session>.sha256

To read the tables, anything that reads Parquet will do, for example DuckDB:
  SELECT status, count(*) FROM read_parquet('tables/runs/*/*.parquet') GROUP BY status;
A run has one row per revision; the one with the highest revision is the latest.

The specification of this format is the file schemas/README.md of skyvern-archiver's source: its
sections 4 (manifests), 5 (ledger) and 6 (tables) say how to check all of it with other tools.
"""


class ArchiveFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What archive.json says. ``id`` tells archives apart (16 hex digits); format 1 has none."""

    format: int
    tool: str
    created_at: datetime
    id: str | None = None


_ARCHIVE_FILE = msgspec.json.Decoder(ArchiveFile)


def open_archive(root: Path) -> LocalStorage:
    """The storage of an existing archive. Raises NotAnArchive when ``root`` holds none."""
    storage = LocalStorage(root)
    read_archive_file(storage)
    return storage


def read_archive_file(storage: LocalStorage) -> tuple[ArchiveFile, bytes]:
    """What archive.json says, and its bytes. Raises NotAnArchive where it is none of an archive of
    a format that this tool knows.
    """
    path = storage.locate(ARCHIVE_FILE)
    try:
        with os.fdopen(open_file(path), "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        others = _in_the_way(storage.root)
        named = ", ".join(others[:_MOST_NAMED]) + (" …" if len(others) > _MOST_NAMED else "")
        raise NotAnArchive(
            f"{storage} is not an archive: it has no {ARCHIVE_FILE}"
            + (f", and other things are in it: {named}" if others else ""),
            hint="Name the archive with --archive or ARCHIVER_ARCHIVE; `archiver fetch` makes one "
            "in a folder that is new or empty",
        ) from None
    except OSError as error:
        raise NotAnArchive(f"cannot read {path}: {error.strerror}") from None
    try:
        found = _ARCHIVE_FILE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotAnArchive(
            f"{path} is not what an archive begins with",
            hint="Restore it from a backup; the runs beside it are not affected",
        ) from None
    if found.format > FORMAT:
        raise NotAnArchive(
            f"{storage} is an archive of format {found.format}, this tool knows {FORMAT}",
            hint="Install a newer version of skyvern-archiver",
        )
    return found, data


def new_archive_file(session: SessionId, now: datetime) -> bytes:
    """The archive.json of an archive that a session makes ``now``."""
    begin = {"format": FORMAT, "id": archive_id(session), "tool": TOOL, "created_at": now}
    return msgspec.json.format(msgspec.json.encode(begin), indent=1) + b"\n"


def raised(data: bytes, session: SessionId) -> bytes:
    """An archive.json as it is to be in this format; all else that it says stays."""
    begin = {**json.loads(data), "format": FORMAT}
    begin.setdefault("id", archive_id(session))
    return json.dumps(begin, indent=1, ensure_ascii=False).encode() + b"\n"


def archive_id(session: SessionId) -> str:
    """An id for the archive that a session makes: of its time and its four random bytes."""
    return sha256_of(session.encode())[:16]


@dataclass(slots=True)
class Writer:
    """The one writer of an archive, for one session."""

    storage: LocalStorage
    session: SessionId
    unfinished: tuple[str, ...]
    """Paths of the journals of sessions that did not end by themselves."""
    part: str = ""
    """Tells the journals apart where several processes work for one session."""
    is_new: bool = False
    """Whether the session made the archive."""
    is_unused: bool = False
    """Set where a new archive has nothing to keep: it is removed when the session ends."""
    is_continued: bool = True
    """Lists and journals name all that was ever committed: nothing else is to be looked for."""

    def journal(self, revision_folders: Iterable[str]) -> str:
        """Note that revisions are about to be committed, in a file that is still to be synced."""
        self.storage.check_root()
        with os_errors("write the journal"):
            path = self.storage.locate(self._journal)
            with path.open("ab") as journal:
                journal.write("".join(f"{folder}\n" for folder in revision_folders).encode())
        return str(path)

    def remove_journal(self, journal: str) -> None:
        """Tables and ledger have what the journal names."""
        self.storage.remove(journal)

    def clear_journals(self) -> None:
        """Tables and ledger have all that was announced in this session, by whatever process."""
        for journal in journals_in(self.storage):
            if journal.rpartition("/")[2].startswith(self.session):
                self.remove_journal(journal)

    def clear_unfinished(self) -> None:
        """Tables and ledger have all that killed sessions announced."""
        for journal in self.unfinished:
            self.remove_journal(journal)

    def ask_to_stop(self) -> None:
        """Tell all that work for this session to come to an end."""
        with contextlib.suppress(OSError):  # what is wrong with the archive is said elsewhere
            self._stop_flag.touch()

    def is_asked_to_stop(self) -> bool:
        return self._stop_flag.exists()

    def clear_stop(self) -> None:
        with contextlib.suppress(OSError):
            self._stop_flag.unlink(missing_ok=True)

    @property
    def _stop_flag(self) -> Path:
        return self.storage.locate(f"{TEMPORARY_FOLDER}/{self.session}.stop")

    @property
    def _journal(self) -> str:
        return f"{LEDGER_FOLDER}/{self.session}{self.part}.journal"


def journals_in(storage: LocalStorage) -> list[str]:
    """The paths of all journals: in format 1 they lay in ``tmp``."""
    return [
        f"{folder}/{name}"
        for folder in (TEMPORARY_FOLDER, LEDGER_FOLDER)
        for name in storage.own_names(folder)
        if is_journal(name)
    ]


def journaled(storage: LocalStorage, journal: str) -> list[str]:
    """The revisions that a journal names; a line that was cut off is left out."""
    text = storage.read(journal).decode(errors="replace")
    return [line for line in text.split("\n")[:-1] if line]


def join_for_writing(root: Path, session: SessionId, part: int, durability: Durability) -> Writer:
    """A writer that works for a session whose own process holds the archive."""
    storage = LocalStorage(root, durability, f"{session}-{part}")
    storage.accept_root()
    return Writer(storage, session, (), f"-{part}")


def can_be_made(root: Path) -> bool:
    """Whether an archive can be made here: nothing there but what a writer makes first, and what
    others leave on every volume."""
    return not _in_the_way(root)


def _in_the_way(root: Path) -> list[str]:
    """Names of what keeps an archive from being made in a folder, sorted. Raises NotAnArchive."""
    try:
        return sorted(
            entry.name
            for entry in root.iterdir()
            if entry.name not in (TEMPORARY_FOLDER, LOCK_FILE) and not is_others(entry.name)
        )
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise NotAnArchive(f"{root} is a file, not a folder") from None
    except OSError as error:
        raise NotAnArchive(f"cannot read {root}: {error.strerror}") from None


def _is_kept(name: str) -> bool:
    return name.startswith("lock") or name == TABLES_FOLDER


def _make_archive(storage: LocalStorage, session: SessionId, now: datetime) -> None:
    if not storage.exists(ARCHIVE_FILE):
        storage.put(ARCHIVE_FILE, new_archive_file(session, now))
    if not storage.exists(README_FILE):
        storage.put(README_FILE, README.encode())


def remove_unused(root: Path, *, with_root: bool) -> None:
    """Remove what a session makes before it archives anything, and nothing else; after its locks.

    ``with_root``: the folder, too, if it is empty then.
    """
    temporary = root / TEMPORARY_FOLDER
    with contextlib.suppress(OSError):  # what stays does no harm: the next fetch begins with it
        for name in (ARCHIVE_FILE, README_FILE, LOCK_FILE):
            (root / name).unlink(missing_ok=True)
        for path in temporary.glob("lock*"):
            path.unlink()
        for folder in (temporary, root / LEDGER_FOLDER, *([root] if with_root else [])):
            folder.rmdir()


def _name_holder(storage: LocalStorage, session: SessionId, now: datetime) -> None:
    """Tell whoever finds the archive locked who holds it."""
    holder = {
        "session": session,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": now.isoformat(timespec="seconds"),
    }
    storage.put(_HOLDER, json.dumps(holder).encode())


@contextlib.contextmanager
def _locked(storage: LocalStorage, name: str = _FIRST_LOCK) -> Iterator[None]:
    """Hold one of the two locks. That of format 1 is always held, and before the other: so no
    writer of that format is at work beside, also while the format is raised.
    """
    from filelock import FileLock, Timeout  # whoever only reads has no use for it

    lock = FileLock(storage.locate(name))
    with os_errors(f"lock {storage}"):
        _check_locks(storage, name)
        try:
            lock.acquire(timeout=0 if _holder_lives(storage) else _LAST_BREATH)
        except Timeout:  # an OSError too, but nothing is wrong with the disk
            raise ArchiveLocked(
                f"another writer holds {storage}: {_holder(storage)}",
                hint="Wait until it has ended, then run the same command again",
            ) from None
    try:
        yield
    finally:
        # Only tidying up: the lock itself ends with the process, whatever fails here.
        if name == _FIRST_LOCK:
            with contextlib.suppress(OSError):
                storage.locate(_HOLDER).unlink(missing_ok=True)
        lock.release()


def _check_locks(storage: LocalStorage, name: str) -> None:
    """Raises NotAnArchive where the file system has no locks: some would be made of files, which
    outlive their process.
    """
    if os.name == "nt":
        return
    import fcntl

    descriptor = os.open(storage.locate(name), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # somebody holds it
        pass
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise NotAnArchive(
            f"the file system of {storage} has no locks: {error.strerror}",
            hint="Without them two writers could meet. Mount it with locks (NFS: a lock daemon, "
            "version 4, or local_lock=flock where one machine writes), or choose another --archive",
        ) from None
    finally:
        os.close(descriptor)


_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)


def _holder_lives(storage: LocalStorage) -> bool:
    """Whether the process that held the archive last is there; True where that cannot be told.

    Processes that worked for one that was killed end a moment later.
    """
    try:
        holder = json.loads(storage.locate(_HOLDER).read_bytes())
        if os.name == "nt" or holder["host"] != socket.gethostname():
            return True
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        pass
    return True


def _holder(storage: LocalStorage) -> str:
    try:
        holder = json.loads(storage.locate(_HOLDER).read_bytes())
        return (
            f"session {holder['session']}, process {holder['pid']} on {holder['host']}, "
            f"since {holder['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "it has just begun"
