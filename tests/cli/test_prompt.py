"""The prompt of ``archiver query``, on a real terminal."""

import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Command, Fetch, point_to
from tests.cli.terminals import Terminal, terminal
from tests.lying_server import LyingServer, task_run

ENDLESS = "SELECT count(*) FROM range(1000000000000) r(i) WHERE hash(i) = 1;"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two runs."""
    archive = tmp_path_factory.mktemp("prompt") / "archive"
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        for run_id in ("tsk_1", "tsk_2"):
            server.add_run(task_run(run_id))
        Fetch(Command())("tsk_1", "tsk_2", "--archive", archive)
    return archive


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def prompt(archive: Path, state: Path, tmp_path: Path) -> Iterator[Terminal]:
    """The prompt, ready."""
    options = ("--param", "id=tsk_2", "--archive", archive)
    with terminal("query", *options, XDG_STATE_HOME=str(state)) as prompt:
        prompt.ready()
        yield prompt


def test_sql_over_many_lines_is_asked_and_errors_do_not_end_it(prompt: Terminal) -> None:
    prompt.type("SELECT run_id\r")
    prompt.until(r"\.\.\.>")
    prompt.type("FROM runs -- ; is no end\r")
    prompt.until(r"\.\.\.>")
    shown = prompt.enter("WHERE run_id = $id;")
    assert ("tsk_2" in shown, "tsk_1 " in shown) == (True, False)

    assert "Error: the SQL cannot be read" in prompt.enter("SELEC 1;")
    assert "can only read" in prompt.enter("DROP VIEW runs;")
    shown = prompt.enter("SELECT 42; SELECT 43;")
    assert ("│ 42 │" in shown, "│ 43 │" in shown) == (True, True)
    prompt.type("\x04")
    prompt.end()
    assert prompt.code == 0


def test_commands(prompt: Terminal, tmp_path: Path) -> None:
    listed = prompt.enter(r"\d")
    assert "run_revisions" in listed
    assert "the latest revision of a run" in listed
    described = prompt.enter(r"\d daily;")
    assert "failure_rate" in described
    assert "95th percentile" in described
    assert "there is no nothing" in prompt.enter(r"\d nothing")

    assert r"\timing" in prompt.enter(r"\?")
    prompt.enter(r"\timing")
    assert re.search(r"^\d\.\d\d\d s$", prompt.enter("SELECT 42;"), re.MULTILINE)

    prompt.enter(r"\x")
    assert "row 1\n  a  42" in prompt.enter("SELECT 42 AS a;")
    prompt.enter(r"\format csv")
    assert "a,b\n42,43\n" in prompt.enter("SELECT 42 AS a, 43 AS b;")
    prompt.enter(rf"\o {tmp_path}/a.json")
    assert "404404" not in prompt.enter("SELECT 404000 + 404 AS a;")
    assert (tmp_path / "a.json").read_text() == '[\n{"a": 404404}\n]\n'
    assert "a\n45\n" in prompt.enter("SELECT 40 + 5 AS a;")

    for wrong in (r"\frob", r"\format doc", r"\rows many"):
        assert "Error: " in prompt.enter(wrong)
    prompt.begin(r"\q")
    prompt.end()
    assert prompt.code == 0


def test_a_result_is_not_written_into_the_archive(prompt: Terminal, archive: Path) -> None:
    prompt.enter(rf"\o {archive}/archive.json")
    assert "is inside the archive" in prompt.enter("SELECT 1;")


def test_rows_are_limited(prompt: Terminal) -> None:
    prompt.enter(r"\rows 3")
    shown = prompt.enter("SELECT 'row-' || i AS n FROM range(10) r(i);")
    assert ("row-2" in shown, "row-3" in shown) == (True, False)
    assert r"the first 3 rows are shown; \rows 0 shows all" in shown
    prompt.enter(r"\rows 0")
    assert "row-9" in prompt.enter("SELECT 'row-' || i AS n FROM range(10) r(i);")


def test_what_does_not_fit_is_paged(prompt: Terminal) -> None:
    prompt.begin("FROM range(100);")
    prompt.until(r":\x1b")
    prompt.type("q")
    prompt.ready()
    prompt.enter(r"\pager")
    assert "│    99 │" in prompt.enter("FROM range(100);")


def test_tab_completes(prompt: Terminal) -> None:
    for keys, completed in (
        ("\\forma\t", r"\format"),
        (" ndj\t", r"\format ndjson"),
        ("\r\\d dai\t", r"\d daily"),
        ("\rSELECT run_ga\t", "SELECT run_gap"),
        (" FROM durat\t", "SELECT run_gap FROM durations"),
        (" WHERE started_\t", "WHERE started_at"),
        (" < now() ORDE\t", "now() ORDER"),
    ):
        prompt.type(keys)
        prompt.shows(completed)
    assert '{"run_gap": null}' in prompt.enter(" BY ALL LIMIT 1;")


def test_ctrl_c_ends_the_query_and_not_the_prompt(prompt: Terminal) -> None:
    prompt.type("SELECT nothing\x03")
    prompt.ready()
    prompt.begin(ENDLESS)
    prompt.type("\x03")
    assert "interrupted" in prompt.ready()
    assert "│ 42 │" in prompt.enter("SELECT 42;")


def test_a_signal_to_terminate_ends_the_prompt(prompt: Terminal, state: Path) -> None:
    os.kill(prompt.pid, signal.SIGTERM)
    prompt.end()
    assert prompt.code == 130


def test_history_is_kept_for_its_owner(prompt: Terminal, archive: Path, state: Path) -> None:
    prompt.enter("SELECT 6 * 7 AS answer;")
    prompt.type("\x04")
    prompt.end()
    history = state / "archiver" / "history"
    assert "SELECT 6 * 7" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600

    with terminal("query", "--archive", archive, XDG_STATE_HOME=str(state)) as again:
        again.ready()
        assert "│     42 │" in again.enter("\x1b[A")


def test_the_prompt_works_without_a_place_for_history(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with terminal("query", "--archive", archive, XDG_STATE_HOME=f"{tmp_path}/file") as prompt:
        prompt.ready()
        assert "│ 42 │" in prompt.enter("SELECT 42;")


def test_each_statement_sees_the_archive_as_it_is(
    prompt: Terminal, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "│ 2 │" in prompt.enter("SELECT count(*) AS n FROM runs;")
    with LyingServer() as server:
        point_to(server, monkeypatch)
        server.add_run(task_run("tsk_3"))
        Fetch(Command())("tsk_3", "--archive", archive)
    assert "│ 3 │" in prompt.enter("SELECT count(*) AS n FROM runs;")
