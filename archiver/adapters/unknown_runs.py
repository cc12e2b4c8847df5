"""Ids of which the tables have no run, and of which the archive has something all the same."""

from collections.abc import Collection, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from archiver.domain.digest import sha256_of
from archiver.export.content import ChosenRun
from archiver.ledger.records import listed_revisions
from archiver.model.paths import TEMPORARY_FOLDER, revision_name
from archiver.store.revisions import revision_numbers, run_folders
from archiver.store.storage import LocalStorage
from archiver.tables.views import ask, damage_found

_UNKNOWN = "unknown"
_ASKED = "SELECT DISTINCT asked_id FROM fetches SEMI JOIN asked USING (asked_id) ORDER BY ALL"


def runs_with_folders(
    storage: LocalStorage, ids: Sequence[str], fetched_at: datetime
) -> list[ChosenRun]:
    """Those that have a folder: their manifests may say more, or be damaged.

    ``fetched_at`` is what is said of them where nothing is known, as their status is ``unknown``
    and their document's digest that of no bytes.
    """
    wanted = frozenset(ids)
    found = {}
    for folder in run_folders(storage) if wanted else ():
        name = folder.rpartition("/")[2]
        if name in wanted and (numbers := revision_numbers(storage, folder)):
            found[name] = folder, numbers[-1]
    return [
        _unknown(run_id, f"{folder}/{revision_name(number)}", fetched_at)
        for run_id, (folder, number) in sorted(found.items())
    ]


def listed_runs(
    storage: LocalStorage, ids: Collection[str], fetched_at: datetime
) -> list[ChosenRun]:
    """Those that only the ledger's lists know: what there was of them is gone."""
    last = listed_revisions(storage, ids) if ids else {}
    return [_unknown(run_id, folder, fetched_at) for run_id, folder in sorted(last.items())]


def _unknown(run_id: str, revision_folder: str, fetched_at: datetime) -> ChosenRun:
    return ChosenRun(
        run_id=run_id,
        revision=int(revision_folder.rpartition("/r")[2]),
        path=revision_folder,
        run_type=None,
        status=_UNKNOWN,
        is_final=True,
        is_settled=True,
        title=None,
        failure_reason=None,
        request_url=None,
        created_at=None,
        queued_at=None,
        started_at=None,
        finished_at=None,
        fetched_at=fetched_at,
        document_sha256=sha256_of(b""),
        removed=None,
    )


def begun_downloads(storage: LocalStorage, ids: Sequence[str]) -> list[str]:
    """Those of which a download was begun, and is to go on."""
    names = storage.names(TEMPORARY_FOLDER)
    return [run_id for run_id in ids if any(name.startswith(f"{run_id}-") for name in names)]


def asked_for(storage: LocalStorage, ids: Sequence[str]) -> list[str]:
    """Those that the API was asked for: the table ``fetches`` may have the server's words.

    Raises ArchiveDamaged where the tables cannot be read.
    """
    asked = pa.table({"asked_id": pa.array(ids, pa.string())})

    def work(connection: duckdb.DuckDBPyConnection) -> list[str]:
        with connection:
            connection.register("asked", asked)
            return [run_id for (run_id,) in connection.sql(_ASKED).fetchall()]

    with damage_found():
        return ask(storage, work, derived=False) if ids else []
