"""Show: one run out of the tables."""

from typing import Any

import duckdb
import pyarrow as pa

from archiver.adapters.storage import LocalStorage
from archiver.adapters.views import ask, damage_found
from archiver.domain.run_id import RunId


def show_run(storage: LocalStorage, asked: RunId) -> dict[str, Any] | None:
    """The latest revision of a run, None if the archive does not hold it.

    ``run`` is its row of ``runs``, ``artifacts`` and ``errors`` are lists of rows, ``location``
    maps the artifacts' paths to where they lie on this machine. ``asked`` may be the ``wr_…`` id
    under which a ``tsk_v2_…`` run was asked for.
    """
    with damage_found():
        found = ask(storage, lambda connection: _show(connection, asked))
    if found is not None:
        paths = [artifact["path"] for artifact in found["artifacts"] if artifact["path"]]
        found["location"] = {path: str(storage.locate(path)) for path in paths}
    return found


def _show(connection: duckdb.DuckDBPyConnection, asked: RunId) -> dict[str, Any] | None:
    def rows(sql: str, *values: str) -> list[dict[str, Any]]:
        table: pa.Table = connection.sql(sql, params=list(values)).to_arrow_table()
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    with connection:
        runs = rows("FROM runs WHERE run_id = ?", asked) or rows(
            "FROM runs WHERE run_id IN (SELECT run_id FROM fetches WHERE asked_id = ?)", asked
        )
        if not runs:
            return None
        run_id = runs[0]["run_id"]
        order = "list_position(['recording', 'screenshot', 'download'], kind), ordinal"
        return {
            "run": runs[0],
            "artifacts": rows(f"FROM artifacts WHERE run_id = ? ORDER BY {order}", run_id),
            "errors": rows("FROM errors WHERE run_id = ? ORDER BY ordinal", run_id),
        }
