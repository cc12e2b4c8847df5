"""Overview: how many runs, how they ended, whether everything is held."""

import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.query.reports.parts import IS_FAILURE, IS_GAP, Asking, chosen, group, order
from archiver.tables.views import IS_ERROR_PAGE

_PAGES = f"""
SELECT DISTINCT run_id, revision, true AS has_page FROM artifact_revisions WHERE {IS_ERROR_PAGE}
"""
# Runs are counted apart from their artifacts: one join that counts both is slower. Hashes of 64
# bits stand for runs, so that ten million of them need little memory.
_CELLS = """
SELECT {cells}, is_final, is_settled, is_complete AND has_page IS NULL AS is_complete,
    count(*) AS runs, 0 AS artifacts, 0 AS gaps, 0 AS bytes,
    min(created_at) AS first_created_at, max(created_at) AS last_created_at
FROM {runs} LEFT JOIN pages USING (run_id, revision) GROUP BY ALL
UNION ALL
SELECT {names}, NULL, NULL, NULL, 0, count(*),
    count(*) FILTER ({gap}),
    sum(size) FILTER (state IN ('verified', 'unverified')), NULL, NULL
FROM (
    SELECT hash(run_id, revision) AS key, state, size, kind, media_type FROM artifact_revisions
) AS artifact
JOIN (SELECT hash(run_id, revision) AS key, {cells} FROM {runs}) AS run USING (key)
GROUP BY ALL
"""
_STATUSES = ("completed", "failed", "terminated", "timed_out", "canceled")
_COUNTS = """{runs} AS runs,{statuses}
    {complete} AS complete, {incomplete} AS incomplete, {unsettled} AS unsettled,
    {artifacts} AS artifacts, {gaps} AS gaps, {bytes} AS bytes"""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Counts by ``by``, else by run type and status; and the same of all runs together."""
    cells = {by.value: group(by)} if by else {"run_type": "run_type"}
    cells["status"] = "status"
    query = _CELLS.format(
        cells=", ".join(cells.values()),
        names=", ".join(cells),
        runs=chosen(filters, by),
        gap=IS_GAP,
    )
    asking.keep("pages", _PAGES)
    asking.keep("cells", query)
    groups = "run_type, status" if by is None else by.value
    sorting = "run_type, runs DESC, status" if by is None else order(by)
    statuses = "" if by in (None, By.STATUS) else _by_status()
    failures, final = _sum("runs", IS_FAILURE), _sum("runs", "is_final")
    return {
        "overview": asking.rows(
            f"SELECT {groups}, {_counts(statuses)} FROM cells GROUP BY ALL ORDER BY {sorting}"
        ),
        "total": asking.rows(
            f"""SELECT {_counts(_by_status())}, {failures} / nullif({final}, 0) AS failure_rate,
                min(first_created_at) AS first_created_at, max(last_created_at) AS last_created_at
            FROM cells"""
        ),
    }


def _by_status() -> str:
    counts = [f"{_sum('runs', f'status = {status!r}')} AS {status}" for status in _STATUSES]
    return f" {', '.join(counts)}, {_sum('runs', 'NOT is_final')} AS unfinished,"


def _counts(statuses: str) -> str:
    return _COUNTS.format(
        runs=_sum("runs"),
        statuses=statuses,
        complete=_sum("runs", "is_complete"),
        incomplete=_sum("runs", "is_settled AND NOT is_complete"),
        unsettled=_sum("runs", "NOT is_settled"),
        artifacts=_sum("artifacts"),
        gaps=_sum("gaps"),
        bytes=_sum("bytes"),
    )


def _sum(column: str, condition: str = "true") -> str:
    return f"CAST(coalesce(sum({column}) FILTER ({condition}), 0) AS BIGINT)"
