"""Runs the command in forks of one process that has everything imported, and kills them.

Reads one JSON object a line: ``{"arguments", "environment", "die_before", "output", "record"}``.
The fork ends itself, as by SIGKILL, before its ``die_before``-th change of the file system (0:
never). An audit hook sees those changes: the product has no seam for it. Answers ``{"code",
"changes"}``. The file ``record``, if one is named, gets the changes and the fsyncs in order, as a
JSON list of lists: what was done, and the paths.
"""

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

import duckdb  # noqa: F401 # imported once here, so that the forks start at once
import httpcore  # noqa: F401
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401

import archiver
from archiver.cli.main import WithoutUnused, run
from archiver.system.fsync import Durability

KILLED = 137
_CHANGES = frozenset(
    {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & _WRITING)
    return event in _CHANGES


def _child(order: dict[str, object], report: int) -> None:
    changes = 0
    recorded: list[tuple[str, ...]] = []
    record = order.get("record")
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        fsync(descriptor)
        recorded.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))

    sync_together = Durability._sync_together

    def recording_sync(durability: Durability, root: str) -> bool:
        done = sync_together(durability, root)
        if done:
            recorded.append(("syncfs", root))
        return done

    if record:
        # Of these the audit hooks hear nothing.
        os.fsync = recording_fsync  # type: ignore[assignment]  # only called with descriptors
        Durability._sync_together = recording_sync  # type: ignore[assignment, method-assign]  # in this fork

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal changes
        if _is_change(event, arguments):
            changes += 1
            if changes == order["die_before"]:
                os._exit(KILLED)
            if record:
                paths = [os.fspath(a) for a in arguments if isinstance(a, str | os.PathLike)]
                recorded.append((event, *(str(path) for path in paths)))

    os.environ.update(order["environment"])  # type: ignore[call-overload]  # JSON: plain strings
    output = os.open(str(order["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    sys.addaudithook(on_event)
    code = run(list(order["arguments"]))  # type: ignore[call-overload]  # JSON: a list of strings
    sys.stdout.flush()
    os.write(report, str(changes).encode())
    if record:
        done = list(recorded)  # writing it down is a change of its own
        Path(str(record)).write_text(json.dumps(done))
    os._exit(code)


def main() -> None:
    sys.meta_path.insert(0, WithoutUnused())
    for module in pkgutil.walk_packages(archiver.__path__, "archiver."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for line in sys.stdin:
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(readable)
            try:
                _child(json.loads(line), writable)
            finally:
                os._exit(1)
        os.close(writable)
        _, status = os.waitpid(child, 0)
        with os.fdopen(readable, "rb") as report:
            changes = int(report.read() or 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "changes": changes}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
