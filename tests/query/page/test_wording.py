"""Numbers as people read them: rounded, but never so that something becomes nothing or all."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from archiver.query.page import wording
from tests.cli.running import Command
from tests.query.page.archives import NOON, Run, write_archive


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((0.0, "0.0%"), (1e-9, "<0.1%"), (0.001, "0.1%"), (0.12345, "12.3%")),
        *((0.999, "99.9%"), (0.99999, ">99.9%"), (1.0, "100.0%")),
    ],
)
def test_only_nothing_is_zero_and_only_all_is_hundred_percent(share: float, text: str) -> None:
    assert wording.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0.0 s"), (0.04, "<0.1 s"), (9.87, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s")),
        *((3_599, "59 min 59 s"), (3_599.6, "1 h 0 min"), (86_399, "1 d 0 h")),
        *((90_061, "1 d 1 h"), (400 * 86_400, "400 d 0 h")),
    ],
)
def test_lengths_of_time_have_two_units(seconds: float, text: str) -> None:
    assert wording.seconds(seconds).replace("\N{NO-BREAK SPACE}", " ") == text


def test_moments_are_utc() -> None:
    at = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    assert wording.moment(at) == "22 Nov 2026, 20:30 UTC"
    assert wording.day(datetime(1, 2, 3, tzinfo=UTC)) == "3 Feb 1"


def test_what_got_worse_is_said_with_its_numbers(tmp_path: Path) -> None:
    runs = []
    for day in range(35):
        for number in range(20):
            is_bad = number < (10 if day < 7 else 1)
            runs.append(
                Run(
                    f"tsk_{day}_{number}",
                    "failed" if is_bad else "completed",
                    NOON - timedelta(days=day),
                    seconds=600 if day < 7 else 60,
                    reason="The <b>shop</b> is closed" if is_bad else None,
                )
            )
    archive, file = write_archive(tmp_path / "archive", runs), tmp_path / "page.html"
    # However late the chosen time begins: what is recent is compared with the 28 days before it.
    options = ("--since", "2026-11-10", "--archive", archive.root, "--html", file)
    Command()("report", *options)
    page = file.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    for sentence in (
        "In the 7 days up to 23 Nov 2026, 50.0% of the finished runs did not complete (70 of 140), "
        "after 5.0% in the 28 days before. That is worse, beyond chance.",
        "95 of 100 runs took up to 10 min 0 s, after 1 min 0 s in the 28 days before. "
        "That is slower, beyond chance.",
        "Runs of the type “task_v1” fail more often: 50.0% of the finished runs",
        "The reason “The &lt;b&gt;shop&lt;/b&gt; is closed” is more frequent: 50.0% of the runs "
        "(70), after 5.0% in the 28 days before.",
        "Runs of the type “task_v1” got slower: 95 of 100 runs took up to 10 min 0 s",
    ):
        assert sentence in page
