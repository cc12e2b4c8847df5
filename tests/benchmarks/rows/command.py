"""The command itself: how long nothing takes."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.comparing import MILLISECONDS, OURS, Bar, Contender, Line, interleave
from tests.benchmarks.measuring import Measured, run_measured
from tests.benchmarks.ours import COMMAND
from tests.benchmarks.surroundings import Setting, plain_environment

_TIMES = 7
"""It takes so little that it is measured this many times more often than the rest."""


def help_page(setting: Setting) -> Iterator[Line]:
    script = shutil.which("archiver", path=str(Path(sys.executable).parent))
    command = [script] if script else list(COMMAND)
    contenders = [
        _started(setting, OURS, [*command, "--help"]),
        _started(setting, "python -c 'import click'", [sys.executable, "-c", "import click"]),
    ]
    setting.warm_up(*contenders)
    rounds = setting.rounds * (1 if setting.quick else _TIMES)
    taken = interleave("help", contenders, rounds, setting.say, MILLISECONDS)
    peer = contenders[1].name
    what = "archiver --help"
    yield Line("help", what, MILLISECONDS, taken[OURS], peer, taken[peer], Bar(1.6))


def _started(setting: Setting, name: str, command: Sequence[str]) -> Contender:
    def run() -> Measured:
        return run_measured(command, setting.folder, plain_environment()).measured

    return Contender(name, run)
