"""Running the command for real: in this process as its entry point does, or in one of its own."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import archiver
from archiver.cli.main import run
from tests.lying_server import LyingServer

_OURS = re.compile(
    r"ARCHIVER_(?!TEST_).*|SKYVERN_.*|(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE
)
PACKAGE_HOME = Path(archiver.__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    code: int
    stdout: bytes
    err: str

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.stdout)

    @property
    def runs(self) -> dict[str, int]:
        """The summary's counts of runs, without those that are zero."""
        return {name: count for name, count in self.json["runs"].items() if count}

    @property
    def states(self) -> dict[str, int]:
        """The summary's counts of artifacts by state, without those that are zero."""
        return {name: count for name, count in self.json["artifacts"].items() if count}

    @property
    def reasons(self) -> list[str]:
        return [problem["reason"] for problem in self.json["problems"]]


class Command:
    """Runs ``archiver`` in this process, and sees to it that it ends with the code expected."""

    def __call__(
        self, *arguments: str | Path, code: int | None = 0, stdin: str | bytes = b""
    ) -> Ran:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        with CliRunner().isolation(input=given) as (out, err, _):
            ended = run([str(argument) for argument in arguments])
            sys.stdout.flush()
            sys.stderr.flush()
        ran = Ran(int(ended), out.getvalue(), err.getvalue().decode())
        assert code is None or ran.code == code, f"exit code {ran.code}: {ran.err}\n{ran.stdout!r}"
        assert "Traceback" not in ran.err
        return ran


@dataclass(frozen=True, slots=True)
class Fetch:
    """Runs ``archiver fetch --json`` with a single attempt per request, so that nothing waits."""

    command: Command

    def __call__(
        self, *arguments: str | Path, code: int | None = 0, stdin: str | bytes = b""
    ) -> Ran:
        return self.command(
            "fetch", "--json", "--attempts", "1", *arguments, code=code, stdin=stdin
        )


def forget_environment(patch: pytest.MonkeyPatch) -> None:
    """Take out of the environment what counts for the command."""
    for name in list(os.environ):
        if _OURS.fullmatch(name):
            patch.delenv(name)


def point_to(server: LyingServer, patch: pytest.MonkeyPatch) -> None:
    """Make an environment that says where the server is, and nothing else that counts."""
    forget_environment(patch)
    patch.setenv("SKYVERN_API_KEY", server.key)
    patch.setenv("SKYVERN_BASE_URL", server.base_url)


@contextlib.contextmanager
def fetching(root: Path) -> Iterator[tuple[LyingServer, Fetch]]:
    """A server, and a fetch from it into the archive in ``root``: for archives to be copied."""
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        patch.setenv("ARCHIVER_ARCHIVE", str(root))
        yield server, Fetch(Command())


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a process that runs the same package as this one.

    It may keep the package's byte code: what every such process compiles anew takes longer than
    what most of them do.
    """
    here = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**here, "PYTHONPATH": str(PACKAGE_HOME), "PYTHONUNBUFFERED": "1", **changes}


def child_command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "archiver", *map(str, arguments)]


def run_child(
    *arguments: str | Path,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run ``archiver`` in a process of its own and wait for its end."""
    ended = subprocess.run(
        child_command(*arguments),
        input=stdin,
        capture_output=True,
        env=dict(environment) if environment is not None else child_environment(),
        timeout=30,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr.decode())
