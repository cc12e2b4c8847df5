"""Reports as they are asked for: what is refused, and what they are grouped by."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import UsageError
from archiver.query.reports.options import (
    DURATIONS,
    FLAKY,
    OVERVIEW,
    REPORTS,
    SESSIONS,
    TIMES,
    AskedReport,
    By,
    Filters,
    ReportKind,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize("span", [timedelta(0), timedelta(microseconds=1)])
def test_an_end_that_does_not_lie_behind_the_beginning_is_refused(span: timedelta) -> None:
    with pytest.raises(UsageError, match="no run was created"):
        Filters(since=NOON, until=NOON - span)


def test_any_other_choice_of_runs_is_taken() -> None:
    assert not Filters().names_runs
    assert not Filters(NOON, NOON + timedelta(microseconds=1)).names_runs
    for named in (
        Filters(run_types=("task_v1",)),
        Filters(statuses=("paused",)),
        Filters(workflows=("wpid_1",)),
    ):
        assert named.names_runs


@pytest.mark.parametrize("report", REPORTS.values(), ids=lambda report: report.name)
def test_a_report_groups_by_what_it_says_and_by_nothing_else(report: ReportKind) -> None:
    for by in By:
        if by in report.groups:
            assert AskedReport(report, by=by).grouped_by is by
        else:
            with pytest.raises(UsageError, match=f"cannot be grouped by {by}"):
                AskedReport(report, by=by)
    assert AskedReport(report).grouped_by is report.default
    assert report.default in (None, *report.groups)


def test_every_report_says_what_its_tables_are() -> None:
    for name, report in REPORTS.items():
        assert name == report.name
        assert report.question.endswith("?")
        assert len(dict(report.tables)) == len(report.tables) > 0
    assert [by for by in By if by.is_time] == list(TIMES)
    assert AskedReport(DURATIONS).grouped_by is By.RUN_TYPE
    assert AskedReport(OVERVIEW).grouped_by is AskedReport(FLAKY).grouped_by is None


def test_sessions_are_not_chosen_by_what_runs_are() -> None:
    assert AskedReport(SESSIONS, Filters(since=NOON), By.WEEK).filters.since == NOON
    with pytest.raises(UsageError, match="not about single runs"):
        AskedReport(SESSIONS, Filters(run_types=("task_v1",)))
