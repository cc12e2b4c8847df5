"""Artifacts: what is held of each kind, and what is missing."""

import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.query.reports.parts import IS_GAP, Asking, chosen, group
from archiver.tables.views import IS_ERROR_PAGE

_COUNTS = """kind, state, count(*) AS artifacts,
    CAST(coalesce(sum(size) FILTER (state IN ('verified', 'unverified')), 0) AS BIGINT) AS bytes"""
_GAPS = f"""run_id, kind, ordinal, state, filename,
    CASE WHEN {IS_ERROR_PAGE} THEN 'an earlier version kept an error page, or nothing, in its place'
        ELSE reason END AS reason,
    expected_size, size, attempts, fetched_at"""
_LARGEST = "sum(artifacts) OVER (PARTITION BY {by}) DESC, {by}, "
_GAP_GROUPS = {By.REASON: "run_reason"}
"""What a group is called beside a gap, where its own name is that of a column of the gap."""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Counts and bytes by kind and state, and by ``by``; the gaps one by one, the newest first."""
    runs = chosen(filters, by)
    if by is None:
        artifacts = (
            "artifacts" if filters == Filters() else f"artifacts SEMI JOIN {runs} USING (run_id)"
        )
        counted, of_gap, order = "", "", ""
    else:
        # Under another name: artifacts have a reason of their own.
        groups = f"SELECT run_id, run_group FROM (SELECT *, {group(by, 'run_group')} FROM {runs})"
        artifacts = f"artifacts JOIN ({groups}) USING (run_id)"
        counted = f"run_group AS {by}, "
        of_gap = f"run_group AS {_GAP_GROUPS.get(by, by)}, "
        order = f"{by} DESC NULLS LAST, " if by.is_time else _LARGEST.format(by=by)
    counts = f"SELECT {counted}{_COUNTS} FROM {artifacts} GROUP BY ALL"
    return {
        "artifacts": asking.rows(f"FROM ({counts}) ORDER BY {order}kind, state"),
        "gaps": asking.rows(
            f"""SELECT {of_gap}{_GAPS} FROM {artifacts} WHERE {IS_GAP}
            ORDER BY fetched_at DESC, run_id, kind, ordinal"""
        ),
    }
