"""Runs commands in forks of one process, against one archive after another."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

FETCH = ("fetch", "tsk_1", "tsk_2", "tsk_3", "--json", "--quiet",
         "--api-concurrency", "1", "--download-concurrency", "1")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and how often it changed the file system."""

    code: int
    changes: int


@dataclass(frozen=True, slots=True)
class Killer:
    """Runs commands, and kills them where it is told to. ``output`` is their standard output."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    output: Path

    def run(
        self, archive: Path, *arguments: str, die_before: int = 0, record: Path | None = None
    ) -> Ended:
        order = {
            "arguments": [arguments[0], "--archive", str(archive), *arguments[1:]],
            "environment": self.environment,
            "die_before": die_before,
            "output": str(self.output),
            "record": str(record) if record else None,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))
