"""Before which changes of the file system a command is killed."""

import json
import os
import re
from pathlib import Path

from tests.crash.killer import Killer

IS_EVERY = os.environ.get("ARCHIVER_TEST_KILLS") == "all"
"""Before every change; else before one of every second or third kind of change."""
_SESSION = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}")
_NUMBER = re.compile(r"\d+")
_TABLE = re.compile(r"/(runs|documents|artifacts|fetches|checks)(?=/|$)")
_NO_CHANGES = ("fsync", "syncfs")


def kill_points(
    killer: Killer, archive: Path, record: Path, *arguments: str, step: int = 1
) -> list[int]:
    """The numbers of the changes that are chosen, and at last 0: that one is not killed.

    Two are of a kind where the same is done to paths that differ in numbers, sessions and tables
    only: a file set aside, a document given its place. Of one kind it is the first that is chosen,
    of the next the last, by turns; only of every ``step``-th kind. ``archive`` is what the command
    works on, and is changed by it.
    """
    assert killer.run(archive, *arguments, record=record).code == 0
    done = [one for one in json.loads(record.read_text()) if one[0] not in _NO_CHANGES]
    if IS_EVERY:
        return [*range(1, len(done) + 1), 0]
    kinds: dict[tuple[str, ...], list[int]] = {}
    for number, (event, *paths) in enumerate(done, 1):
        kind = (event, *(_kind(path) for path in paths))
        kinds.setdefault(kind, []).append(number)
    chosen = {places[-(turn % 2)] for turn, places in enumerate(kinds.values())}
    return [*sorted(chosen)[::step], 0]


def _kind(path: str) -> str:
    return _TABLE.sub("/T", _NUMBER.sub("N", _SESSION.sub("S", path.partition("/archive/")[2])))
