"""Metadata alone: how many runs a second the API can be asked for."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import ours
from tests.benchmarks.comparing import (
    OURS,
    RUNS_PER_SECOND,
    Bar,
    Contender,
    Line,
    best_of,
    interleave,
)
from tests.benchmarks.content import Dataset, serve_metadata
from tests.benchmarks.measuring import Measured, run_measured
from tests.benchmarks.surroundings import Setting, plain_environment

_SCRIPT = Path(__file__).parents[1] / "asking.py"
_HTTPX, _SDK = "httpx", "skyvern"
_CONCURRENCY = (4, 8, 16)


def rates(setting: Setting) -> Iterator[Line]:
    count = setting.scaled(5_000, at_least=20)
    what = f"metadata alone of {count:,} runs"
    with setting.served_data() as root:
        dataset = serve_metadata(root, setting.server.base_url, count)
        mine = Contender(
            OURS, lambda: ours.fetch(setting, dataset, "--only", "none", files=False, work=count)
        )
        httpx = _best(setting, dataset, _HTTPX, sys.executable, count)
        sdk = None
        if _has_sdk(setting.skyvern_python):
            # It is slow; its rate shows with fewer runs.
            sdk = _best(setting, dataset, _SDK, setting.skyvern_python, min(count, 300))
        contenders = [mine, httpx, *([sdk] if sdk else [])]
        taken = interleave("metadata", contenders, setting.rounds, setting.say, RUNS_PER_SECOND)
    for peer, bar in ((httpx, Bar(3, at_least=True)), (sdk, Bar(12, at_least=True))):
        yield Line(
            "metadata",
            what,
            RUNS_PER_SECOND,
            taken[OURS],
            peer.name if peer else "Skyvern's SDK",
            taken[peer.name] if peer else (),
            bar,
            note="" if peer else "the package skyvern is not installed (--skyvern-python)",
        )


def _best(setting: Setting, dataset: Dataset, client: str, python: str, count: int) -> Contender:
    """The client at the concurrency at which it is the fastest."""

    def contender(concurrency: int, runs: int) -> Contender:
        name = "httpx.AsyncClient" if client == _HTTPX else "Skyvern's SDK"
        return Contender(
            f"{name}, {concurrency} at once",
            lambda: _ask(setting, dataset, client, python, concurrency, runs),
        )

    few = max(20, count // 8)
    tried = [contender(concurrency, few) for concurrency in _CONCURRENCY]
    best = tried.index(best_of("metadata", setting.to_try(tried), setting.say))
    return contender(_CONCURRENCY[best], count)


def _ask(
    setting: Setting, dataset: Dataset, client: str, python: str, concurrency: int, runs: int
) -> Measured:
    """The time from the first question to the last answer: their imports do not count, ours do."""
    ids = dataset.write_ids(setting.folder / "asked.txt", runs)
    command: list[str | Path] = [
        python,
        _SCRIPT,
        client,
        setting.server.base_url,
        ids,
        str(concurrency),
    ]
    ended = run_measured(command, setting.folder, plain_environment(PYTHONPATH=""))
    return replace(ended.measured, seconds=json.loads(ended.stdout), work=runs)


def _has_sdk(python: str) -> bool:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('skyvern') is None)"
    try:
        return subprocess.run([python, "-c", look], check=False).returncode == 0
    except OSError:
        return False
