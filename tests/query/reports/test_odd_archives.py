"""Reports on archives in which there is little, nothing, or something broken."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.query.reports.options import REPORTS
from tests.cli.running import Command, Fetch, point_to, run_child
from tests.lying_server import LyingServer
from tests.query.reports.conftest import Known
from tests.query.reports.rows import archive_of
from tests.query.reports.truth import Ask, Row

NOTHING: dict[str, dict[str, list[Row]]] = {
    "overview": {
        "overview": [],
        "total": [
            dict.fromkeys(
                (
                    *("runs", "completed", "failed", "terminated", "timed_out", "canceled"),
                    *("unfinished", "complete", "incomplete", "unsettled"),
                    *("artifacts", "gaps", "bytes"),
                ),
                0,
            )
            | dict.fromkeys(("failure_rate", "first_created_at", "last_created_at"))
        ],
    },
    "durations": {
        "durations": [],
        "total": [
            {
                "span": span,
                **dict.fromkeys(("runs", "known", "missing", "backwards"), 0),
                **dict.fromkeys(
                    f"{name}_seconds" for name in ("mean", "p50", "p90", "p95", "p99", "max")
                ),
            }
            for span in ("queue", "run", "total")
        ],
    },
    "failures": {
        "failures": [],
        "total": [
            {
                **dict.fromkeys(("final_runs", "failures"), 0),
                **dict.fromkeys(("failure_rate", "first_seen", "last_seen")),
            }
        ],
    },
    "trends": {"days": [], "failing": [], "slower": []},
    "flaky": {"flaky": []},
    "artifacts": {"artifacts": [], "gaps": []},
}


@pytest.fixture(scope="module")
def without_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of one session that got nothing."""
    root = tmp_path_factory.mktemp("without") / "archive"
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        Fetch(Command())("tsk_1", "wr_1", "--archive", root, "--no-fsync", code=3)
    return root


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "sessions"])
def test_where_there_is_nothing_every_report_says_so(
    without_runs: Path, ask_of: Callable[[Path], Ask], name: str
) -> None:
    ask = ask_of(without_runs)
    assert ask(name) == NOTHING[name]
    by = ("--by", REPORTS[name].groups[-1])
    shown = Command()("report", name, "--archive", without_runs, *by).out
    assert all(title in shown for _, title in REPORTS[name].tables)


def test_of_fetches_that_failed_the_sessions_tell(
    without_runs: Path, ask_of: Callable[[Path], Ask]
) -> None:
    (row,) = ask_of(without_runs)("sessions")["sessions"]
    assert (row["asked"], row["not_found"], row["fetched"]) == (2, 2, 0)
    (without_runs / "ledger" / f"{row['session']}.json").unlink()
    assert ask_of(without_runs)("sessions") == {"sessions": []}
    assert ask_of(without_runs)("sessions", "--by", "week") == {"sessions": []}


def test_the_time_zone_of_the_machine_does_not_matter(known: Known) -> None:
    command = ("report", "overview", "--archive", known.archive.root, "--by", "day", "--json")
    choice = ("--since", "2025-08-31", "--until", "2025-11-02")
    here = Command()(*command, *choice).json
    assert {"2025-08-31", "2025-09-01"} <= {row["day"] for row in here["tables"]["overview"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        ran = run_child(*command, *choice)
    assert (ran.code, ran.err) == (0, "")
    assert ran.json == here


def test_tables_that_cannot_be_read_are_damage(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    archive_of(root, [{"created": datetime(2025, 9, 1, tzinfo=UTC)}])
    (file,) = root.glob("tables/runs/*/*.parquet")
    whole = file.read_bytes()
    output = tmp_path / "a.csv"
    for damaged in (whole[:-30], b"", whole[:4] + b"\xff" * (len(whole) - 12) + whole[-8:]):
        file.write_bytes(damaged)
        ran = Command()("report", "overview", "--archive", root, "--output", output, code=4)
        assert "archiver reindex" in ran.err
        assert not output.exists()
    # Of sessions the tables say nothing.
    assert Command()("report", "sessions", "--archive", root).code == 0
