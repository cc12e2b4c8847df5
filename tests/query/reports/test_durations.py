"""``report durations``: percentiles, and why a duration is not known, against the answers."""

import pandas as pd
import pytest

from tests.query.reports.conftest import Known
from tests.query.reports.truth import (
    Ask,
    Row,
    chosen,
    groups,
    newest_or_largest,
    plain,
    quantile,
    same,
)


def spans(final: pd.DataFrame) -> list[Row]:
    return [
        {
            "span": span,
            "runs": len(final),
            "known": int(final[span].count()),
            "missing": int(final[f"{span}_missing"].sum()),
            "backwards": int(final[f"{span}_backwards"].sum()),
            "mean_seconds": plain(final[span].mean()),
            "p50_seconds": quantile(final[span], 0.5),
            "p90_seconds": quantile(final[span], 0.9),
            "p95_seconds": quantile(final[span], 0.95),
            "p99_seconds": quantile(final[span], 0.99),
            "max_seconds": plain(final[span].max()),
        }
        for span in ("queue", "run", "total")
    ]


@pytest.mark.parametrize("by", ["week", "engine"])
def test_durations_by_any_group(ask: Ask, known: Known, by: str) -> None:
    final = known.runs[known.runs["is_final"]]
    tables = ask("durations", "--by", by)
    rows = [{**key, **row} for key, group in groups(final, by) for row in spans(group)]
    # Sorting keeps the order of the spans of a group.
    same(tables["durations"], newest_or_largest(rows, by))
    same(tables["total"], spans(final))


def test_every_run_is_known_missing_or_backwards(ask: Ask, known: Known) -> None:
    tables = ask("durations", "--by", "workflow")
    for row in [*tables["durations"], *tables["total"]]:
        assert row["known"] + row["missing"] + row["backwards"] == row["runs"]
    assert min(row["backwards"] for row in tables["total"]) > 1


def test_durations_are_grouped_by_run_type_unless_asked_otherwise(ask: Ask) -> None:
    assert ask("durations") == ask("durations", "--by", "run_type")


def test_durations_of_chosen_runs(ask: Ask, known: Known) -> None:
    choice = ("--since", "2025-08-31T23:59:59.999999Z", "--until", "2025-09-30")
    tables = ask("durations", *choice, "--status", "completed", "--status", "paused")
    runs = chosen(known.runs, "2025-08-31T23:59:59.999999", "2025-10-01", status=["completed"])
    assert runs["run"].count() > 2
    same(tables["total"], spans(runs))


def test_the_view_says_of_each_run_why_a_duration_is_null(known: Known) -> None:
    found = {row["run_id"]: row for row in known.query("FROM durations")}
    final = known.runs[known.runs["is_final"]]
    assert found.keys() == set(final["run_id"])
    for run in final.to_dict("records"):
        row = found[run["run_id"]]
        for span in ("queue", "run", "total"):
            gap = next((g for g in ("missing", "backwards") if run[f"{span}_{g}"]), None)
            assert row[f"{span}_gap"] == gap
            assert row[f"{span}_seconds"] == plain(run[span])
            assert (row[f"{span}_seconds"] is None) is (gap is not None)


def test_the_view_of_days_counts_as_the_reports_do(known: Known) -> None:
    expected = []
    for key, group in groups(known.runs, "day", "run_type"):
        final = group[group["is_final"]]
        ends = ("completed", "failed", "terminated", "timed_out", "canceled")
        expected.append(
            {
                **key,
                "runs": len(group),
                **{status: int((group["status"] == status).sum()) for status in ends},
                "unfinished": len(group) - len(final),
                "failure_rate": plain(final["is_failure"].mean()),
                **{f"p{p}_run_seconds": quantile(final["run"], p / 100) for p in (50, 95, 99)},
            }
        )

    def place(row: Row) -> tuple[str, str]:
        return (row["day"] or "", row["run_type"] or "")

    found = [{name: row[name] for name in expected[0]} for row in known.query("FROM daily")]
    same(sorted(found, key=place), sorted(expected, key=place))
