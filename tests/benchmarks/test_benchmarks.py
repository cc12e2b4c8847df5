"""The benchmarks still run: at sizes at which they say nothing."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.comparing import MILLISECONDS, SECONDS, Bar, Line
from tests.benchmarks.content import DOCUMENT_BYTES, document, linked_files, serve_runs
from tests.benchmarks.measuring import BenchmarkFailed, Measured, run_measured
from tests.benchmarks.ours import check_archive
from tests.benchmarks.serving import nginx_path
from tests.benchmarks.surroundings import plain_environment
from tests.benchmarks.table import markdown

_TINY = ("--size", "0.001", "--rounds", "1")


def test_comparisons_run_on_the_plain_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("many-files", "held", "documents", "verify")
    only = [word for row in rows for word in ("--only", row)]
    result = tmp_path / "result.json"
    folder = tmp_path / "data"

    code = main([*only, *_TINY, "--plain-server", "--folder", f"{folder}", "--json", f"{result}"])

    assert code in (0, 1)
    lines = json.loads(result.read_text())["lines"]
    assert {line["row"] for line in lines} == set(rows)
    assert all(execution["seconds"] > 0 for line in lines for execution in line["archiver"])
    assert "plain_server.py" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(nginx_path() is None, reason="nginx is not installed")
def test_comparisons_run_on_nginx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--only", "one-recording", *_TINY, "--folder", str(tmp_path)])
    assert code in (0, 1)
    assert "served by nginx" in capsys.readouterr().out


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
