"""What killed sessions left undone, and what only a copy of the archive has (format, 7.4 and 7.6).

Journals tell what killed sessions committed. A copy that was made while a session was at work, or
whose journals are gone, may have revisions that nothing names: they are looked for once.
"""

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from archiver.errors import ArchiveDamaged
from archiver.ledger.records import (
    ledger_records,
    read_list,
    remove_unrecorded,
    sessions_in_ledger,
)
from archiver.model.ids import SessionId
from archiver.model.ledger import (
    UPGRADE,
    VERIFY,
    ListedManifest,
    ManifestList,
    list_path,
    manifest_path,
)
from archiver.model.manifest import Manifest
from archiver.model.paths import TABLES_FOLDER, is_run_folder, revision_name
from archiver.model.schema import RUNS
from archiver.store import revisions
from archiver.store.archive_file import read_archive_file
from archiver.store.lock import Writer
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import read_tombstones
from archiver.tables.lookup import revision_paths, revisions_in_tables
from archiver.tables.rebuild import (
    FLUSH_BYTES,
    LOGS,
    _finish_journals,
    _flushes,
    add_rows,
    project,
)
from archiver.tables.rewrite import remove_rows, remove_rows_of_runs
from archiver.tables.write import WRITE_ORDER, RowBuffer, flush_name


@dataclass(frozen=True, slots=True)
class Recovered:
    """What killed sessions left undone: ``sessions`` of which something was missing.

    ``unlisted`` are the manifests that they committed and no list of the ledger has yet.
    """

    sessions: tuple[str, ...] = ()
    unlisted: tuple[ListedManifest, ...] = ()

    def listed(self) -> ManifestList:
        """Return a new list that begins with what is unlisted."""
        manifests = ManifestList()
        manifests.extend(self.unlisted)
        return manifests


def recover(writer: Writer) -> Recovered:
    """Bring into the tables what sessions committed that were killed before they could.

    Also removes table files whose flush was cut off before ``runs``. The journals stay until
    somebody has written a record that lists what is unlisted (``clear_unfinished``): format, 7.4.
    """
    storage = writer.storage
    remove_unrecorded(storage)
    if not writer.unfinished:
        return Recovered()
    _remove_half_flushes(storage)
    committed = _finish_journals(writer)
    if tombstones := read_tombstones(storage, committed):
        remove_rows(writer, list(tombstones.values()))
    known = revisions_in_tables(storage, committed)
    buffer = RowBuffer()
    sessions = {}
    for folder in committed:
        manifest, rows = project(storage, folder)
        sessions[folder] = manifest.session
        if folder not in known:
            add_rows(buffer, rows, manifest.fetched_at)
    buffer.write(storage, flush_name(writer.session, 0))
    listed = _listed_since(storage, min(sessions.values(), default=""))
    paths = {folder: manifest_path(folder) for folder in committed}
    return Recovered(
        tuple(sorted({s for f, s in sessions.items() if f not in known or paths[f] not in listed})),
        tuple(
            ListedManifest(storage.digest(path)[1], path)
            for path in paths.values()
            if path not in listed
        ),
    )


def _listed_since(storage: LocalStorage, session: str) -> set[str]:
    """The manifests that the ledger lists for a session and those behind it."""
    later = [s for s in sessions_in_ledger(storage) if s >= session]
    lists = [s for s in later if storage.exists(list_path(s))]
    return {manifest.path for s in lists for manifest in read_list(storage, s)}


def _remove_half_flushes(storage: LocalStorage) -> None:
    whole = set(_flushes(storage, RUNS.name))
    for table in WRITE_ORDER:
        if table not in (RUNS, *LOGS):
            for month, name in _flushes(storage, table.name):
                if (month, name) not in whole:
                    storage.remove(f"{TABLES_FOLDER}/{table.name}/{month}/{name}")


ADOPTED = "adopted"
_MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Adopted:
    """Revisions that nothing named, and that are the archive's from now on: their manifests, and
    the sessions that committed them and never came to a record."""

    manifests: tuple[ListedManifest, ...] = ()
    sessions: tuple[str, ...] = ()

    def details(self) -> dict[str, Any]:
        """Return what the record says of them; their lines in the list say the digests."""
        if not self.manifests:
            return {}
        folders = [one.path.rpartition("/")[0] for one in self.manifests]
        return {
            ADOPTED: {
                "manifests": len(folders),
                "sessions": list(self.sessions),
                "revisions": folders[:_MOST_NAMED],
            }
        }


