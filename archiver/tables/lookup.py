"""What the archive holds, asked of its tables: no second store of state is needed."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from archiver.model.artifact import SMALL, TRUE_MEDIA
from archiver.model.ids import RunId
from archiver.model.paths import TABLES_FOLDER, is_run_folder
from archiver.store.revisions import is_text_file
from archiver.store.storage import LocalStorage
from archiver.tables.views import NO_MEDIUM, UNPROVEN_MEDIUM, read_tables, select

_ASKED = "SELECT DISTINCT asked_id FROM fetches SEMI JOIN asked USING (asked_id) ORDER BY ALL"


def asked_for(storage: LocalStorage, ids: Sequence[str]) -> list[str]:
    """Those that the API was asked for: the table ``fetches`` may have the server's words.

    Raises ArchiveDamaged where the tables cannot be read.
    """
    rows = select(storage, _ASKED, asked={"asked_id": ids}) if ids else []
    return [run_id for (run_id,) in rows]


@dataclass(frozen=True, slots=True)
class FetchList:
    """What the API is to be asked for.

    ``ids`` are those of runs that are not held complete; those that failed the last time come last,
    so that however many there are, the others get their turn before the API is taken to be down.
    ``folders`` has the folders of runs that are held, but not complete, by run id.
    """

    ids: Sequence[RunId]
    folders: Mapping[str, str] = field(default_factory=dict)
    accepted: int = 0
    """Ids that are not among them because what is missing of their runs was accepted."""


# Nothing but what is unusual is copied, and no table is scanned more often than it must: with
# millions of rows that takes the memory, with thousands of files opening them takes the time.
_LAST = """
CREATE TEMP TABLE last_revisions AS
SELECT run_id, max(revision) AS last FROM run_revisions WHERE revision > 1 GROUP BY run_id
"""
_ERROR_PAGES = """
CREATE TEMP TABLE error_pages AS
SELECT run_id, revision, kind, ordinal, path, {no_medium} AS is_certain
FROM {artifacts}
WHERE {unproven}
    AND (is_certain OR (size < $small AND NOT list_contains($media, coalesce(media_type, ''))))
"""
_HELD = """
CREATE TEMP VIEW held AS
SELECT run_id FROM run_revisions LEFT JOIN last_revisions USING (run_id)
ANTI JOIN error_pages USING (run_id, revision)
WHERE is_complete AND revision = coalesce(last, revision) AND (removed IS NOT NULL OR NOT {refresh})
"""
_UNUSUAL = """
CREATE TEMP TABLE unusual AS
SELECT asked_id, run_id, outcome FROM fetches WHERE run_id <> asked_id OR outcome = 'failed'
"""
_ASKED_RUNS = """
CREATE TEMP VIEW asked_runs AS
WITH other_id AS (SELECT DISTINCT asked_id, run_id FROM unusual WHERE run_id <> asked_id)
SELECT position, asked_id, coalesce(other_id.run_id, asked_id) AS run_id
FROM asked LEFT JOIN other_id USING (asked_id)
"""
_FAILED = """
CREATE TEMP TABLE failed_last AS
SELECT asked_id FROM fetches
SEMI JOIN (SELECT asked_id FROM unusual WHERE outcome = 'failed') USING (asked_id)
GROUP BY asked_id HAVING arg_max(outcome, "at") = 'failed'
"""
_WANTED = """
SELECT position FROM asked_runs ANTI JOIN held USING (run_id)
LEFT JOIN (SELECT asked_id, true AS has_failed FROM failed_last) USING (asked_id)
ORDER BY coalesce(has_failed, false), position
"""
_FOLDERS = """
SELECT DISTINCT run_id, path FROM run_revisions
SEMI JOIN (SELECT run_id FROM asked_runs ANTI JOIN held USING (run_id)) USING (run_id)
"""
_OTHER_IDS = """
WITH pairs AS (SELECT DISTINCT asked_id, run_id FROM fetches WHERE run_id <> asked_id),
    own AS (SELECT id FROM asked UNION SELECT run_id FROM pairs SEMI JOIN asked ON asked_id = id)
