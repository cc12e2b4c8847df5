"""Show: one run out of the tables."""

from typing import Any

import pyarrow as pa

from archiver.adapters.storage import LocalStorage
from archiver.adapters.views import connect
from archiver.domain.run_id import RunId


def show_run(storage: LocalStorage, asked: RunId) -> dict[str, Any] | None:
    """The latest revision of a run, None if the archive does not hold it.

    ``run`` is its row of ``runs``, ``artifacts`` and ``errors`` are lists of rows, ``location``
    maps the artifacts' paths to where they lie on this machine. ``asked`` may be the ``wr_…`` id
    under which a ``tsk_v2_…`` run was asked for.
    """
    with connect(storage) as connection:

        def rows(sql: str, *values: str) -> list[dict[str, Any]]:
            table: pa.Table = connection.sql(sql, params=list(values)).to_arrow_table()
            found: list[dict[str, Any]] = table.to_pylist()
            return found

        runs = rows("FROM runs WHERE run_id = ?", asked) or rows(
            "FROM runs WHERE run_id IN (SELECT run_id FROM fetches WHERE asked_id = ?)", asked
        )
        if not runs:
            return None
        run = runs[0]
        artifacts = rows(
            "FROM artifacts WHERE run_id = ? "
            "ORDER BY list_position(['recording', 'screenshot', 'download'], kind), ordinal",
            run["run_id"],
        )
        return {
            "run": run,
            "artifacts": artifacts,
            "errors": rows("FROM errors WHERE run_id = ? ORDER BY ordinal", run["run_id"]),
            "location": {a["path"]: str(storage.locate(a["path"])) for a in artifacts if a["path"]},
        }
