"""Artifacts: what is held of each kind, and what is missing."""

import pyarrow as pa

from archiver.adapters.reports.asking import Asking
from archiver.adapters.reports.parts import chosen, group
from archiver.domain.report import By, Filters

_COUNTS = """kind, state, count(*) AS artifacts,
    CAST(coalesce(sum(size) FILTER (state IN ('verified', 'unverified')), 0) AS BIGINT) AS bytes"""
_GAPS = """run_id, kind, ordinal, state, filename, reason, expected_size, size, attempts,
    fetched_at"""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Counts and bytes by kind and state, and by ``by``; the gaps one by one, the newest first."""
    runs = chosen(filters, by)
    if by is not None:
        artifacts = f"(FROM artifacts JOIN (SELECT run_id, {group(by)} FROM {runs}) USING (run_id))"
    elif filters != Filters():
        artifacts = f"(FROM artifacts SEMI JOIN {runs} USING (run_id))"
    else:
        artifacts = "artifacts"
    groups = f"{by}, " if by is not None else ""
    first = f"{by} DESC NULLS LAST, " if by is not None and by.is_time else groups
    return {
        "artifacts": asking.rows(
            f"SELECT {groups}{_COUNTS} FROM {artifacts} GROUP BY ALL ORDER BY {first}kind, state"
        ),
        "gaps": asking.rows(
            f"""SELECT {groups}{_GAPS} FROM {artifacts} WHERE state IN ('failed', 'mismatch')
            ORDER BY fetched_at DESC, run_id, kind, ordinal"""
        ),
    }
