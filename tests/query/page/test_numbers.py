"""The numbers of the page are those of the SQL, in its figures and tables; its charts are drawn."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command
from tests.query.asking import rows
from tests.query.page.archives import NOON, Run, write_archive
from tests.query.page.browser import Opened, opened

STATUSES = ("completed", "completed", "failed", "terminated", "timed_out", "canceled", "completed")
CHARTS = ("runs-over-time", "failure-rate", "reasons", "run-time", "distribution", "flaky")
_WORK = {"request_prompt": "Log in", "request_url": "https://shop.example.com"}


def some_runs() -> list[Run]:
    """Five weeks of runs of two types, with all that makes counting hard."""
    runs = []
    for number in range(210):
        status = STATUSES[number * 5 % len(STATUSES)] if number < 180 else STATUSES[number % 4]
        runs.append(
            Run(
                f"{'wr' if number % 3 else 'tsk'}_{number}",
                status,
                # At 23:30 on the way west of Greenwich it is still the day before.
                NOON.replace(hour=23, minute=30) - timedelta(days=number // 6, minutes=number),
                seconds=(number * 37 % 911) ** 1.4 + 0.25,
                reason=None
                if status in ("completed", "canceled")
                else f"Step {number} of 'x' broke",
                columns=_WORK if number % 3 == 0 else {"workflow_id": f"wpid_{number % 4}"},
            )
        )
    runs += [
        Run("tsk_undated", "failed", None, reason="Nobody knows when"),
        Run("tsk_running", "running"),
        Run("tsk_odd", "queued_for_review", columns={"run_type": "task_v3"}),
        Run("tsk_typeless", columns={"run_type": None}),
        Run("tsk_endless", seconds=None),
        Run("tsk_backwards", columns={"finished_at": NOON, "run_seconds": None}),
    ]
    return runs


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> ArchiveFolder:
    return write_archive(tmp_path_factory.mktemp("numbers") / "archive", some_runs())


@pytest.fixture(scope="module")
def page(held: ArchiveFolder, browser: Browser) -> Iterator[Opened]:
    file = held.root.parent / "page.html"
    Command()("report", "--archive", held.root, "--html", file)
    with opened(browser, file) as page:
        yield page


def number(text: str | None) -> float | None:
    return None if text is None else float(text)


def counts(found: list[dict[str, Any]], *names: str) -> list[list[Any]]:
    """Those columns of a table of the page: the first as text, the others as numbers."""
    first, *others = names
    return [[row[first], *(number(row[name]) for name in others)] for row in found]


def test_every_chart_has_marks(page: Opened) -> None:
    assert {name: page.marks(name) > 3 for name in CHARTS} == dict.fromkeys(CHARTS, True)


def test_figures_are_the_sql_s(page: Opened, held: ArchiveFolder) -> None:
    (total,) = rows(
        held,
        "SELECT count(*) AS runs, count(*) FILTER (is_final AND status <> 'completed') AS failures,"
        " count(*) FILTER (status = 'completed') / count(*) FILTER (is_final) AS success,"
        " quantile_cont(run_seconds, 0.5) FILTER (is_final) AS p50,"
        " quantile_cont(run_seconds, 0.95) FILTER (is_final) AS p95 FROM runs",
    )
    assert {
        "runs": number(page.value("runs")),
        "failures": number(page.value("failures")),
        "success": number(page.value("success-rate")),
        "p50": number(page.value("p50-seconds")),
        "p95": number(page.value("p95-seconds")),
    } == pytest.approx(total)


def test_days_are_the_sql_s(page: Opened, held: ArchiveFolder) -> None:
    names = ("runs", "completed", "failed", "terminated", "timed_out", "canceled", "unfinished")
    sums = ", ".join(f"sum({name}) AS {name}" for name in names)
    days = rows(held, f"SELECT day, {sums} FROM daily GROUP BY day ORDER BY day DESC NULLS LAST")
    shown = counts(page.table("runs-over-time"), "day", *names)
    assert [row[1:] for row in shown] == [[day[name] for name in names] for day in days]
    assert shown[0][0] == "23 Nov 2026"
    assert shown[-1][:2] == [None, 1]
    rates = rows(
        held,
        "SELECT sum(runs - unfinished) AS final, sum(runs - unfinished - completed) AS failures "
        "FROM daily GROUP BY day ORDER BY day DESC NULLS LAST",
    )
    assert counts(page.table("failure-rate"), "day", "final", "failures", "rate") == [
        [
            shown[place][0],
            row["final"],
            row["failures"],
            pytest.approx(row["failures"] / row["final"]),
        ]
        for place, row in enumerate(rates)
    ]


def test_run_times_are_the_sql_s(page: Opened, held: ArchiveFolder) -> None:
    days = rows(
        held,
        "SELECT created_at::DATE AS day, count(*) AS runs, count(run_seconds) AS known, "
        "quantile_cont(run_seconds, 0.5) AS p50, quantile_cont(run_seconds, 0.95) AS p95, "
        "max(run_seconds) AS longest FROM durations GROUP BY day ORDER BY day DESC NULLS LAST",
    )
    names = ("runs", "known", "p50_seconds", "p95_seconds", "max_seconds")
    assert [row[1:] for row in counts(page.table("run-time"), "day", *names)] == [
        [row["runs"], row["known"], *map(pytest.approx, (row["p50"], row["p95"], row["longest"]))]
        for row in days
    ]
    types = rows(
        held,
        "SELECT run_type, count(*) AS runs, quantile_cont(queue_seconds, 0.5) AS queue, "
        "quantile_cont(run_seconds, 0.95) AS run FROM durations GROUP BY ALL "
        "ORDER BY runs DESC, run_type",
    )
    found = counts(
        page.table("by-type"), "run_type", "runs", "queue_p50_seconds", "run_p95_seconds"
    )
    assert found == [
        [row["run_type"], row["runs"], pytest.approx(row["queue"]), pytest.approx(row["run"])]
        for row in types
    ]


def test_the_distribution_counts_every_known_run_time_once(
    page: Opened, held: ArchiveFolder
) -> None:
    shown = {
        row["group"]: (number(row["runs"]), number(row["completed"]), number(row["not_completed"]))
        for row in page.table("distribution")
    }
    of_minutes = rows(
        held,
        "SELECT count(*) AS runs, count(*) FILTER (status = 'completed') AS completed "
        "FROM durations WHERE run_seconds >= 300 AND run_seconds < 600",
    )[0]
    assert shown["5m–10m"][:2] == (of_minutes["runs"], of_minutes["completed"])
    (known,) = rows(held, "SELECT count(run_seconds) AS n FROM durations")
    assert sum(all_runs or 0 for all_runs, _, _ in shown.values()) == known["n"]
    text = page.page.locator("#distribution").inner_text()
    assert "2 finished runs lack the time" in text
    assert "1 finished run ends before the start" in text


def test_reasons_are_the_sql_s(page: Opened, held: ArchiveFolder) -> None:
    reasons = rows(
        held,
        "SELECT reason, count(*) AS failures, "
        "count(*) / sum(count(*)) OVER () AS share_of_failures "
        "FROM failures GROUP BY ALL ORDER BY failures DESC, reason",
    )
    assert counts(page.table("reasons"), "reason", "failures", "share_of_failures") == [
        [row["reason"], row["failures"], pytest.approx(row["share_of_failures"])] for row in reasons
    ]


def test_flaky_work_is_that_of_the_runs(page: Opened, held: ArchiveFolder) -> None:
    ended = rows(
        held,
        "SELECT workflow_id, request_prompt, status <> 'completed' AS is_failure FROM runs "
        "WHERE is_final AND (workflow_id IS NOT NULL OR request_prompt IS NOT NULL) "
        "ORDER BY created_at",
    )
    outcomes: dict[str, list[bool]] = {}
    for row in ended:
        work = row["workflow_id"] or "Log in — https://shop.example.com"
        outcomes.setdefault(work, []).append(row["is_failure"])
    expected = {
        work: (len(of), sum(of), sum(a != b for a, b in pairwise(of)))
        for work, of in outcomes.items()
    }
    shown = counts(page.table("flaky"), "work", "runs", "failures", "flips", "flip_rate")
    assert {row[0]: tuple(row[1:4]) for row in shown} == expected
    assert [row[4] for row in shown] == pytest.approx([row[3] / (row[1] - 1) for row in shown])


def test_every_status_is_counted_also_unknown_ones(page: Opened, held: ArchiveFolder) -> None:
    statuses = rows(held, "SELECT status, count(*) AS runs FROM runs GROUP BY ALL")
    shown = counts(page.table("by-status"), "status", "runs")
    assert dict(shown) == {row["status"]: row["runs"] for row in statuses}
    assert ["queued_for_review", 1] in shown


def test_what_cannot_be_drawn_is_said(page: Opened) -> None:
    text = page.page.locator("#runs-over-time").inner_text()
    assert "1 run without a date of creation cannot be drawn." in text


def test_the_time_chosen_is_compared_with_the_time_before(
    held: ArchiveFolder, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    since, until = NOON.date() - timedelta(days=9), NOON.date() - timedelta(days=5)
    bounds = f"'{since}'::TIMESTAMPTZ AND '{until}'::TIMESTAMPTZ + INTERVAL 1 DAY"
    Command()(
        *("report", "--archive", held.root, "--html", file, "--since", str(since)),
        *("--until", str(until), "--run-type", "workflow_run"),
    )
    where = f"run_type = 'workflow_run' AND created_at BETWEEN {bounds}"
    (chosen,) = rows(held, f"SELECT count(*) AS runs FROM runs WHERE {where}")
    with opened(browser, file) as page:
        assert number(page.value("runs")) == chosen["runs"]
        text = page.page.inner_text("body")
        assert "type workflow_run" in text
        assert "“Before” is the time from 9 Nov 2026, 00:00 UTC to 14 Nov 2026, 00:00 UTC" in text
        assert "than before" in page.page.inner_text("#figure-success-rate")
