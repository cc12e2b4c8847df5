"""Words and values that all commands write in one form: counts with their nouns, times."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.cli.output.text import about, counted
from tests.cli.running import Command, fetching
from tests.cli.test_streams import COMMANDS
from tests.lying_server import LyingServer, task_run

_ONE_OF_MANY = re.compile(
    r"\b1 (?:\w+ )?(?:runs|ids|files|artifacts|revisions|gaps|findings|places|rows|records|sessions"
    r"|others|are|were)\b"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:.*")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("words") / "archive"
    with fetching(archive) as (server, fetch):
        server.add_run(task_run("tsk_1", finished_at="2026-11-20T10:00:00"))
        fetch("tsk_1")
    return archive


def texts(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for entry in value.values() for text in texts(entry))
    elif isinstance(value, list):
        yield from (text for entry in value for text in texts(entry))


def test_one_is_counted_as_one(
    archiver: Command, one_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(one_run))
    archiver("hold", "tsk_1", "--reason", "x")
    archiver("release", "tsk_1", "--reason", "x")
    said = []
    for line in COMMANDS:
        if not {"help", "parquet"} & set(line.replace("-", " ").split()):
            words = shlex.split(line.format(folder=tmp_path))
            ran = archiver(*words, code=None)
            said += [*ran.out.splitlines(), *ran.err.splitlines()]
    assert [text for text in said if _ONE_OF_MANY.search(text)] == []
    assert [counted(n, "run") for n in (0, 1, 2, 1000)] == [
        "0 runs",
        "1 run",
        "2 runs",
        "1,000 runs",
    ]
    assert counted(1, "row is", "rows are") == "1 row is"


def test_times_of_every_document_are_of_one_form(
    archiver: Command, one_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(one_run))
    archiver("hold", "tsk_1", "--reason", "x")
    proof = tmp_path / "proof"
    archiver("prove", "tsk_1", "--output", proof)
    found = set()
    for line in (
        *("show tsk_1 --json", "ledger --json", "hold --list --json", "verify --json"),
        *("query 'FROM runs' --json", "query 'FROM fetches' --json", "report sessions --json"),
        *("report overview --since 2026-11-01 --json", f"check-proof {proof} --json"),
    ):
        document = json.loads(archiver(*shlex.split(line)).out)
        times = {text for text in texts(document) if _TIME.fullmatch(text)}
        assert times or line.startswith("verify"), line
        found |= times
    assert [text for text in found if not _ISO.fullmatch(text)] == []


_NAMES = re.compile(r"[\w.-]*/[\w./-]+|(?:tsk|wr)_\w+")
MISTAKES = (
    *("query missing.sql", "query folder.sql", "query bytes.sql", "query 'FROM x' --attach no.db"),
    *("query 'FROM runs' --output no/such/x.csv", "report overview --output no/x.csv"),
    *("verify --archive nowhere", "verify --archive bytes.sql/x", "fetch tsk_1 --archive /proc/x"),
    *("verify --run tsk_77", "verify --public-key missing", "verify --tsa-ca missing"),
    *("prove tsk_77", "prove tsk_1 --output no/x", "check-proof missing", "check-proof bytes.sql"),
    *("hold tsk_77 --reason x", "accept tsk_77 --reason x", "release tsk_77 --reason x"),
    *("erase tsk_77 --reason x --yes", "export --csv no/such", "export tsk_77 --zip a.zip"),
    *("export tsk_1 --bagit no/such", "keygen no/k", "keygen bytes.sql", "fetch --ids missing"),
    *("fetch --ids folder.sql", "fetch tsk_1 --client-cert missing", "--config missing verify"),
    *("--config folder.sql verify", "fetch tsk_77 --attempts 1", "fetch tsk_77 --dry-run"),
    "fetch tsk_1 --refresh --tsa-url http://127.0.0.1:9/tsa",
)


@pytest.mark.parametrize(
    ("line", "answering"),
    [*((line, True) for line in MISTAKES), ("fetch tsk_77 --attempts 1", False)],
)
def test_a_message_names_a_thing_once_and_no_number_of_the_system(
    archiver: Command,
    server: LyingServer,
    one_run: Path,
    line: str,
    answering: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.add_run(task_run("tsk_1"))
    if not answering:
        monkeypatch.setenv("SKYVERN_BASE_URL", "http://127.0.0.1:9")
    Path("folder.sql").mkdir()
    Path("bytes.sql").write_bytes(b"\xff")
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(one_run))
    ran = archiver(*shlex.split(line), code=None)
    assert ran.code in (2, 3, 4, 10)
    for said in (ran.err + ran.out).splitlines():
        assert "[Errno" not in said
        # Without what is to be typed, and what the server says.
        message = said.partition("`")[0].partition("Task run not found")[0]
        names = _NAMES.findall(message)
        assert sorted(names) == sorted(set(names)), said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the API's answer for tsk_1 is not JSON", "tsk_1: the API's answer is not JSON"),
        ("the API does not know tsk_1: not found", "tsk_1: the API does not know it: not found"),
        ("the API answered with run tsk_10", "tsk_1: the API answered with run tsk_10"),
        ("HTTP 500", "tsk_1: HTTP 500"),
    ],
)
def test_a_name_stands_before_what_is_said_and_there_alone(said: str, shown: str) -> None:
    assert about("tsk_1", said) == shown
