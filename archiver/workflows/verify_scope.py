"""Which runs are meant by the ids that somebody wants to have checked."""

from collections.abc import Iterator

from archiver.adapters.unknown_runs import asked_for
from archiver.errors import ArchiveDamaged, UsageError
from archiver.ledger.records import sessions_in_ledger
from archiver.model.ledger import list_path
from archiver.store.revisions import run_folders
from archiver.store.storage import LocalStorage
from archiver.tables.lookup import other_ids


def runs_meant(storage: LocalStorage, ids: frozenset[str]) -> frozenset[str]:
    """These ids, and those of the runs that were asked for under them.

    Raises UsageError where the archive knows nothing of one: neither a folder, nor a line of the
    ledger's lists, nor that the API was asked for it.
    """
    try:
        known = {folder.rpartition("/")[2] for folder in run_folders(storage)} & ids
        pairs = other_ids(storage, ids)
        known |= set(asked_for(storage, sorted(ids)))
    except ArchiveDamaged:  # what cannot be read is found where it is looked at
        return ids
    lists = _lists(storage) if ids - known else ()
    for data in lists:
        known |= {one for one in ids - known if f"/{one}/r".encode() in data}
    if unknown := sorted(ids - known):
        raise UsageError(
            f"the archive knows nothing of {', '.join(unknown)}",
            hint="`archiver fetch` fetches a run; `archiver query` shows which there are",
        )
    return ids | {run_id for asked, run_id in pairs if asked in ids}


def _lists(storage: LocalStorage) -> Iterator[bytes]:
    for session in sessions_in_ledger(storage):
        try:
            yield storage.read(list_path(session))
        except ArchiveDamaged:  # most sessions have none
            continue
