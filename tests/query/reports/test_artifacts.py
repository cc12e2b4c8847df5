"""``report artifacts``: counts, bytes and gaps, against what the server did to each artifact."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from tests.query.reports.conftest import Known
from tests.query.reports.truth import Ask, Row, chosen, groups, plain, same


def of_runs(artifacts: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    theirs = artifacts.merge(runs.drop(columns="artifact_state", errors="ignore"), on="run_id")
    return theirs.rename(columns={"artifact_state": "state"}).drop(columns="status")


def counts(artifacts: pd.DataFrame, *by: str) -> list[Row]:
    rows = []
    for key, group in groups(artifacts, *by, "kind", "state"):
        held = group[group["state"].isin(["verified", "unverified"])]
        size = int(held["size"].sum())
        rows.append({**key, "artifacts": len(group), "bytes": size})
    return sorted(rows, key=lambda row: (row["kind"], row["state"]))


def largest_first(rows: list[Row], by: str) -> list[Row]:
    sizes: dict[str | None, int] = {}
    for row in rows:
        sizes[row[by]] = sizes.get(row[by], 0) + row["artifacts"]
    return sorted(rows, key=lambda row: (-sizes[row[by]], row[by] is None, row[by] or ""))


def test_artifacts_are_counted_by_kind_and_state(ask: Ask, known: Known) -> None:
    artifacts = of_runs(known.artifacts, known.runs)
    same(ask("artifacts")["artifacts"], counts(artifacts))


@pytest.mark.parametrize("by", ["day", "workflow"])
def test_artifacts_are_counted_by_what_their_runs_are(ask: Ask, known: Known, by: str) -> None:
    rows = counts(of_runs(known.artifacts, known.runs), by)
    if by == "day":
        dated = sorted((r for r in rows if r[by]), key=lambda row: row[by], reverse=True)
        rows = [*dated, *(row for row in rows if not row[by])]
    else:
        rows = largest_first(rows, by)
    same(ask("artifacts", "--by", by)["artifacts"], rows)


def test_the_gaps_are_listed_one_by_one(ask: Ask, known: Known) -> None:
    gaps = known.artifacts[known.artifacts["artifact_state"].isin(["failed", "mismatch"])]
    wanted = {(a["run_id"], a["kind"], a["ordinal"]): a for a in gaps.to_dict("records")}
    rows = ask("artifacts")["gaps"]
    assert [(row["run_id"], row["kind"], row["ordinal"]) for row in rows] == sorted(
        ((row["run_id"], row["kind"], row["ordinal"]) for row in rows),
        key=lambda key: place(rows, key),
    )
    assert {(row["run_id"], row["kind"], row["ordinal"]) for row in rows} == wanted.keys()
    assert {row["state"] for row in rows} == {"failed", "mismatch"}
    for row in rows:
        known_of = wanted[row["run_id"], row["kind"], row["ordinal"]]
        assert row["state"] == known_of["artifact_state"]
        assert row["filename"] == plain(known_of["filename"])
        assert row["size"] == plain(known_of["size"])
        assert (row["expected_size"] is None) is (row["kind"] != "download")
        assert row["reason"]
        assert row["attempts"] == (2 if row["state"] == "mismatch" else 1)
        age = datetime.now(UTC) - datetime.fromisoformat(row["fetched_at"])
        assert age < timedelta(minutes=5)


def place(rows: list[Row], key: tuple[str, str, int]) -> tuple[object, ...]:
    """Those tried last come first."""
    (row,) = (r for r in rows if (r["run_id"], r["kind"], r["ordinal"]) == key)
    return (-datetime.fromisoformat(row["fetched_at"]).timestamp(), *key)


def test_by_reason_it_is_the_reason_of_their_runs(ask: Ask, known: Known) -> None:
    tables = ask("artifacts", "--by", "reason")
    theirs = of_runs(known.artifacts, known.runs)
    same(tables["artifacts"], largest_first(counts(theirs, "reason"), "reason"))
    # A gap has a reason of its own beside it.
    reasons = theirs.groupby("run_id")["reason"].first()
    for row in tables["gaps"]:
        assert row["run_reason"] == plain(reasons[row["run_id"]])
        assert row["reason"].startswith(("storage answered", "the bytes do not have"))
    gaps = [{k: v for k, v in row.items() if k != "run_reason"} for row in tables["gaps"]]
    assert gaps == ask("artifacts")["gaps"]


def test_artifacts_of_chosen_runs(ask: Ask, known: Known) -> None:
    runs = chosen(known.runs, "2025-08-31", "2025-09-02", status=["completed", "failed"])
    choice = ("--since", "2025-08-31", "--until", "2025-09-01", "--status", "completed")
    tables = ask("artifacts", *choice, "--status", "failed")
    expected = of_runs(known.artifacts, runs)
    assert len(expected) > 5
    same(tables["artifacts"], counts(expected))
    gaps = expected[expected["state"].isin(["failed", "mismatch"])]
    assert sorted(row["run_id"] for row in tables["gaps"]) == sorted(gaps["run_id"])
