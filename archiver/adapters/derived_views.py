"""The views that are made of the tables' own: each run's latest revision, and what follows from it.

Their columns and meaning are in :mod:`archiver.domain.views`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archiver.domain.views import ALL_REVISIONS, DAILY, DURATIONS, FAILURES, View
from archiver.model.schema import TABLES
from archiver.tables.reasons import with_reason

# Nearly all runs have one revision: an anti-join against the few superseded ones is cheap where
# a window over all rows is not. Revisions are numbered without gaps, so that those before a run's
# last one are known without looking at them.
_SUPERSEDED = """
SELECT run_id, unnest(range(1, max(revision))) AS revision
FROM run_revisions WHERE revision > 1 GROUP BY run_id
"""
_LATEST = "FROM {of} ANTI JOIN superseded_revisions USING (run_id, revision)"

_GAPS = {
    "queue_gap": ("coalesce(queued_at, created_at)", "started_at"),
    "run_gap": ("started_at", "finished_at"),
    "total_gap": ("created_at", "finished_at"),
}
_GAP = """CASE WHEN {start} IS NULL OR {end} IS NULL THEN 'missing'
    WHEN {end} < {start} THEN 'backwards' END AS {gap}"""

_DAILY = """
SELECT CAST(make_timestamp(epoch_us(created_at)) AS DATE) AS day, run_type, count(*) AS runs,
    count(*) FILTER (status = 'completed') AS completed,
    count(*) FILTER (status = 'failed') AS failed,
    count(*) FILTER (status = 'terminated') AS terminated,
    count(*) FILTER (status = 'timed_out') AS timed_out,
    count(*) FILTER (status = 'canceled') AS canceled,
    count(*) FILTER (NOT is_final) AS unfinished,
    count(*) FILTER (is_final AND status <> 'completed') / nullif(count(*) FILTER (is_final), 0)
        AS failure_rate,
    quantile_cont(run_seconds, 0.50) FILTER (is_final) AS p50_run_seconds,
    quantile_cont(run_seconds, 0.95) FILTER (is_final) AS p95_run_seconds,
    quantile_cont(run_seconds, 0.99) FILTER (is_final) AS p99_run_seconds
FROM runs GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """A view's query, and the views that it reads."""

    reads: tuple[str, ...]
    query: str


def view_queries() -> Mapping[str, ViewQuery]:
    """The query of each, by name, in an order in which they can be made.

    The views (or tables) of all revisions are there already. None depends on the session's time
    zone.
    """
    superseded = "superseded_revisions"
    latest = {
        table.name: ViewQuery(
            (ALL_REVISIONS[table], superseded), _LATEST.format(of=ALL_REVISIONS[table])
        )
        for table in TABLES
        if ALL_REVISIONS[table] != table.name
    }
    failed = with_reason("(FROM runs WHERE is_final AND status <> 'completed')")
    gaps = ", ".join(_GAP.format(gap=gap, start=of[0], end=of[1]) for gap, of in _GAPS.items())
    final = f"SELECT *, {gaps} FROM runs WHERE is_final"
    runs = ("runs",)
    return {
        superseded: ViewQuery(("run_revisions",), _SUPERSEDED),
        **latest,
        FAILURES.name: ViewQuery(runs, f"SELECT {_names(FAILURES)} FROM ({failed})"),
        DURATIONS.name: ViewQuery(runs, f"SELECT {_names(DURATIONS)} FROM ({final})"),
        DAILY.name: ViewQuery(runs, _DAILY),
    }


def with_sources(views: Iterable[str]) -> set[str]:
    """These views, and all that they are made of, by name."""
    queries = view_queries()
    found: set[str] = set()
    pending = list(views)
    while pending:
        name = pending.pop()
        found.add(name)
        if name in queries:
            pending += queries[name].reads
    return found


def _names(view: View) -> str:
    return ", ".join(column.name for column in view.columns)
