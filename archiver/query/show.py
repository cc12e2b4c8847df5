"""Show: one run out of the tables."""

from datetime import datetime
from typing import Any

import duckdb

from archiver.errors import ArchiveDamaged
from archiver.ledger.decisions import decisions
from archiver.model.ids import RunId
from archiver.store.revisions import read_manifest
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import check_removed
from archiver.tables.views import read_tables, select

_KINDS = "['recording', 'screenshot', 'download']"
_ARTIFACTS = f"""
FROM artifact_revisions WHERE run_id = ? AND revision = ?
ORDER BY list_position({_KINDS}, kind), ordinal
"""
_ERRORS = "FROM error_revisions WHERE run_id = ? AND revision = ? ORDER BY ordinal"


def show_run(storage: LocalStorage, asked: RunId) -> dict[str, Any] | None:
    """The latest revision of a run, None if the archive does not hold it.

    ``run`` is its row of ``runs``, ``artifacts`` and ``errors`` are lists of rows, ``location``
    maps the artifacts' paths to where they lie on this machine, ``hold`` and ``accepted`` say what
    was decided about the run, ``removal`` who removed it when and why. ``asked`` may be the
    ``wr_…`` id under which a ``tsk_v2_…`` run was asked for. Raises RunsRemoved where it is removed
    meanwhile.
    """
    found = read_tables(storage, lambda connection: _show(connection, asked))
    if found is not None:
        check_removed(storage, found["run"]["path"])
        paths = [artifact["path"] for artifact in found["artifacts"] if artifact["path"]]
        found["location"] = {path: str(storage.locate(path)) for path in paths}
        decided = decisions(storage, [])
        run_id = found["run"]["run_id"]
        for name, of in (("hold", decided.holds), ("accepted", decided.accepted)):
            decision = of.get(run_id)
            found[name] = decision.to_json() if decision is not None else None
        found["removal"] = _removal(storage, found["run"])
    return found


_LAST = 'SELECT outcome, reason, "at" FROM fetches WHERE asked_id = ? ORDER BY "at" DESC LIMIT 1'


def last_answer(storage: LocalStorage, asked: RunId) -> tuple[str, str | None, datetime] | None:
    """What came of the last time that the API was asked for an id: outcome, reason and when (UTC).

    None where it never was. Raises ArchiveDamaged where the tables cannot be read.
    """
    rows = select(storage, _LAST, [asked])
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def _removal(storage: LocalStorage, run: dict[str, Any]) -> dict[str, Any] | None:
    if run["removed"] is None:
        return None
    try:
        removed = read_manifest(storage, run["path"]).removed
    except ArchiveDamaged:  # what the tables know of it is shown all the same
        return None
    if removed is None:
        return None
    return {
        "kind": removed.kind.value,
        "at": removed.at.isoformat(),
        "by": {"user": removed.user, "host": removed.host},
        "reason": removed.reason,
    }


def _show(connection: duckdb.DuckDBPyConnection, asked: RunId) -> dict[str, Any] | None:
    def rows(sql: str, *values: object) -> list[dict[str, Any]]:
        found = connection.sql(sql, params=list(values))
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def latest(run_id: str) -> dict[str, Any] | None:
        # By its id alone, of which the files' statistics and Bloom filters tell where it can be.
        revisions = rows("FROM run_revisions WHERE run_id = ?", run_id)
        return max(revisions, key=lambda row: int(row["revision"]), default=None)

    run = latest(asked)
    if run is None:
        others = rows("SELECT DISTINCT run_id FROM fetches WHERE asked_id = ?", asked)
        run = next((found for row in others if (found := latest(row["run_id"]))), None)
    if run is None:
        return None
    key = (run["run_id"], run["revision"])
    return {"run": run, "artifacts": rows(_ARTIFACTS, *key), "errors": rows(_ERRORS, *key)}
