"""README's examples: found in the text, run for real, compared or written back.

``python -m tests.readme.examples`` writes what the commands print now into README.
"""

import contextlib
import doctest
import io
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from archiver.cli.main import run
from archiver.demo.runs import demo_runs
from archiver.demo.server import DemoServer
from archiver.fetch.answer import RunOptions
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.plan import Selection
from archiver.fetch.session import fetch
from archiver.model.ids import RunId
from archiver.system.stop import StopSwitch

README = Path(__file__).parents[2] / "README.md"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_BLOCK = re.compile(r"```console\n\$ (archiver (?:query|show|report) .*?)\n(.*?)```\n", re.DOTALL)


_PYTHON = re.compile(r"```python\n(.*?)```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A command of README and the output that stands below it."""

    command: str
    output: str


def examples(readme: str) -> list[Example]:
    return [Example(match[1], match[2]) for match in _BLOCK.finditer(readme)]


def python_examples(readme: str) -> list[doctest.DocTest]:
    """The blocks of Python, as the doctests that they are; one without >>> prints nothing."""
    tests = []
    for number, match in enumerate(_PYTHON.finditer(readme), 1):
        line = readme[: match.start(1)].count("\n")
        parsed = doctest.DocTestParser().get_doctest(match[1], {}, f"{number}", README.name, line)
        if not parsed.examples:
            parsed.examples.append(doctest.Example(f"exec({match[1]!r})\n", "", lineno=0))
        tests.append(parsed)
    return tests


@contextlib.contextmanager
def example_archive() -> Iterator[Path]:
    """An archive of the demo's runs, as if it were noon of 23 November 2026."""
    with tempfile.TemporaryDirectory() as folder:
        server = DemoServer(
            demo_runs(NOW), api_key="key", signing_secret=b"secret", clock=NOW.timestamp
        )
        archive = Path(folder) / "archive"
        with server:
            options = FetchOptions(
                archive=archive,
                base_url=server.base_url,
                key="key",
                run=RunOptions(Selection(), timedelta(minutes=10), ("key",)),
            )
            context = Context(lambda: NOW, Random(1), lambda event: None, StopSwitch())
            fetch([RunId(text) for text in server.run_ids], options, context)
        yield archive


def printed(command: str, archive: Path) -> str:
    """What a command prints on standard output, asked of ``archive``."""
    program, name, *arguments = shlex.split(command)
    assert program == "archiver"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run([name, "--archive", str(archive), *arguments])
    assert code == 0, command
    return out.getvalue()


def rewritten(readme: str, archive: Path) -> str:
    """README with the output of every example as it is now."""

    def replace(match: re.Match[str]) -> str:
        return f"```console\n$ {match[1]}\n{printed(match[1], archive)}```\n"

    return _BLOCK.sub(replace, readme)


if __name__ == "__main__":
    with example_archive() as made:
        README.write_text(rewritten(README.read_text(encoding="utf-8"), made), encoding="utf-8")
    sys.exit(0)
