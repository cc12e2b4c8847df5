"""``report failures``: rates, reasons, when they were seen, and examples, against the answers."""

import pandas as pd
import pytest

from tests.query.reports.conftest import Known
from tests.query.reports.truth import (
    Ask,
    Row,
    chosen,
    examples,
    groups,
    moment,
    newest_or_largest,
    plain,
    same,
    share,
)


def seen(failed: pd.DataFrame) -> Row:
    return {
        "first_seen": moment(failed["created"].min()),
        "last_seen": moment(failed["created"].max()),
    }


def total(final: pd.DataFrame) -> Row:
    failed = final[final["is_failure"]]
    return {
        "final_runs": len(final),
        "failures": len(failed),
        "failure_rate": share(len(failed), len(final)),
        **seen(failed),
    }


def by_reason(found: list[Row], final: pd.DataFrame) -> None:
    failed = final[final["is_failure"]]
    rows = []
    for key, group in groups(failed, "reason"):
        rows.append(
            {
                **key,
                "failures": len(group),
                "failure_rate": len(group) / len(final),
                "share_of_failures": len(group) / len(failed),
                "error_codes": sorted(set[str]().union(*group["error_codes"])),
                **seen(group),
                "example_run_ids": examples(group),
            }
        )
    same(found, newest_or_largest(rows, "reason", "failures"))


def test_failures_are_counted_by_reason(ask: Ask, known: Known) -> None:
    final = known.runs[known.runs["is_final"]]
    tables = ask("failures")
    by_reason(tables["failures"], final)
    same(tables["total"], [total(final)])


@pytest.mark.parametrize("by", ["month", "status"])
def test_failures_are_counted_by_any_group(ask: Ask, known: Known, by: str) -> None:
    final = known.runs[known.runs["is_final"]]
    tables = ask("failures", "--by", by)
    rows: list[Row] = []
    for key, group in groups(final, by):
        failed = group[group["is_failure"]]
        reasons = failed["reason"].value_counts()
        rows.append(
            {
                **key,
                "final_runs": len(group),
                "failures": len(failed),
                "failure_rate": len(failed) / len(group),
                # Of reasons that are as frequent, the first in the alphabet.
                "top_reason": min(reasons[reasons == reasons.max()].index, default=None),
                **seen(failed),
                "example_run_ids": examples(failed) or None,
            }
        )
    same(tables["failures"], newest_or_largest(rows, by, "failures"))
    same(tables["total"], [total(final)])


def test_failures_of_chosen_runs(ask: Ask, known: Known) -> None:
    choice = ("--since", "2025-08-31", "--until", "2025-10-31", "--workflow", "wpid_1")
    final = chosen(known.runs[known.runs["is_final"]], "2025-08-31", "2025-11-01")
    final = chosen(final, workflow=["wpid_1"])
    tables = ask("failures", *choice)
    assert final["is_failure"].sum() > 1
    by_reason(tables["failures"], final)
    same(tables["total"], [total(final)])


def test_the_view_shows_the_reason_beside_what_it_is_made_of(known: Known) -> None:
    found = {row["run_id"]: row for row in known.query("FROM failures")}
    failed = known.runs[known.runs["is_failure"]]
    assert found.keys() == set(failed["run_id"])
    for run in failed.to_dict("records"):
        row = found[run["run_id"]]
        assert row["failure_reason"] == plain(run["failure_reason"])
        assert row["reason"] == plain(run["reason"])
        assert set(row["error_codes"]) == run["error_codes"]
