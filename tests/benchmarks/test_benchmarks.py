"""The benchmarks still run: at sizes at which they say nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.comparing import MILLISECONDS, SECONDS, Bar, Line
from tests.benchmarks.content import DOCUMENT_BYTES, document, linked_files, serve_runs
from tests.benchmarks.measuring import BenchmarkFailed, Measured, process_tree, run_measured
from tests.benchmarks.ours import check_archive
from tests.benchmarks.rows import ROWS
from tests.benchmarks.serving import nginx_path
from tests.benchmarks.surroundings import plain_environment
from tests.benchmarks.table import markdown

_TINY = ("--quick", "--size", "0.001")


def test_every_comparison_runs_and_comes_to_figures(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    folder = tmp_path / "data"
    command = [sys.executable, "-m", "tests.benchmarks", *_TINY, "--folder", str(folder)]

    ended = subprocess.run([*command, "--json", str(result)], capture_output=True, text=True)

    assert ended.returncode in (0, 1), ended.stderr
    assert "Traceback" not in ended.stderr  # nor did a thread end early
    lines = json.loads(result.read_text())["lines"]
    assert {line["row"] for line in lines} == {row.name for row in ROWS}
    for line in lines:
        sides = [line["archiver"], *([line["peers"]] if line["peer"] else [])]
        assert all(sides) or "not installed" in line["note"], line
        assert all(one["value"] > 0 for side in sides for one in side), line
    assert f"served by {'nginx' if nginx_path() else 'plain_server.py'}" in ended.stdout
    assert list(folder.iterdir()) == []


def test_comparisons_run_on_the_plain_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--only", "many-files", *_TINY, "--plain-server", "--folder", str(tmp_path)])
    assert code in (0, 1)
    assert "served by plain_server.py" in capsys.readouterr().out


def test_a_document_is_like_the_api_s() -> None:
    text = document(7, linked_files("http://127.0.0.1:1", 7))
    assert DOCUMENT_BYTES <= len(text) < DOCUMENT_BYTES * 1.1
    assert text != document(8, linked_files("http://127.0.0.1:1", 8))


def test_an_archive_that_lacks_a_run_is_no_result(tmp_path: Path) -> None:
    dataset = serve_runs(tmp_path / "served", "http://127.0.0.1:1", 1, [("download", 10)])
    with pytest.raises(BenchmarkFailed, match="0 of 1 runs and 0 of 1 files"):
        check_archive(tmp_path / "archive", dataset, files=True)


def test_a_command_that_fails_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFailed, match="ended with 3: no"):
        run_measured(["sh", "-c", "echo no >&2; exit 3"], tmp_path, plain_environment())


def test_a_ratio_is_of_the_rounds_and_is_held_against_the_bar() -> None:
    def taken(*seconds: float) -> list[Measured]:
        return [Measured(one, 0.5, 10**6) for one in seconds]

    line = Line("row", "what", SECONDS, taken(1, 20, 3), "peer", taken(2, 10, 4), Bar(0.75))
    assert line.ratio == 0.75
    assert line.met
    assert "| 3.00 s | peer | 4.00 s | 0.75 | ≤ 0.75 | 0.50 | 1 | ok |" in markdown([line])
    alone = Line("row", "what", MILLISECONDS, taken(1), bar=Bar(999))
    assert not alone.met
    assert "≤ 999 ms" in markdown([alone])
    assert Line("row", "what", SECONDS, taken(1), "peer", bar=Bar(1), note="not there").met is None


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc")
def test_processes_that_end_while_they_are_looked_at_do_no_harm() -> None:
    script = "i=0; while [ $i -lt 400 ]; do /bin/true; i=$((i+1)); done"
    with subprocess.Popen(["sh", "-c", script]) as shell:
        seen = set()
        while shell.poll() is None:
            seen |= {*process_tree(shell.pid)}
    assert len(seen) > 1  # it, and some of those that it started
