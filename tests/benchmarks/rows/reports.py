"""Questions to an archive of years: reports, and one run among very many."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.comparing import OURS, SECONDS, Bar, Contender, Line, interleave
from tests.benchmarks.measuring import Measured, run_measured
from tests.benchmarks.nightly.runs import NIGHTS
from tests.benchmarks.ours import COMMAND
from tests.benchmarks.surroundings import Setting, plain_environment

_NATIVE = "DuckDB's own tables"
_MANY = 1_000_000
_REPORTS = ("overview", "durations", "failures", "trends", "flaky", "artifacts", "sessions")
_BYTES_PER_RUN = 1_100
"""Of the archive and of the database beside it, documents of 4 KB included."""
_FEW_NIGHTS = 10


def answers(setting: Setting) -> Iterator[Line]:
    """The whole command, and its SQL alone against the same SQL over DuckDB's own tables.

    In a quick run one command stands for those of all reports.
    """
    count = setting.scaled(_MANY, at_least=1_000)
    of_runs = f"{count:,} runs"
    if lack := setting.lacks_room(count * _BYTES_PER_RUN):
        yield Line("reports", f"reports on {of_runs}", SECONDS, note=lack)
        return
    archive, database = setting.folder / "years", setting.folder / "years.duckdb"
    try:
        ids = _generate(setting, archive, count)
        bar = Bar(0.8 if count <= _MANY else 5)
        for name in _REPORTS[:1] if setting.quick else _REPORTS:
            what = f"archiver report {name}, {of_runs}"
            yield Line("reports", what, SECONDS, _taken(setting, archive, "report", name), bar=bar)
        for what, run_id in (("a run", ids[len(ids) // 2]), ("an absent run", "tsk_1")):
            shown = _taken(setting, archive, "show", run_id, fine=(0, 3))
            yield Line(
                "reports", f"archiver show, {what} of {of_runs}", SECONDS, shown, bar=Bar(0.3)
            )
        command = [*_python("answering"), archive, database, str(setting.rounds)]
        compared = run_measured(command, setting.folder, plain_environment())
        for name, rounds in json.loads(compared.stdout).items():
            ours, peers = ([Measured(pair[side], 0, 0) for pair in rounds] for side in (0, 1))
            what = f"the SQL of report {name} alone, {of_runs}"
            yield Line("reports", what, SECONDS, ours, _NATIVE, peers, Bar(4))
    finally:
        shutil.rmtree(archive, ignore_errors=True)
        database.unlink(missing_ok=True)


def _generate(setting: Setting, archive: Path, count: int) -> list[str]:
    ids = setting.folder / "ids.txt"
    setting.say(f"reports: an archive of {count:,} runs is made")
    nights = min(NIGHTS, setting.scaled(NIGHTS, at_least=_FEW_NIGHTS))
    command = [*_python("nightly"), archive, str(count), "--ids", ids, "--merged"]
    command += ["--nights", str(nights), "--processes", "1" if setting.quick else "2"]
    run_measured(command, setting.folder, plain_environment())
    return ids.read_text().split()


def _python(module: str) -> list[str | Path]:
    return [sys.executable, "-m", f"tests.benchmarks.{module}"]


def _taken(
    setting: Setting, archive: Path, *arguments: str, fine: tuple[int, ...] = (0,)
) -> Sequence[Measured]:
    command: list[str | Path] = [*COMMAND, *arguments, "--archive", archive]

    def run() -> Measured:
        return run_measured(command, setting.folder, plain_environment(), fine=fine).measured

    contender = Contender(OURS, run)
    setting.warm_up(contender)
    name = f"reports {' '.join(arguments)}"
    return interleave(name, [contender], setting.rounds, setting.say)[OURS]
