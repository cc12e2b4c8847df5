"""A hundred kills at random times, against a server that lies: ``python -m tests.crash.soak``.

After each kill the archive must be intact and hold all that it held before. As soon as a ``fetch``
gets through, it must have completed the archive, and a new one is begun. ``--seed`` repeats the
same times.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.cli.running import child_command
from tests.crash.invariants import assert_intact, assert_tidy, manifests, rows
from tests.lying_server import LyingServer, Truth, seed

_START = 0.15
"""Seconds before which a command has not done anything yet."""
_LATEST = {"fetch": 1.5, "reindex": 0.6, "verify": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.soak")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--size", type=int, default=400_000, help="bytes of each recording")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    killed: Counter[str] = Counter()
    archives = artifacts = 0
    while sum(killed.values()) < options.kills:
        with LyingServer() as server, tempfile.TemporaryDirectory() as folder:
            truths = seed(server, options.runs, options.size, lies=True)
            os.environ.update(SKYVERN_API_KEY=server.key, SKYVERN_BASE_URL=server.base_url)
            archive, ids = Path(folder) / "archive", Path(folder) / "ids.txt"
            ids.write_text("\n".join(server.run_ids))
            killed += _kill_until_complete(archive, ids, options.kills, chance)
            _assert_complete(archive, server.run_ids, truths)
        archives, artifacts = archives + 1, artifacts + len(truths)
    counts = ", ".join(f"{count} of {name}" for name, count in sorted(killed.items()))
    sys.stdout.write(
        f"{sum(killed.values())} kills ({counts}), {archives} archives of {artifacts} artifacts "
        f"in all: nothing lost. Seed {options.seed}\n"
    )


def _kill_until_complete(
    archive: Path, ids: Path, most: int, chance: random.Random
) -> Counter[str]:
    killed: Counter[str] = Counter()
    held: dict[str, bytes] = {}
    while True:
        name = chance.choice(["fetch", "fetch", *_LATEST]) if held else "fetch"
        last = sum(killed.values()) >= most
        seconds = None if last else chance.uniform(_START, _LATEST[name])
        process = _start(archive, ids, "fetch" if last else name)
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed[name] += 1
        else:
            assert code == 0, f"{name} ended with {code}"
            if last or name == "fetch":
                return killed
        assert_intact(archive)
        now = manifests(archive)
        assert held.items() <= now.items(), "what was committed is gone or was changed"
        held = now


def _start(archive: Path, ids: Path, name: str) -> subprocess.Popen[bytes]:
    arguments = ["--ids", str(ids), "--quiet"] if name == "fetch" else []
    return subprocess.Popen(
        child_command(name, "--archive", archive, *arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _assert_complete(archive: Path, run_ids: Sequence[str], truths: Sequence[Truth]) -> None:
    assert_intact(archive)
    assert_tidy(archive)
    assert {row["run_id"] for row in rows(archive, "runs", "run_id")} == set(run_ids)
    columns = ("run_id", "kind", "ordinal", "size", "sha256")
    found = {tuple(row.values()) for row in rows(archive, "artifacts", *columns)}
    missing = [t for t in truths if (t.run_id, t.kind, t.ordinal, t.size, t.sha256) not in found]
    assert not missing, missing[:5]


if __name__ == "__main__":
    main()
