"""Failures: how many runs fail, why, and since when."""

import pyarrow as pa

from archiver.query.reports.options import By, Filters
from archiver.query.reports.parts import IS_FAILURE, LATEST, Asking, chosen, group

_SEEN = f"""min(created_at) AS first_seen, max(created_at) AS last_seen,
    {LATEST.format(which="true")} AS example_run_ids"""
_FAILED = (
    f"SELECT {{group}}, reason, error_codes, run_id, created_at FROM {{runs}} WHERE {IS_FAILURE}"
)
_BY_REASON = f"""
SELECT reason, count(*) AS failures,
    count(*) / (SELECT sum(final_runs) FROM final) AS failure_rate,
    count(*) / sum(count(*)) OVER () AS share_of_failures,
    list_sort(list_distinct(flatten(list(DISTINCT error_codes)))) AS error_codes, {_SEEN}
FROM failed GROUP BY reason ORDER BY failures DESC, reason"""
# Of reasons that are as frequent the first in the alphabet is the top one, always the same.
_BY_OTHER = f"""
SELECT final.{{by}}, final_runs, coalesce(failures, 0) AS failures,
    coalesce(failures, 0) / final_runs AS failure_rate,
    top_reason, first_seen, last_seen, example_run_ids
FROM final LEFT JOIN (
    SELECT {{by}}, count(*) AS failures, {_SEEN} FROM failed GROUP BY 1
) AS failed ON final.{{by}} IS NOT DISTINCT FROM failed.{{by}}
LEFT JOIN (
    SELECT {{by}}, first(reason ORDER BY times DESC, reason) AS top_reason FROM (
        SELECT {{by}}, reason, count(*) AS times FROM failed WHERE reason IS NOT NULL GROUP BY ALL
    ) GROUP BY 1
) AS top ON final.{{by}} IS NOT DISTINCT FROM top.{{by}}
ORDER BY {{order}}"""
_TOTAL = """
SELECT coalesce(final_runs, 0) AS final_runs, failures,
    failures / nullif(final_runs, 0) AS failure_rate,
    first_seen, last_seen
FROM (SELECT CAST(sum(final_runs) AS BIGINT) AS final_runs FROM final),
    (SELECT count(*) AS failures, min(created_at) AS first_seen, max(created_at) AS last_seen
        FROM failed)"""


def tables(asking: Asking, filters: Filters, by: By | None) -> dict[str, pa.Table]:
    """Failures by ``by``, else by reason: rates, first and last seen, the latest as examples."""
    by = by or By.REASON
    if by is By.REASON:
        final = f"SELECT count(*) AS final_runs FROM {chosen(filters)} WHERE is_final"
    else:
        final = f"""SELECT {group(by)}, count(*) AS final_runs FROM {chosen(filters)}
            WHERE is_final GROUP BY 1"""
    asking.keep("final", final)
    of_failed = "run_type" if by is By.REASON else group(by)
    asking.keep("failed", _FAILED.format(group=of_failed, runs=chosen(filters, By.REASON)))
    order = f"final.{by} DESC NULLS LAST" if by.is_time else f"failures DESC, final.{by}"
    query = _BY_REASON if by is By.REASON else _BY_OTHER.format(by=by, order=order)
    return {"failures": asking.rows(query), "total": asking.rows(_TOTAL)}