def adopt(writer: Writer, recovered: Recovered) -> Adopted:
    """Look for revisions that neither a list nor a journal names, and bring them into the tables.

    Those that were ``recovered`` are named. Only those count whose session is behind the last one
    that would have listed them, and has no record: any other was put there by somebody else.
    Nothing that says of a run that something was removed counts either. What has no manifest was
    never committed, and is removed. Rows of what is not there are taken out of the tables, and what
    they lack of the ledger's lists is added.

    Returns those that are to be listed. Raises ArchiveDamaged where the tables cannot be read.
    """
    storage = writer.storage
    # Digests of the paths' texts, so to say: a million of them take little memory.
    listed = {hash(folder) for folder in _listed_folders(storage, recovered)}
    had_rows = {hash(folder) for folder in revision_paths(storage)}
    without = _remove_rows_of_nothing(writer, listed)
    buffer, adopted = RowBuffer(), dict[str, str]()
    could_list = _unlisted_sessions(storage)
    # Names that the session's own flushes do not have, which are counted from 1.
    names = (f"{writer.session}-0000{number:04d}" for number in itertools.count())
    for folder in _revisions_in_runs(storage):
        is_listed, is_known = hash(folder) in listed, hash(folder) in had_rows
        lacks_rows = not is_known or folder.rpartition("/")[0] in without
        if is_listed and not lacks_rows:
            continue
        if not storage.exists(manifest_path(folder)):
            if not is_listed and not is_known:
                revisions.remove_uncommitted(storage, folder)
            continue
        with contextlib.suppress(ArchiveDamaged):  # verify names it
            manifest = revisions.read_manifest(storage, folder)
            if not is_listed and _is_plain(folder, manifest) and could_list(manifest.session):
                adopted[folder] = manifest.session
            if lacks_rows and (is_listed or is_known or folder in adopted):
                add_rows(buffer, project(storage, folder)[1], manifest.fetched_at)
        if buffer.bytes >= FLUSH_BYTES:
            buffer.write(storage, next(names))
    buffer.write(storage, next(names))
    paths = map(manifest_path, adopted)
    return Adopted(
        tuple(ListedManifest(storage.digest(path)[1], path) for path in paths),
        tuple(sorted(set(adopted.values()))),
    )


def _remove_rows_of_nothing(writer: Writer, listed: Collection[int]) -> set[str]:
    """Remove the rows of runs with a revision that only tables know; the folders of the runs."""
    storage = writer.storage
    gone = {
        folder.rpartition("/")[0]
        for folder in revision_paths(storage)
        if hash(folder) not in listed and not storage.exists(manifest_path(folder))
    }
    if gone:
        remove_rows_of_runs(writer, sorted(folder.rpartition("/")[2] for folder in gone))
    return gone


def _is_plain(folder: str, manifest: Manifest) -> bool:
    """Whether a manifest is its folder's own, and says of nothing that it was removed."""
    run, _, name = folder.rpartition("/")
    is_own = is_run_folder(run, manifest.run_id) and name == revision_name(manifest.revision)
    return is_own and manifest.removed is None and manifest.pruned is None


def _unlisted_sessions(storage: LocalStorage) -> Callable[[str], bool]:
    """Return what tells whether a session may have committed what no list has.

    Each session that writes lists what others had left: so only those behind the last of them,
    that came to no record. Where there is none, only the session that made the archive.
    """
    records = [one.record for one in ledger_records(storage, [])]
    known = {record.session for record in records}
    last = max((r.session for r in records if r.kind not in (VERIFY, UPGRADE)), default="")
    made = read_archive_file(storage)[0].created_at
    first = str(SessionId.at(made, bytes(4)))[:_TIME]

    def could_list(session: str) -> bool:
        try:
            SessionId(session)
        except ValueError:
            return False
        return session not in known and (session > last if last else session[:_TIME] == first)

    return could_list


_TIME = len("20261124T010203.456Z")


def _listed_folders(storage: LocalStorage, recovered: Recovered) -> Iterator[str]:
    yield from (one.path.rpartition("/")[0] for one in recovered.unlisted)
    for session in sessions_in_ledger(storage):
        with contextlib.suppress(ArchiveDamaged):  # many have no list
            for one in read_list(storage, session):
                yield one.path.rpartition("/")[0]


def _revisions_in_runs(storage: LocalStorage) -> Iterator[str]:
    for folder in revisions.run_folders(storage):
        for number in revisions.revision_numbers(storage, folder):
            yield f"{folder}/{revision_name(number)}"
