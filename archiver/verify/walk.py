"""Walking the archive: the runs' folders, in order, and what does not belong where it lies."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from archiver.errors import ArchiveDamaged
from archiver.model.paths import RUNS_FOLDER
from archiver.store.names import TOP_FILES, TOP_FOLDERS, UNDATED, is_leftover, is_own
from archiver.store.scan import Kind, entries
from archiver.store.storage import LocalStorage
from archiver.verify.findings import Depth, Finding, Level, finding, unlisted


@dataclass(frozen=True, slots=True)
class RunUnit:
    """A run's folder, and how closely its revisions are to be looked at, by number.

    ``last`` is the number of the last one that is there.
    """

    folder: str
    revisions: Mapping[int, Depth]
    last: int


_READABLE = "Make it readable, then check again: what is in it was not looked at"


def readable_entries(
    storage: LocalStorage, folder: str, findings: list[Finding]
) -> list[tuple[str, Kind]]:
    """Return names and kinds of what is in a folder, sorted.

    Where it cannot be read, nothing, and ``findings`` gets one.
    """
    try:
        return entries(storage, folder)
    except ArchiveDamaged as error:
        findings.append(finding(folder, error.message, Level.FILES, _READABLE))
        return []


def misplaced(storage: LocalStorage, path: str) -> Finding:
    """Return a finding for what does not belong where it lies; what a link leads to may belong."""
    if storage.locate(path).is_symlink() and not is_leftover(path):
        problem = "it is a link, and what it leads to was not looked at"
        return finding(path, problem, Level.STRAY, _LINKED)
    return unlisted(path)


_LINKED = "Put what it leads to in its place: an archive lies in one file system, without links"


def hidden_folders(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the paths of folders that could not be looked into."""
    return frozenset(one.path for one in findings if one.todo == _READABLE)


def is_hidden(path: str, hidden: Collection[str]) -> bool:
    """Tell whether a path lies in one of the folders that could not be looked into."""
    while hidden and path:
        path = path.rpartition("/")[0]
        if path in hidden:
            return True
    return False


def without_hidden(findings: list[Finding]) -> list[Finding]:
    """Return what was found, without what only follows from a folder that cannot be read."""
    hidden = hidden_folders(findings)
    return [one for one in findings if not is_hidden(one.path, hidden)]


def holds_only_leftovers(storage: LocalStorage, folder: str) -> bool:
    """Tell whether nothing is in a folder but what others are known to leave, and something is."""
    there = readable_entries(storage, folder, [])
    return bool(there) and all(
        is_leftover(path := f"{folder}/{name}")
        or (kind is Kind.FOLDER and holds_only_leftovers(storage, path))
        for name, kind in there
    )


_BATCH = 128
"""Revisions that a worker gets at once."""
_SPREAD = 8
"""Neighbours go to so many workers: runs of one day, with large recordings, are often alike."""
_TOP = dict.fromkeys(TOP_FILES, Kind.FILE) | dict.fromkeys(TOP_FOLDERS, Kind.FOLDER)
_DAY_DEPTH = 3


@dataclass(frozen=True, slots=True)
class RunBatch:
    """Some runs to be checked by a worker.

    ``folders`` are those of all revisions that were come by on the way, ``findings`` what does not
    belong where it lies.
    """

    units: Sequence[RunUnit]
    folders: Sequence[str] = ()
    findings: Sequence[Finding] = ()


def batches(
    storage: LocalStorage, run_ids: frozenset[str], choose: Callable[[str], Depth | None]
) -> Iterator[RunBatch]:
    """Walk the run folders in order and yield batches of revisions to check.

    Of ``run_ids`` only, where there are any. ``choose`` says how closely to look at the revision
    in a folder; None: not at all.
    """
    units: list[RunUnit] = []
    folders: list[str] = []
    findings: list[Finding] = []
    count = 0
    for folder in _run_folders(storage, run_ids, findings):
        numbers = _revision_numbers(storage, folder, findings)
        paths = [f"{folder}/r{number}" for number in numbers]
        folders += paths
        chosen = {n: d for n, path in zip(numbers, paths, strict=True) if (d := choose(path))}
        if chosen:
            units.append(RunUnit(folder, chosen, numbers[-1]))
            count += len(chosen)
        is_empty = not numbers and folder not in hidden_folders(findings[-1:])
        if is_empty and not holds_only_leftovers(storage, folder):
            findings.append(unlisted(folder, "there is no revision of a run in it"))
        if count >= _SPREAD * _BATCH or len(folders) >= 16 * _SPREAD * _BATCH:
            yield from _spread(units, folders, findings)
            units, folders, count = [], [], 0
            findings.clear()
    yield from _spread(units, folders, findings)


def _spread(
    units: list[RunUnit], folders: list[str], findings: list[Finding]
) -> Iterator[RunBatch]:
    yield RunBatch(units[::_SPREAD], folders, tuple(findings))
    for first in range(1, _SPREAD):
        if part := units[first::_SPREAD]:
            yield RunBatch(part)


def stray_at_top(storage: LocalStorage) -> list[Finding]:
    """Return findings for what lies in the archive's own folder and is no part of it."""
    found: list[Finding] = []
    for name, kind in readable_entries(storage, "", found):
        if _TOP.get(name) is not kind:
            found.append(misplaced(storage, name))
    return found


def _run_folders(
    storage: LocalStorage, run_ids: frozenset[str], findings: list[Finding]
) -> Iterator[str]:
    for day in _days(storage, RUNS_FOLDER, 0, findings):
        for name, kind in readable_entries(storage, day, findings):
            path = f"{day}/{name}"
            if run_ids and name not in run_ids:
                continue
            if kind is Kind.FOLDER:
                yield path
            else:
                findings.append(misplaced(storage, path))


def _days(storage: LocalStorage, folder: str, depth: int, findings: list[Finding]) -> Iterator[str]:
    if depth == _DAY_DEPTH:
        yield folder
        return
    for name, kind in readable_entries(storage, folder, findings):
        path = f"{folder}/{name}"
        if kind is Kind.FOLDER and is_own(folder, name):
            yield from _days(storage, path, _DAY_DEPTH if name == UNDATED else depth + 1, findings)
        else:
            findings.append(misplaced(storage, path))


def _revision_numbers(storage: LocalStorage, folder: str, findings: list[Finding]) -> list[int]:
    """The revisions in a run's folder, in order; what else is there goes to ``findings``."""
    numbers: list[int] = []
    day, _, name = folder.rpartition("/")
    if not is_own(day, name):
        findings.append(unlisted(folder, "its name is no run id"))
        return numbers
    for entry, kind in readable_entries(storage, folder, findings):
        if kind is Kind.FOLDER and is_own(folder, entry):
            numbers.append(int(entry[1:]))
        else:
            findings.append(misplaced(storage, f"{folder}/{entry}"))
    return sorted(numbers)
