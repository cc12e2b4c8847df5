"""What is done with the answers: into Parquet, and which of very many are held already."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import ours
from tests.benchmarks.comparing import (
    OURS,
    PEAK_MB,
    RUNS_PER_SECOND,
    SECONDS,
    Bar,
    Contender,
    Line,
    interleave,
)
from tests.benchmarks.measuring import BenchmarkFailed, Measured, run_measured
from tests.benchmarks.surroundings import Setting, plain_environment


def projected(setting: Setting) -> Iterator[Line]:
    count = setting.scaled(100_000, at_least=100)
    what = f"{count:,} documents of 6 KB parsed, normalized, written to Parquet, one core"

    def run() -> Measured:
        folder = setting.folder / "tables"
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.benchmarks.projecting",
            folder,
            str(count),
        ]
        try:
            ended = run_measured(command, setting.folder, plain_environment())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return replace(ended.measured, seconds=json.loads(ended.stdout), work=count)

    contenders = [Contender(OURS, run)]
    taken = interleave("documents", contenders, setting.rounds, setting.say, RUNS_PER_SECOND)
    bar = Bar(25_000, at_least=True)
    yield Line("documents", what, RUNS_PER_SECOND, taken[OURS], bar=bar)


def held(setting: Setting) -> Iterator[Line]:
    count = setting.scaled(1_000_000, at_least=1_000)
    what = f"a second fetch of {count:,} ids that are held complete"
    archive, ids = setting.folder / "archive", setting.folder / "ids.txt"

    def run() -> Measured:
        measured, summary = ours.run_fetch(setting, archive, ids)
        runs = {name: number for name, number in summary["runs"].items() if number}
        if summary["problems"] or runs != {"asked": count, "unchanged": count}:
            raise BenchmarkFailed(f"not all of {count} runs were held: {summary['runs']}")
        return measured

    try:
        make: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.benchmarks.large_archive",
            archive,
            ids,
            str(count),
        ]
        run_measured(make, setting.folder, plain_environment())
        taken = interleave("held", [Contender(OURS, run)], setting.rounds, setting.say)
    finally:
        shutil.rmtree(archive, ignore_errors=True)
    yield Line("held", what, SECONDS, taken[OURS], bar=Bar(6))
    yield Line("held", "the same: peak memory", PEAK_MB, taken[OURS], bar=Bar(500))