SELECT asked_id, run_id FROM pairs SEMI JOIN own ON run_id = id ORDER BY ALL
"""
_PRUNED = """
SELECT DISTINCT sha256 FROM artifact_revisions WHERE run_id = ? AND pruned_at IS NOT NULL
"""


def runs_to_fetch(
    storage: LocalStorage,
    asked: Sequence[RunId],
    *,
    refresh: bool,
    accepted: Container[str] = (),
) -> FetchList:
    """Which of ``asked`` are to be asked for: one anti-join over the tables.

    With ``refresh`` none counts as complete. Those that are ``accepted`` are not asked for.
    """
    wanted = _not_complete(storage, asked, refresh=refresh)
    ids = [run_id for run_id in wanted.ids if run_id not in accepted]
    return FetchList(ids, wanted.folders, len(wanted.ids) - len(ids))


def _not_complete(storage: LocalStorage, asked: Sequence[RunId], *, refresh: bool) -> FetchList:
    if not any(storage.own_names(f"{TABLES_FOLDER}/{table}") for table in ("runs", "fetches")):
        return FetchList(asked)

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[pa.Table, pa.Table | None]:
        positions = pa.array(range(len(asked)), pa.int64())
        ids = pa.table({"position": positions, "asked_id": pa.array(asked, pa.string())})
        connection.register("asked", ids)
        complete_runs = _HELD.format(refresh=str(refresh).lower())
        for statement in (_UNUSUAL, _ASKED_RUNS, _FAILED):
            connection.execute(statement)
        # The bytes of some have to be looked at: not those of all that the archive ever kept.
        asked_for = "artifact_revisions SEMI JOIN asked_runs USING (run_id)"
        find_error_pages(storage, connection, asked_for)
        for statement in (_LAST, complete_runs):
            connection.execute(statement)
        wanted = connection.sql(_WANTED).to_arrow_table()
        return wanted, connection.sql(_FOLDERS).to_arrow_table() if wanted.num_rows else None

    wanted, others = read_tables(storage, work)
    rows = others.to_pylist() if others is not None else ()
    folders = {row["run_id"]: row["path"].rpartition("/")[0] for row in rows}
    return FetchList(
        [asked[position] for position in wanted["position"].to_pylist()],
        {run: folder for run, folder in folders.items() if is_run_folder(folder, run)},
    )


def find_error_pages(
    storage: LocalStorage,
    connection: duckdb.DuckDBPyConnection,
    artifacts: str = "artifact_revisions",
) -> None:
    """Make the table ``error_pages``: artifacts in place of which version 0.1.0 kept a page.

    ``ArtifactEntry.is_error_page`` says so, or else the bytes themselves. ``artifacts`` is SQL for
    the rows of those that are looked at.
    """
    query = _ERROR_PAGES.format(no_medium=NO_MEDIUM, unproven=UNPROVEN_MEDIUM, artifacts=artifacts)
    connection.execute(query, {"small": SMALL, "media": sorted(TRUE_MEDIA)})
    doubtful = connection.sql("SELECT DISTINCT path FROM error_pages WHERE NOT is_certain")
    media = [path for (path,) in doubtful.fetchall() if not is_text_file(storage, path)]
    connection.execute(
        "DELETE FROM error_pages WHERE list_contains($media, path)", {"media": media}
    )


def other_ids(storage: LocalStorage, ids: Iterable[str]) -> list[tuple[str, str]]:
    """Under which other ids these runs were asked for: pairs of that id and the run's own.

    ``ids`` may be of either kind. Raises ArchiveDamaged where the tables cannot be read.
    """
    return select(storage, _OTHER_IDS, asked={"id": ids})


def pruned_digests(storage: LocalStorage, run_id: str) -> frozenset[str]:
    """The digests of a run's artifacts that were pruned. Raises ArchiveDamaged."""
    return frozenset(sha256 for (sha256,) in select(storage, _PRUNED, [run_id]))


def revision_paths(storage: LocalStorage) -> Iterator[str]:
    """The folder of every revision that the table ``runs`` has, in no order."""
    paths = read_tables(
        storage, lambda db: db.sql("SELECT path FROM run_revisions").to_arrow_table()
    )
    for chunk in paths["path"].chunks:
        yield from chunk.to_pylist()


def revisions_in_tables(storage: LocalStorage, paths: Iterable[str]) -> set[str]:
    """Which of the revisions with these folders the table ``runs`` has."""
    known = "SELECT path FROM asked SEMI JOIN run_revisions USING (path)"
    return {path for (path,) in select(storage, known, asked={"path": paths})}
