"""The HTTP transport that the tool chose, next to those that it might have chosen."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.comparing import MIB, SECONDS, Contender, Line, interleave
from tests.benchmarks.content import Dataset, serve_runs
from tests.benchmarks.measuring import BenchmarkFailed, Measured, run_measured
from tests.benchmarks.surroundings import Setting, plain_environment

_PROJECT = "archiver"
_PEERS = {"httpx": "httpx's own transport", "pyreqwest": "pyreqwest's transport for httpx"}


def alone(setting: Setting) -> Iterator[Line]:
    size, count = setting.scaled(1_024 * MIB), setting.scaled(10_000)
    yield from _compare(setting, f"GET and SHA-256 of {size / MIB:,.0f} MiB", 1, size, 1)
    yield from _compare(setting, f"GET and SHA-256 of {count:,} × 100 KB", count, 100_000, 8)


def _compare(setting: Setting, what: str, count: int, size: int, threads: int) -> Iterator[Line]:
    if missing := setting.lacks_room(count * size):
        yield Line("transport", what, SECONDS, note=missing)
        return
    there = [name for name in _PEERS if importlib.util.find_spec(name)]
    with setting.served_data() as root:
        dataset = serve_runs(root, setting.server.base_url, count, [("download", size)])
        contenders = [_contender(setting, dataset, name, threads) for name in (_PROJECT, *there)]
        taken = interleave("transport", contenders, setting.rounds, setting.say)
    for name, title in _PEERS.items():
        peers = taken.get(name, ())
        note = "" if peers else f"{name} is not installed"
        yield Line("transport", what, SECONDS, taken[_PROJECT], title, peers, note=note)


def _contender(setting: Setting, dataset: Dataset, name: str, threads: int) -> Contender:
    def run() -> Measured:
        wanted = setting.folder / "wanted.txt"
        wanted.write_text("".join(f"{file.url} {file.sha256}\n" for file in dataset.files))
        module = "tests.benchmarks.transferring"
        command: list[str | Path] = [sys.executable, "-m", module, name, wanted, str(threads)]
        ended = run_measured(command, setting.folder, plain_environment())
        seconds, received = json.loads(ended.stdout)
        if received != dataset.bytes:
            raise BenchmarkFailed(f"{name} received {received} of {dataset.bytes} bytes")
        return replace(ended.measured, seconds=seconds)

    return Contender(name, run)
