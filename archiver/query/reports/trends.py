"""Trends: failure rate and run time day by day, and which groups got worse of late.

A group got worse where the interval of the change lies above zero, and neither side has too few
runs to tell; of a reason or status, where enough runs ended so. The interval of a difference of two
failure rates is Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10); that
of a percentile lies between two of the sorted values (binomial order statistics), which takes about
160 runs. Both at 99 %: there may be many groups.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.query.reports.parts import IS_FAILURE, Asking, chosen, group

_RECENT_DAYS = 7
_BEFORE_DAYS = 28
_FEWEST = 10
"""Runs on each side from which a change is taken seriously."""
_Z = 2.5758293035489004
"""The normal distribution's quantile for 99 %, both sides together."""

_FIRST = datetime(1, 3, 1, tzinfo=UTC)

_DAYS = """
WITH days AS (
    SELECT {day}, count(*) AS runs, count(*) FILTER (is_final) AS final_runs,
        count(*) FILTER ({is_failure}) AS failures,
        quantile_cont(run_seconds, [0.5, 0.95]) FILTER (is_final) AS q
    FROM {runs} WHERE created_at IS NOT NULL GROUP BY 1
)
SELECT day, runs, final_runs, failures, failures / nullif(final_runs, 0) AS failure_rate,
    sum(failures) OVER week / nullif(sum(final_runs) OVER week, 0) AS failure_rate_7_days,
    q[1] AS p50_run_seconds, q[2] AS p95_run_seconds,
    avg(q[2]) OVER week AS mean_p95_run_seconds_7_days
FROM days WINDOW week AS (ORDER BY day RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW)
ORDER BY day DESC"""

# No run was created after it was fetched: a clock that is ahead must not move the days compared.
_UNTIL = """
SELECT CAST(make_timestamp(epoch_us(max(least(created_at, fetched_at)))) AS DATE)
    + INTERVAL 1 DAY AS until
FROM {runs} WHERE created_at IS NOT NULL
"""
_BOTH = """
SELECT {columns}, {is_failure} AS is_failure, run_seconds, created_at >= $recent AS is_recent
FROM {runs} WHERE is_final AND created_at >= $before AND created_at < $end
"""

_FAILING = """
WITH grouped AS ({grouped}),
sides AS (SELECT count(*) FILTER (is_recent) AS recent_runs,
    count(*) FILTER (NOT is_recent) AS before_runs FROM both_sides),
counted AS (
    SELECT dimension, grouped.group, of_all,
        CASE WHEN of_all THEN any_value(sides.recent_runs) ELSE count(*) FILTER (is_recent) END
            AS recent_runs,
        count(*) FILTER (is_recent AND is_failure) AS recent_failures,
        CASE WHEN of_all THEN any_value(sides.before_runs) ELSE count(*) FILTER (NOT is_recent) END
            AS before_runs,
        count(*) FILTER (NOT is_recent AND is_failure) AS before_failures
    FROM grouped, sides GROUP BY dimension, grouped.group, of_all
),
rates AS (
    SELECT *, recent_failures / nullif(recent_runs, 0) AS recent_rate,
        before_failures / nullif(before_runs, 0) AS before_rate, {z} AS z,
        recent_rate + z * z / (2 * nullif(recent_runs, 0)) AS recent_middle,
        z * sqrt(recent_rate * (1 - recent_rate) / nullif(recent_runs, 0)
            + z * z / (4 * nullif(recent_runs, 0) * recent_runs)) AS recent_spread,
        1 + z * z / nullif(recent_runs, 0) AS recent_scale,
        before_rate + z * z / (2 * nullif(before_runs, 0)) AS before_middle,
        z * sqrt(before_rate * (1 - before_rate) / nullif(before_runs, 0)
            + z * z / (4 * nullif(before_runs, 0) * before_runs)) AS before_spread,
        1 + z * z / nullif(before_runs, 0) AS before_scale
    FROM counted
),
changes AS (
    SELECT *, recent_rate - before_rate AS change,
        change - sqrt((recent_rate - (recent_middle - recent_spread) / recent_scale) ** 2
            + ((before_middle + before_spread) / before_scale - before_rate) ** 2) AS change_low,
        change + sqrt(((recent_middle + recent_spread) / recent_scale - recent_rate) ** 2
            + (before_rate - (before_middle - before_spread) / before_scale) ** 2) AS change_high
    FROM rates
)
SELECT dimension, "group",
    CASE WHEN recent_runs < {fewest} OR before_runs < {fewest}
            OR of_all AND recent_failures + before_failures < {fewest} THEN 'few runs'
        WHEN change_low > 0 THEN 'worse' WHEN change_high < 0 THEN 'better' ELSE 'same' END
        AS verdict,
    recent_runs, recent_failures, recent_rate, before_runs, before_failures, before_rate,
    change, change_low, change_high
FROM changes
ORDER BY list_position(['worse', 'better', 'same', 'few runs'], verdict), abs(change) DESC,
    dimension, "group" """

