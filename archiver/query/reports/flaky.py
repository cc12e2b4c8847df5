"""Flaky: the same work that ends now well, now badly."""

import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.query.reports.parts import IS_FAILURE, LATEST, Asking, chosen, group

# Work is known by a hash, and when a run was created and how it ended is one number: the window
# that finds the flips sorts numbers alone, which is several times faster than texts and times.
# Of runs that were created at the same moment those that completed count as the first; runs without
# that time come last, as if created at one moment: no flip is counted that may be chance.
_ENDED = """
SELECT {group}CASE WHEN workflow_id IS NULL THEN hash({key}request_prompt, request_url)
        ELSE hash({key}workflow_id) END AS work,
    run_id, created_at, {is_failure} AS is_failure
FROM {runs}
WHERE is_final AND coalesce(workflow_id, request_prompt, request_url) IS NOT NULL
"""
_NO_TIME = 2**62
_FLIPS = f"""
SELECT work, count(*) AS runs, count(*) FILTER (is_failure) AS failures,
    count(*) FILTER (is_flip) AS flips
FROM (
    SELECT work, is_failure, is_failure <> lag(is_failure) OVER (
        PARTITION BY work
        ORDER BY coalesce(2 * epoch_us(created_at), {_NO_TIME}) + CAST(is_failure AS INTEGER)
    ) AS is_flip
    FROM ended
) GROUP BY work HAVING failures > 0 AND failures < runs
"""
_WORKS = """
SELECT work, {any_key}any_value(run_id) AS sample,
    min(created_at) AS first_seen, max(created_at) AS last_seen,
    {latest} AS example_run_ids
FROM ended SEMI JOIN flips USING (work) GROUP BY work
"""
_TEXTS = """
SELECT run_id AS sample, any_value(workflow_id) AS workflow,
    any_value(request_prompt) AS prompt, any_value(request_url) AS url
FROM run_revisions WHERE run_id IN (SELECT sample FROM works) GROUP BY run_id
"""
_FLAKY = """
SELECT {key}workflow, CASE WHEN workflow IS NULL THEN prompt END AS prompt,
    CASE WHEN workflow IS NULL THEN url END AS url, runs, runs - failures AS completed, failures,
    failures / runs AS failure_rate, flips, flips / (runs - 1) AS flip_rate,
    first_seen, last_seen, example_run_ids
FROM flips JOIN works USING (work) JOIN ({texts}) USING (sample)
ORDER BY {order}flips DESC, flip_rate DESC, workflow, prompt, url{last}
"""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Work that ended both ways: how often a run ended otherwise than the one before."""
    if by is By.WORKFLOW:
        by = None  # work is told apart by it anyway
    key = f"{by}, " if by else ""
    of_by = f"{group(by)}, " if by else ""
    any_key = f"any_value({by}) AS {by}, " if by else ""
    order = f"{by} DESC NULLS LAST, " if by and by.is_time else ""
    last = f", {by}" if by else ""
    asking.keep(
        "ended",
        _ENDED.format(group=of_by, key=key, is_failure=IS_FAILURE, runs=chosen(filters)),
    )
    asking.keep("flips", _FLIPS)
    asking.keep("works", _WORKS.format(any_key=any_key, latest=LATEST.format(which="is_failure")))
    return {"flaky": asking.rows(_FLAKY.format(key=key, order=order, last=last, texts=_TEXTS))}
