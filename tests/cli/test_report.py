"""``archiver report`` on the command line: formats, files, tables, limits, and what is refused."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from archiver.query.reports.options import REPORTS
from tests.cli.running import Command
from tests.cli.terminals import terminal
from tests.query.reports.answers import HOSTILE
from tests.query.reports.rows import archive_of

START = datetime(2025, 9, 1, tzinfo=UTC)
LINK = "![x](https://tracker.example/) <b> `c` *d* | é_f & \\ <url>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a hundred days, with texts that would do harm where they are shown."""
    root = tmp_path_factory.mktemp("reported") / "archive"
    reasons = (None, HOSTILE, LINK, "A reason of so many words that no narrow terminal has room")
    archive_of(
        root,
        [
            {
                "created": START + timedelta(days=number // 4, minutes=number),
                "status": "failed" if number % 4 else "completed",
                "failure_reason": reasons[number % 4],
                "workflow": (f"wpid_{number % 3}", None)[number % 2],
                "run": 1_234.5 + number,
                "queue_seconds": 3.25,
            }
            for number in range(400)
        ],
    )
    return root


@pytest.fixture(autouse=True)
def here(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(root))
    monkeypatch.chdir(tmp_path)


report = Command()


def test_without_a_name_the_reports_are_listed() -> None:
    text = report("report").out
    listed = {line.split()[0] for line in text.splitlines() if not line.startswith(" ")}
    assert listed == set(REPORTS)
    for name, of in REPORTS.items():
        assert of.question in text
        (entry,) = (e for e in report("report", "--json").json if e["report"] == name)
        assert list(entry["tables"]) == [table for table, _ in of.tables]
        assert entry["by"] == list(of.groups)
        assert name in report("report", "--help").out


def test_json_says_what_was_asked_for_and_has_every_table() -> None:
    choice = ("--since", "2025-09-02", "--until", "2025-09-03", "--run-type", "task_v1")
    shown = report("report", "durations", *choice, "--workflow", HOSTILE, "--json").json
    assert shown["by"] == "run_type"
    assert shown["filters"] == {
        "since": "2025-09-02T00:00:00+00:00",
        "until": "2025-09-04T00:00:00+00:00",
        "run_type": ["task_v1"],
        "status": [],
        "workflow": [HOSTILE],
    }
    assert list(shown["tables"]) == ["durations", "total"]
    assert shown["tables"]["durations"] == []
    assert report("report", "durations", "--format", "json").json["filters"]["workflow"] == []


def test_every_format_for_programs_holds_the_same_values(tmp_path: Path) -> None:
    tables = report("report", "failures", "--json").json["tables"]
    text = report("report", "failures", "--format", "csv").out
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["reason"] for line in lines] == [r["reason"] for r in tables["failures"]]
    assert [float(line["failure_rate"]) for line in lines] == [
        row["failure_rate"] for row in tables["failures"]
    ]
    assert json.loads(lines[0]["example_run_ids"]) == tables["failures"][0]["example_run_ids"]

    report("report", "failures", "--output", "a.parquet")
    found = pq.read_table(tmp_path / "a.parquet")
    assert found.column_names == list(tables["failures"][0])
    assert found["failure_rate"].to_pylist() == [r["failure_rate"] for r in tables["failures"]]
    assert str(found.schema.field("first_seen").type) == "timestamp[us, tz=UTC]"
    piped = report("report", "failures", "--format", "parquet", "--table", "total").stdout
    (row,) = pq.read_table(io.BytesIO(piped)).to_pylist()
    assert row["failures"] == tables["total"][0]["failures"] == 300


@pytest.mark.parametrize("ending", ["csv", "json", "md", "parquet", "txt"])
def test_a_files_ending_tells_the_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"old")
    assert report("report", "overview", "--by", "month", "--output", path).stdout == b""
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    begin = {"csv": b"month,", "json": b"{", "md": b"## ", "parquet": b"PAR1", "txt": b"Runs by"}
    assert path.read_bytes().startswith(begin[ending])


def test_tables_for_people_end_where_a_glance_does() -> None:
    ran = report("report", "overview", "--by", "day")
    assert ran.out.count("\n│ 2025-") == 40
    assert ran.err == "overview: 40 of 100 rows; --limit 0 shows all\n"
    whole = report("report", "overview", "--by", "day", "--limit", "0")
    assert (whole.out.count("\n│ 2025-"), whole.err) == (100, "")
    short = report("report", "overview", "--by", "day", "--limit", "3", "--format", "csv")
    assert len(short.out.splitlines()) == 4
    assert "3 of 100 rows" in short.err
    assert (
        len(report("report", "overview", "--by", "day", "--json").json["tables"]["overview"]) == 100
    )