_SLOWER = """
WITH grouped AS ({grouped}),
sides AS (
    SELECT dimension, grouped.group, is_recent, count(*) AS runs,
        quantile_cont(run_seconds, 0.95) AS p95, list_sort(list(run_seconds)) AS sorted,
        {z} * sqrt(runs * 0.95 * 0.05) AS spread
    FROM grouped WHERE NOT of_all AND run_seconds IS NOT NULL GROUP BY ALL
),
bounded AS (
    SELECT *, CASE WHEN floor(runs * 0.95 - spread) >= 1
            THEN sorted[CAST(floor(runs * 0.95 - spread) AS BIGINT)] END AS low,
        CASE WHEN ceil(runs * 0.95 + spread) + 1 <= runs
            THEN sorted[CAST(ceil(runs * 0.95 + spread) + 1 AS BIGINT)] END AS high
    FROM sides
),
compared AS (
    SELECT dimension, bounded.group,
        coalesce(any_value(runs) FILTER (is_recent), 0) AS recent_runs,
        any_value(p95) FILTER (is_recent) AS recent_p95,
        any_value(low) FILTER (is_recent) AS recent_p95_low,
        any_value(high) FILTER (is_recent) AS recent_p95_high,
        coalesce(any_value(runs) FILTER (NOT is_recent), 0) AS before_runs,
        any_value(p95) FILTER (NOT is_recent) AS before_p95,
        any_value(low) FILTER (NOT is_recent) AS before_p95_low,
        any_value(high) FILTER (NOT is_recent) AS before_p95_high
    FROM bounded GROUP BY ALL
)
SELECT dimension, "group",
    CASE WHEN recent_runs < {fewest} OR before_runs < {fewest} OR before_p95_high IS NULL
            THEN 'few runs'
        WHEN recent_p95_low > before_p95_high THEN 'slower'
        WHEN recent_p95_high < before_p95_low THEN 'faster' ELSE 'same' END AS verdict,
    recent_runs, recent_p95, recent_p95_low, recent_p95_high,
    before_runs, before_p95, before_p95_low, before_p95_high
FROM compared
ORDER BY list_position(['slower', 'faster', 'same', 'few runs'], verdict),
    recent_p95 / nullif(before_p95, 0) DESC NULLS LAST, dimension, "group" """

_OF_ALL = (By.STATUS, By.REASON)
"""Of these, how many of all runs there are is what gets worse: a reason's own runs all fail."""
_COUNTED = {By.REASON: "is_failure", By.STATUS: "is_failure", By.WORKFLOW: "workflow IS NOT NULL"}
"""What a run must be to have a group."""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Days with means over seven; groups that fail more, and that take longer, worst first.

    Groups are those of ``by``, else of all that may have a cause of its own. The last 7 days are
    those before ``until``, else those up to the last day on which a run was created.
    """
    dimensions = [By.RUN_TYPE, By.ENGINE, By.WORKFLOW, By.REASON]
    if by is not None and not by.is_time:
        dimensions = [by]
    by_reason = By.REASON if By.REASON in dimensions else None
    until = compared_until(asking, filters)
    both = _BOTH.format(
        columns=", ".join(map(group, dimensions)),
        is_failure=IS_FAILURE,
        runs=chosen(filters, by_reason),
    )
    recent = max(until, _FIRST) - timedelta(days=_RECENT_DAYS)
    before = recent - timedelta(days=_BEFORE_DAYS)
    asking.keep("both_sides", both, end=until, recent=recent, before=before)
    failing = _grouped(dimensions)
    slower = _grouped([of for of in dimensions if of not in _OF_ALL])
    values = {"z": _Z, "fewest": _FEWEST}
    days = _DAYS.format(day=group(By.DAY), runs=chosen(filters), is_failure=IS_FAILURE)
    return {
        "days": asking.rows(days),
        "failing": asking.rows(_FAILING.format(grouped=failing, **values)),
        "slower": asking.rows(_SLOWER.format(grouped=slower, **values)),
    }


def compared_until(asking: Asking, filters: Filters) -> datetime:
    """The end of the last 7 days. Without any run it is in the first year."""
    if filters.until is not None:
        return filters.until
    # Of all revisions it is the same, and much faster, unless runs are chosen by their state.
    runs = chosen(filters, of="runs" if filters.names_runs else "run_revisions")
    (last,) = asking.rows(_UNTIL.format(runs=runs))["until"].to_pylist()
    return last.replace(tzinfo=UTC) if last else _FIRST


def _grouped(dimensions: Sequence[By]) -> str:
    groups = ["SELECT 'all' AS dimension, 'all' AS \"group\", false AS of_all, * FROM both_sides"]
    for by in dimensions:
        select = f"SELECT '{by}', {by}, {by in _OF_ALL}, * FROM both_sides"
        groups.append(f"{select} WHERE {_COUNTED.get(by, 'true')}")
    return " UNION ALL ".join(groups)
