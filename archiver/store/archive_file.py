"""What an archive's folder begins with: archive.json, and README.txt (format, 3)."""

import contextlib
import json
import os
import re
from datetime import datetime
from pathlib import Path

import msgspec

from archiver.errors import NotAnArchive
from archiver.model.ids import SessionId, sha256_of
from archiver.model.paths import (
    ARCHIVE_FILE,
    LEDGER_FOLDER,
    LOCK_FILE,
    README_FILE,
    TEMPORARY_FOLDER,
)
from archiver.store.names import is_others
from archiver.store.storage import LocalStorage
from archiver.system.files import open_file
from archiver.version import __version__

FORMAT = 2


TOOL = f"skyvern-archiver {__version__}"


_MOST_NAMED = 5


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
            if not (_is_begun(entry) or is_others(entry.name))
        )
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise NotAnArchive(f"{root} is a file, not a folder") from None
    except OSError as error:
        raise NotAnArchive(f"cannot read {root}: {error.strerror}") from None


_LOCKS = ("lock", "lock.json")
_STAGED = re.compile(r"[^/]*-\d+-\d+\.part", re.ASCII)


def _is_begun(path: Path) -> bool:
    """Whether a session makes this before it makes archive.json, and may have been killed then."""
    if path.name == TEMPORARY_FOLDER and path.is_dir():
        return all(
            path.is_file() and (path.name in _LOCKS or _STAGED.fullmatch(path.name))
            for path in path.iterdir()
            if not is_others(path.name)
        )
    return path.name == LOCK_FILE and path.is_file()


def make_archive(storage: LocalStorage, session: SessionId, now: datetime) -> None:
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
        (root / LEDGER_FOLDER).rmdir()  # where it is not empty nothing is removed
        for name in _LOCKS:
            (temporary / name).unlink(missing_ok=True)
        temporary.rmdir()
        for name in (ARCHIVE_FILE, README_FILE, LOCK_FILE):
            (root / name).unlink(missing_ok=True)
        if with_root:
            root.rmdir()