def test_values_are_readable_and_what_has_no_group_says_so() -> None:
    text = report("report", "failures", "--by", "workflow").out
    (line,) = (line for line in text.splitlines() if "(none)" in line)
    assert [cell.strip() for cell in line.split("│")[1:5]] == ["(none)", "200", "200", "100.0 %"]
    assert "2025-12-09" in line
    changes = report("report", "trends", "--table", "failing", "--by", "run_type").out
    assert "+0.0 pp" in changes
    assert " 1,434.0 │" in report("report", "durations").out
    assert "kB" not in report("report", "overview").out


def test_what_a_server_wrote_moves_no_cursor_and_opens_no_link() -> None:
    for form in ("table", "markdown"):
        text = report("report", "failures", "--format", form).out
        assert not set(text) & {"\x1b", "\u202e", "\r"}
    (line,) = (line for line in text.splitlines() if "é_f" in line)
    expected = "!\\[x](\\<url>) \\<b> \\<text> \\*d\\* \\| é_f \\& \\\\ \\<url>"
    assert line.startswith(f"| {expected} | 100 | 25.0 % |")


def test_on_a_narrow_terminal_nothing_is_cut_in_two() -> None:
    rows = report("report", "durations", "--by", "month", "--json").json["tables"]["durations"]
    with terminal("report", "durations", "--by", "month", columns=80) as shown:
        text = shown.end()
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= 80
    cells = [cell.strip() for line in lines for cell in line.split("│")]
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float):
                assert f"{value:,.1f}" in cells, name
    # Headings are folded between words.
    assert {word for name in rows[0] for word in name.split("_")} <= set(cells)
    # Each part says whose numbers they are.
    parts = text.count("╭")
    assert parts > 2
    assert cells.count("2025-09-01") == 3 * (parts - 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "overview"),
        (["--output", "a.csv"], "--output: of which report? It needs a NAME"),
        (["--by", "day", "--limit", "3", "--json"], "--by, --limit: of which report?"),
        (["--run-type", "task_v1"], "--run-type: of which report?"),
        (["flaky", "--by", "status"], "It can by day, week, month, run_type, engine, workflow"),
        (["sessions", "--by", "engine"], "It can by day, week, month"),
        (["trends", "--by", "week"], "It can by day, run_type"),
        (["sessions", "--status", "failed"], "--since and --until"),
        (["overview", "--by", "hour"], "'hour'"),
        (["overview", "--since", "2025-09-02", "--until", "2025-09-01"], "before --until"),
        (["overview", "--since", "2025-09-02T00:00", "--until", "2025-09-02T00:00"], "--since"),
        (["overview", "--since", "yesterday"], "no moment"),
        (["overview", "--table", "totals"], "It has overview, total"),
        (["overview", "--output", "a.ndjson"], "not written as ndjson"),
        (["overview", "--output", "missing/a.csv"], "missing/a.csv"),
        (["overview", "--json", "--format", "csv"], "--json"),
        (["overview", "--limit", "-1"], "-1"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    ran = report("report", *arguments, code=2)
    assert said in ran.err
    assert ran.stdout == b""


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (["--status", "faild"], ["no run has the status faild"]),
        (["--status", "failed", "--status", "complete"], ["no run has the status complete."]),
        (["--since", "2999-01-01"], ["2999-01-01 00:00 UTC lies in the future"]),
        (["--status", "canceled"], ["no run fits"]),
        (["--since", "2025-12-24"], ["no run fits"]),
        (["--until", "2025-08-01"], ["no run fits"]),
        (["--workflow", "wpid_9"], ["no run fits"]),
        (["--run-type", "task_v9", "--status", "failed"], ["no run fits"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else str(value),
)
@pytest.mark.parametrize("name", ["overview", "failures", "--html"])
def test_filters_that_fit_no_run_are_said_with_what_there_is(
    name: str, filters: list[str], told: list[str], tmp_path: Path
) -> None:
    given = [name, str(tmp_path / "a.html")] if name == "--html" else [name]
    err = report("report", *given, *filters).err
    there = ["400", "2025-09-01 to 2025-12-09", "completed, failed", "task_v1", "workflows: 3"]
    assert [text for text in (*told, *there) if text not in err] == []


def test_filters_that_fit_say_nothing() -> None:
    assert report("report", "overview", "--status", "failed").err == ""
    assert "no session" in report("report", "sessions", "--since", "2025-01-01").err


def test_the_archive_is_no_place_for_a_result(root: Path) -> None:
    assert (
        "inside the archive" in report("report", "overview", "--output", root / "a.csv", code=2).err
    )
    assert not (root / "a.csv").exists()


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    assert "archive.json" in report("report", "overview", "--archive", tmp_path, code=10).err
