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

from archiver.errors import ArchiveLocked, NotAnArchive
from archiver.model.ids import SessionId
from archiver.model.paths import (
    LEDGER_FOLDER,
    TABLES_FOLDER,
    TEMPORARY_FOLDER,
)
from archiver.store.names import is_journal
from archiver.store.storage import LocalStorage
from archiver.system.files import os_errors
from archiver.system.fsync import Durability
from archiver.system.rights import PRIVATE, rights_below

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


def parts_kept(storage: LocalStorage) -> list[int]:
    """Return how many bytes there are of each download that may still be gone on with."""
    found = set(storage.names(TEMPORARY_FOLDER))
    parts = [name for name in found if name.endswith(PART_ENDING)]
    sizes = []
    for name in parts:
        if f"{name.removesuffix(PART_ENDING)}{NOTE_ENDING}" in found:
            with contextlib.suppress(OSError):
                sizes.append(storage.locate(f"{TEMPORARY_FOLDER}/{name}").stat().st_size)
    return sizes


def _is_old(storage: LocalStorage, name: str, now: datetime) -> bool:
    try:
        changed = storage.locate(f"{TEMPORARY_FOLDER}/{name}").stat().st_mtime
    except OSError:
        return True
    return now.timestamp() - changed > _KEPT.total_seconds()


_FIRST_LOCK = f"{TEMPORARY_FOLDER}/lock"
_HOLDER = f"{TEMPORARY_FOLDER}/lock.json"
_LAST_BREATH = 5.0
"""Seconds in which those that worked for a killed writer are gone."""


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


def _is_kept(name: str) -> bool:
    return name.startswith("lock") or name == TABLES_FOLDER


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

    # Older versions of the library give it rights of their own, whatever the umask is.
    rights = rights_below(storage.root) or PRIVATE
    lock = FileLock(storage.locate(name), mode=rights & 0o666)
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
