"""Examples of README and of the pages: found in the text, run for real, compared or written back.

``python -m tests.docs.examples`` writes what the commands print now into the pages.
"""

import contextlib
import doctest
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest

import archiver
from archiver.cli.config import read_defaults
from archiver.cli.main import cli
from archiver.demo.runs import demo_runs
from archiver.demo.server import DemoServer
from archiver.fetch.answer import RunOptions
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.plan import Selection
from archiver.fetch.session import fetch
from archiver.model.ids import RunId
from archiver.system.stop import StopSwitch
from tests.cli.running import Command, forget_environment

ROOT = Path(__file__).parents[2]
PACKAGE = Path(archiver.__file__).parent
"""The package may be installed, and its source out of reach."""
README = ROOT / "README.md"
DOCS = PACKAGE / "docs"
PAGES = (
    *(README, PACKAGE / "README.md"),
    *sorted(path for path in DOCS.glob("*.md") if path.stem != "format"),
)
"""But for the specification of the format, which comes from ``schemas/``."""
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "key"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_EXAMPLE = re.compile(r"\$ (archiver .*)\n((?:(?!\$ ).*\n)*)")
_OTHERS = ("openssl", "sha256sum")
"""Programs that are run as they stand there, where they are installed."""
_NAMES = {"tsk_123": "tsk_600323886590930490", "wr_456": "wr_600328455520331904"}
"""What examples call the runs, and the demo's runs that these are."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code in a page: its language, its text, and the line on which that begins."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """Return the blocks of code in a page, in order."""
    return [
        Block(match[1], match[2], page.count("\n", 0, match.start(2)) + 1)
        for match in _BLOCK.finditer(page)
    ]


@contextlib.contextmanager
def demo_server() -> Iterator[DemoServer]:
    """Serve the demo's runs, as if it were noon of 23 November 2026."""
    runs = demo_runs(NOW)
    server = DemoServer(runs, api_key=KEY, signing_secret=b"secret", clock=NOW.timestamp)
    with server:
        yield server


def write_demo_archive(archive: Path, server: DemoServer) -> None:
    """Fetch all runs of the server into a new archive, at that noon."""
    options = FetchOptions(
        archive=archive,
        base_url=server.base_url,
        key=KEY,
        run=RunOptions(Selection(), timedelta(minutes=10), (KEY,)),
    )
    context = Context(lambda: NOW, Random(1), lambda event: None, StopSwitch())
    fetch([RunId(text) for text in server.run_ids], options, context)


@contextlib.contextmanager
def example_archive() -> Iterator[Path]:
    """An archive of the demo's runs."""
    with tempfile.TemporaryDirectory() as folder, demo_server() as server:
        archive = Path(folder) / "archive"
        write_demo_archive(archive, server)
        yield archive


class Reader:
    """Somebody who types a page's examples, one after the other, in a folder with an archive.

    ``problems`` are what did not do what the page says.
    """

    def __init__(self, home: Path, server: DemoServer) -> None:
        self._home = home
        self._ids = "".join(f"{run_id}\n" for run_id in server.run_ids)
        self.problems: list[str] = []
        (home / "ids.txt").write_text(self._ids)
        (home / "runs.csv").write_text(f"run_id\n{self._ids}")
        (home / "failed-runs.sql").write_text("FROM failures")
        with duckdb.connect(home / "other.duckdb") as other:
            other.execute("CREATE TABLE customers AS SELECT 1 AS customer")

    def read(self, page: str) -> str:
        """Do all that the page shows, and return the page with what was printed."""
        return _BLOCK.sub(self._block, page)

    def _block(self, match: re.Match[str]) -> str:
        language, text = match[1], match[2]
        if language == "console":
            text = _EXAMPLE.sub(self._compare, text)
        elif language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                self._type(line)
        elif language == "python":
            self._run_python(text)
        elif language == "toml":
            self._read_config(text)
        return f"```{language}\n{text}```\n"

    def _compare(self, match: re.Match[str]) -> str:
        command, wanted = match[1], match[2]
        printed = self._run(shlex.split(command, comments=True)[1:])
        if _fits(printed, wanted):
            return match[0]
        self.problems.append(f"{command}\nprints\n{printed}and not\n{wanted}")
        return f"$ {command}\n{printed}"

    def _type(self, line: str) -> None:
        words = shlex.split(self._named(line), comments=True)
        if "archiver" in words[:1]:
            self._run(words[1:])
        elif "|" in words and words[words.index("|") + 1] == "archiver":
            self._run(words[words.index("|") + 2 :], self._ids)
        elif words and words[0] in _OTHERS and shutil.which(words[0]):
            ended = subprocess.run(words, capture_output=True, text=True, cwd=self._home)
            if ended.returncode:
                self.problems.append(f"{line}\nends with {ended.returncode}: {ended.stderr}")

    def _run(self, arguments: list[str], stdin: str = "") -> str:
        ran = Command()(*map(self._named, arguments), code=None, stdin=stdin)
        if ran.code:
            self.problems.append(f"{shlex.join(arguments)}\nends with {ran.code}: {ran.err}")
        return ran.out

    def _named(self, text: str) -> str:
        """The text with the names of what there is here."""
        for name, run_id in _NAMES.items():
            text = re.sub(rf"\b{name}\b", run_id, text)
        text = text.replace("/srv/skyvern-archive", "archive")
        if re.search(r"\b(SESSION|HEAD)\b", text):
            digest, name = (
                max((self._home / "archive/ledger").glob("*.head")).read_text().split()[:2]
            )
            text = re.sub(r"\bSESSION\b", Path(name).stem, re.sub(r"\bHEAD\b", digest, text))
        return text

    def _run_python(self, text: str) -> None:
        parsed = doctest.DocTestParser().get_doctest(text, {}, "example", None, 0)
        if not parsed.examples:
            parsed.examples.append(doctest.Example(f"exec({text!r})\n", "", lineno=0))
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(parsed, out=self.problems.append)

    def _read_config(self, text: str) -> None:
        tomllib.loads(text)
        file = self._home / "example.toml"
        file.write_text(text)
        for name in cli.commands:
            read_defaults(file, cli.commands, name)


def _fits(printed: str, wanted: str) -> bool:
    """Tell whether the output is that of the page, where … stands for anything."""
    pattern = ".*?".join(map(re.escape, wanted.split("…")))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


@contextlib.contextmanager
def reader(made: Path, server: DemoServer, home: Path) -> Iterator[Reader]:
    """A reader in the folder ``home``, with a copy of the archive ``made``."""
    shutil.copytree(made, home / "archive")
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("SKYVERN_API_KEY", KEY)
        patch.setenv("SKYVERN_BASE_URL", server.base_url)
        patch.setenv("ARCHIVER_VERIFY_WORKERS", "1")  # more take longer than they are worth here
        patch.chdir(home)
        yield Reader(home, server)


def _write_back() -> None:
    with tempfile.TemporaryDirectory() as folder, demo_server() as server:
        made = Path(folder) / "made"
        write_demo_archive(made, server)
        for number, page in enumerate(PAGES):
            home = Path(folder) / str(number)
            home.mkdir()
            with reader(made, server, home) as somebody:
                page.write_text(somebody.read(page.read_text("utf-8")), "utf-8")
                for problem in somebody.problems:
                    sys.stderr.write(f"{page.name}: {problem}\n")


if __name__ == "__main__":
    _write_back()
    sys.exit(0)
