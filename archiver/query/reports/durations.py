"""Durations: how long runs wait and take."""

import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.query.reports.parts import Asking, chosen, group, order

_SPANS = {
    "queue": ("queue_seconds", "coalesce(queued_at, created_at)", "started_at"),
    "run": ("run_seconds", "started_at", "finished_at"),
    "total": ("total_seconds", "created_at", "finished_at"),
}
_SPAN = """{{
    'span': '{span}', 'known': count({seconds}),
    'missing': count(*) FILTER ({start} IS NULL OR {end} IS NULL),
    'backwards': count(*) FILTER ({end} < {start}),
    'mean': avg({seconds}), 'q': quantile_cont({seconds}, [0.5, 0.9, 0.95, 0.99]),
    'max': max({seconds})
}}"""
_MEASURED = """
SELECT {by}, grouping({by}) = 1 AS is_total, count(*) AS runs, [{spans}] AS spans
FROM (SELECT *, {group} FROM {runs} WHERE is_final) GROUP BY GROUPING SETS (({by}), ())
"""
_ROWS = """
SELECT {by}of.span, runs, of.known, of.missing, of.backwards, of.mean AS mean_seconds,
    of.q[1] AS p50_seconds, of.q[2] AS p90_seconds, of.q[3] AS p95_seconds, of.q[4] AS p99_seconds,
    of.max AS max_seconds
FROM (
    SELECT *, unnest(spans) AS of, unnest([1, 2, 3]) AS place FROM measured WHERE {which}
) ORDER BY {order}place"""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Seconds of queue, run and total: how many are known, and why not; mean and percentiles."""
    by = by or By.RUN_TYPE
    spans = ", ".join(
        _SPAN.format(span=span, seconds=seconds, start=start, end=end)
        for span, (seconds, start, end) in _SPANS.items()
    )
    runs = chosen(filters, by)
    asking.keep("measured", _MEASURED.format(by=by, spans=spans, group=group(by), runs=runs))
    return {
        "durations": asking.rows(
            _ROWS.format(by=f"{by}, ", which="NOT is_total", order=f"{order(by)}, ")
        ),
        "total": asking.rows(_ROWS.format(by="", which="is_total", order="")),
    }
