"""What the archive holds, asked of its tables: no second store of state is needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from archiver.adapters.storage import LocalStorage
from archiver.adapters.views import ask, damage_found
from archiver.domain.paths import TABLES_FOLDER, is_run_folder
from archiver.domain.run_id import RunId


@dataclass(frozen=True, slots=True)
class HeldRuns:
    """What the archive holds of the ids that are asked for.

    ``complete`` are ids, and ``failed`` those that could not be had the last time; ``folders`` has
    the folders of the runs that it holds but not complete, by run id.
    """

    complete: Set[str] = frozenset()
    failed: Set[str] = frozenset()
    folders: Mapping[str, str] = field(default_factory=dict)

    def to_ask(self, ids: Iterable[RunId]) -> list[RunId]:
        """Those of ``ids`` that the API is to be asked for.

        Those that failed the last time come last: however many there are, the others get their turn
        before the API is taken to be down.
        """
        wanted = [run_id for run_id in ids if run_id not in self.complete]
        return sorted(wanted, key=self.failed.__contains__) if self.failed else wanted


_ASKED_RUNS = """
WITH other_id AS (SELECT DISTINCT asked_id, run_id FROM fetches WHERE run_id <> asked_id)
SELECT asked_id, coalesce(other_id.run_id, asked_id) AS run_id
FROM asked LEFT JOIN other_id USING (asked_id)
"""
_COMPLETE = """
SELECT asked_id FROM asked_runs
SEMI JOIN (FROM runs SELECT run_id WHERE is_complete AND NOT $refresh) USING (run_id)
"""
_NOT_COMPLETE = """
SELECT DISTINCT run_id, path FROM asked_runs JOIN runs USING (run_id)
WHERE $refresh OR NOT is_complete
"""

_FAILED = """
SELECT asked_id FROM fetches SEMI JOIN asked USING (asked_id)
GROUP BY asked_id HAVING arg_max(outcome, "at") = 'failed'
"""


def held_runs(storage: LocalStorage, asked: Sequence[RunId], *, refresh: bool) -> HeldRuns:
    """Which of ``asked`` the archive holds: one semi-join over the tables.

    With ``refresh`` none counts as complete.
    """
    if not any(storage.names(f"{TABLES_FOLDER}/{table}") for table in ("runs", "fetches")):
        return HeldRuns()
    asked_ids = pa.table({"asked_id": pa.array(asked, pa.string())})

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[pa.Table, pa.Table, pa.Table]:
        with connection:
            connection.register("asked", asked_ids)
            connection.execute(f"CREATE TEMP VIEW asked_runs AS {_ASKED_RUNS}")
            refreshing = {"refresh": refresh}
            return (
                connection.sql(_COMPLETE, params=refreshing).to_arrow_table(),
                connection.sql(_FAILED).to_arrow_table(),
                connection.sql(_NOT_COMPLETE, params=refreshing).to_arrow_table(),
            )

    with damage_found():
        complete, failed, others = ask(storage, work)
    folders = {row["run_id"]: row["path"].rpartition("/")[0] for row in others.to_pylist()}
    return HeldRuns(
        set(complete["asked_id"].to_pylist()),
        set(failed["asked_id"].to_pylist()),
        {run: folder for run, folder in folders.items() if is_run_folder(folder, run)},
    )


def revision_paths(storage: LocalStorage) -> Iterator[str]:
    """The folder of every revision that the table ``runs`` has, in no order."""

    def work(connection: duckdb.DuckDBPyConnection) -> pa.Table:
        with connection:
            return connection.sql("SELECT path FROM run_revisions").to_arrow_table()

    with damage_found():
        paths = ask(storage, work)["path"]
    for chunk in paths.chunks:
        yield from chunk.to_pylist()


def revisions_in_tables(storage: LocalStorage, paths: Iterable[str]) -> set[str]:
    """Which of the revisions with these folders the table ``runs`` has."""
    asked = pa.table({"path": pa.array(list(paths), pa.string())})

    def work(connection: duckdb.DuckDBPyConnection) -> pa.Table:
        with connection:
            connection.register("asked", asked)
            known = "SELECT path FROM asked SEMI JOIN run_revisions USING (path)"
            return connection.sql(known).to_arrow_table()

    with damage_found():
        return set(ask(storage, work)["path"].to_pylist())
