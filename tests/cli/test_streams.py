"""What standard streams refuse is said, with an exit code, and never ends in a traceback."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Command, Fetch, child_command, child_environment, fetching
from tests.lying_server import task_run

QUERY = "query 'FROM runs' --format"
COMMANDS = (
    *("--help", "--version", "fetch --help", "help", "help start"),
    *("fetch tsk_1", "fetch tsk_1 --json", "fetch tsk_1 --dry-run", "fetch tsk_1 --dry-run --json"),
    *(f"{QUERY} {form}" for form in ("table", "line", "csv", "json", "ndjson", "markdown")),
    *(f"{QUERY} parquet", "query 'EXPLAIN FROM runs'", "query '\\d'"),
    *("report", "report --json", "report overview", "report failures --json", "report flaky"),
    *("show tsk_1", "show tsk_1 --json", "verify", "verify --quick --json"),
    *("ledger", "ledger --json", "prove tsk_1", "hold --list", "hold --list --json"),
    *("accept tsk_1 --reason x", "accept tsk_1 --reason x --json", "reindex --compact"),
    *("prune --older-than 1y --dry-run", "erase tsk_1 --reason x --dry-run --json"),
    *("export --csv {folder}/csv", "export tsk_1 --zip {folder}/a.zip --json"),
    "keygen {folder}/key",
)


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("streams") / "archive"
    with fetching(archive) as (server, fetch):
        server.add_run(task_run("tsk_1"))
        fetch("tsk_1")
    return archive


def run_shell(line: str, streams: str, archive: Path, folder: Path) -> tuple[int, bytes, str]:
    """Run the command by a shell that redirects ``streams``, as users do, buffered as for them."""
    environment = child_environment(ARCHIVER_ARCHIVE=str(archive), SKYVERN_API_KEY="key")
    del environment["PYTHONUNBUFFERED"]
    words = child_command(*shlex.split(line.format(folder=folder)))
    ended = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(words)} {streams}"],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    err = ended.stderr.decode()
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    return ended.returncode, ended.stdout, err


@pytest.mark.parametrize("line", COMMANDS)
def test_output_that_cannot_be_written_is_said(line: str, one_run: Path, tmp_path: Path) -> None:
    code, _, err = run_shell(line, ">/dev/full", one_run, tmp_path)
    assert code == 3
    assert "No space left on device" in err
    assert "[Errno" not in err


@pytest.mark.parametrize("line", COMMANDS[::3])
def test_closed_streams_are_no_crash(line: str, one_run: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    code, _, _ = run_shell(line, f"<&- >&- 2>{told}", one_run, tmp_path)
    assert code == 3
    assert "Traceback" not in told.read_text()
    assert "Bad file descriptor" in told.read_text()


@pytest.mark.parametrize("streams", ["2>/dev/full", "<&- 2>&-"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [("fetch tsk_1 --refresh --json --attempts 1", 3), ("show tsk_9", 3), ("verify --json", 0)],
)
def test_nobody_has_to_read_the_messages(
    line: str, expected: int, streams: str, one_run: Path, tmp_path: Path
) -> None:
    code, out, _ = run_shell(line, streams, one_run, tmp_path)
    assert code == expected
    assert "--json" not in line or json.loads(out)


def test_nothing_is_written_into_files_of_the_archive_instead(
    one_run: Path, tmp_path: Path
) -> None:
    """A file that is opened while standard error is closed may not have its number."""
    run_shell("fetch tsk_9 --attempts 1", "<&- >&- 2>&-", one_run, tmp_path)
    assert run_shell("verify --no-record", "", one_run, tmp_path)[0] == 0


@pytest.mark.parametrize("line", ["query 'FROM range(100000)' --format csv", "help reference"])
def test_a_reader_that_has_gone_is_no_error(line: str, one_run: Path, tmp_path: Path) -> None:
    status = tmp_path / "status"
    streams = f"2>{tmp_path}/told | head -1; echo"
    words = f"{{ {shlex.join(child_command(*shlex.split(line)))}; echo $? >{status}; }}"
    environment = child_environment(ARCHIVER_ARCHIVE=str(one_run))
    del environment["PYTHONUNBUFFERED"]
    subprocess.run(["sh", "-c", f"{words} {streams}"], env=environment, capture_output=True)
    assert (status.read_text(), (tmp_path / "told").read_text()) == ("0\n", "")


@pytest.mark.parametrize("streams", [">/dev/full", "2>/dev/null | true", ">&- 2>&-"])
def test_the_verdict_counts_more_than_that_it_could_not_be_written(
    archiver: Command, fetch: Fetch, streams: str, tmp_path: Path
) -> None:
    archive = Path(os.environ["ARCHIVER_ARCHIVE"])
    fetch("tsk_1", code=3)
    next(archive.glob("ledger/*.json")).write_text("{}")
    words = shlex.join(child_command("verify", "--no-record"))
    environment = child_environment()
    del environment["PYTHONUNBUFFERED"]
    script = f"set -o pipefail; {words} {streams}"
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (4, False)
