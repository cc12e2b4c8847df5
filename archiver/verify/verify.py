"""Verify: is what is there what was stored, and is everything there that should be."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

import duckdb

from archiver.errors import ArchiveDamaged, Interrupted, UsageError, WorkerLost
from archiver.ledger.records import listed_revisions
from archiver.model.paths import MANIFEST
from archiver.store.names import is_leftover
from archiver.store.revisions import run_folders
from archiver.store.storage import LocalStorage
from archiver.system.processes import worker_processes
from archiver.system.stop import StopSwitch, Threads
from archiver.tables.connect import limit_in
from archiver.tables.lookup import asked_for, other_ids
from archiver.verify.committed import altered_revisions, compare_ledger, set_states
from archiver.verify.compare import Comparison, RevisionState
from archiver.verify.completeness import gaps
from archiver.verify.findings import (
    Depth,
    Finding,
    Level,
    Scope,
    VerifyReport,
    distinct,
    is_unlisted,
)
from archiver.verify.ledger import (
    Ledger,
    Signatures,
    check_attachments,
    check_ledger,
    check_signatures,
    interrupted,
)
from archiver.verify.removed import Tombstones, left_behind, missing_without, without_pruned
from archiver.verify.revisions import Checked, RevisionCheck, check_by_sums, check_runs
from archiver.verify.table_files import check_fetches, quick_look, table_files
from archiver.verify.tables import ExpectedRows, compare_tables
from archiver.verify.walk import RunBatch, batches, hidden_folders, stray_at_top, without_hidden


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far it is. ``total`` are the revisions that the ledger lists, whatever is chosen."""

    revisions: int
    total: int
    bytes: int
    findings: int


def _nothing(_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Checking:
    """How to check, and who hears of it.

    ``random`` chooses where a share is to be checked. ``chosen``: the folders of the revisions to
    look at where it is the oldest's turn; ``done``: those whose artifacts were read before, by a
    check that was interrupted. ``tells_gaps``: what is missing is to be told
    too. ``looked_at`` hears of revisions as they were checked, and may ask
    of which so far the manifest is not what the ledger lists.
    """

    stop: StopSwitch = field(default_factory=StopSwitch)
    signatures: Signatures = field(default_factory=Signatures)
    random: Random | None = None
    workers: int = 1
    chosen: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    tells_gaps: bool = True
    progress: Callable[[VerifyProgress], None] = _nothing
    looked_at: Callable[[list[RevisionCheck], Callable[[], set[str]]], None] = lambda _, __: None


MANY = 500
"""Revisions from which they are shared out to processes: these take a moment to begin."""
_FIRST = 8
"""Batches that tell whether there are many."""
_MOST_TRIES = 3


def find_damage(storage: LocalStorage) -> list[Finding]:
    """Return everything in a whole archive that is not as it was stored. Writes nothing."""
    return verify(storage, how=Checking(tells_gaps=False)).findings


def verify(
    storage: LocalStorage, scope: Scope | None = None, how: Checking | None = None
) -> VerifyReport:
    """Hold every level of an archive against the next, and tell what is not there.

    Writes nothing. Where it is interrupted, the report says so, and has what was found by then.
    """
    return _Verification(storage, scope or Scope(), how or Checking()).run()


class _Verification:
    def __init__(self, storage: LocalStorage, scope: Scope, how: Checking) -> None:
        self._storage = storage
        self._scope = scope
        self._how = how
        self._report = VerifyReport()
        self._suspicious: dict[str, RevisionCheck] = {}
        self._findings: list[Finding] = []
        self._left: dict[str, Sequence[str]] = {}
        self._leftovers: list[str] = []
        self._total = 0

    def run(self) -> VerifyReport:
        report = self._report
        try:
            with ExitStack() as stack:
                each, executor = self._batches(stack)
                self._compare(stack, each, executor)
        except Interrupted:
            report.interrupted = True
        except duckdb.Error as error:
            raise limit_in(error) or error from None
        report.findings = self._without_leftovers(distinct(without_hidden(self._findings)))
        report.notes += _of_leftovers(self._leftovers)
        return report

    def _without_leftovers(self, findings: list[Finding]) -> list[Finding]:
        """What was found, but for what others left, which is no damage (format, 10.2)."""
        left = [one.path for one in findings if is_unlisted(one) and is_leftover(one.path)]
        self._leftovers += left
        return [one for one in findings if one.path not in set(left)]

    def _batches(self, stack: ExitStack) -> tuple[Iterable[RunBatch], Executor]:
        """The batches, and who works on them. Processes begin before DuckDB has its threads."""
        each = batches(self._storage, self._scope.run_ids, self._choose)
        first = list(itertools.islice(each, _FIRST))
        workers = self._how.workers
        executor: Executor
        count = sum(len(unit.revisions) for batch in first for unit in batch.units)
        if count < MANY or workers == 1:
            executor = Threads(max(1, workers), "verify")
            stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        else:
            executor = stack.enter_context(worker_processes(workers, self._how.stop))
        return itertools.chain(first, each), executor

    def _choose(self, folder: str) -> Depth | None:
        scope, how = self._scope, self._how
        if scope.is_rotating and folder not in how.chosen:
            self._report.skipped += 1
            return None
        if scope.share is not None and how.random and how.random.random() >= scope.share:
            self._report.skipped += 1
            return None
        if scope.quick:
            return Depth.NAMES
        return Depth.ROWS if folder in how.done else Depth.BYTES

    def _compare(self, stack: ExitStack, each: Iterable[RunBatch], executor: Executor) -> None:
        storage, scope, report = self._storage, self._scope, self._report
        comparison = stack.enter_context(Comparison())
        ledger = check_ledger(storage, comparison, scope.run_ids)
        check_attachments(storage, ledger)
        self._findings += ledger.findings
        self._findings += check_signatures(storage, self._how.signatures, ledger.lost, report.notes)
        ((self._total,),) = comparison.each("SELECT count(*) FROM listed")
        expected = ExpectedRows(comparison)
        for checked in self._checked(comparison, each, executor):
            self._take(comparison, expected, checked)
        expected.flush()
        if not scope.run_ids:
            self._findings += stray_at_top(storage)
        # In two steps: += would take the list as it was before it was filtered in there.
        of_manifests = self._of_manifests(comparison, ledger)
        self._findings += of_manifests
        self._findings += left_behind(self._left, ledger.pending)
        self._how.stop.check()
        if scope.quick:
            has_runs = self._total > 0
            self._findings += quick_look(storage, self._how.stop.check, has_runs=has_runs)
        else:
            self._findings += self._of_tables(comparison, ledger)
        if self._how.tells_gaps:
            self._tell_gaps(ledger)
        for session, what in ledger.adopted.items():
            report.notes.append(
                f"session {session} took in {what}, which no list or journal named before: a copy "
                "that was made while they were written has such; were they committed by you?"
            )
        if unlisted := [one for one in sorted(ledger.pending) if storage.exists(one)]:
            report.notes.append(
                f"a session that was killed, or is still at work, committed {len(unlisted)} "
                f"revisions that the ledger does not list yet: the next fetch lists them"
            )

    def _tell_gaps(self, ledger: Ledger) -> None:
        report, accepted = self._report, frozenset(ledger.accepted)
        try:
            report.gaps = gaps(self._storage, self._scope.run_ids, accepted)
        except ArchiveDamaged as error:
            report.notes.append(f"whether the archive is complete cannot be told: {error.message}")
        report.gaps += interrupted(ledger)

    def _checked(
        self, comparison: Comparison, each: Iterable[RunBatch], executor: Executor
    ) -> Iterator[Checked]:
        """What came of each batch, in order; a few are under way at any time."""
        stop, waiting = self._how.stop, deque[Future[Checked]]()
        for batch in each:
            stop.check()
            comparison.add("walked", ((folder,) for folder in batch.folders))
            self._findings += batch.findings
            root, since = self._storage.root, self._scope.since
            waiting.append(executor.submit(check_runs, root, batch.units, since))
            if len(waiting) > 2 * self._how.workers:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def _result(self, future: "Future[Checked]") -> Checked:
        while True:
            self._how.stop.check()
            try:
                return future.result(timeout=0.2)
            except TimeoutError:
                if future.done():
                    raise
            except BrokenExecutor:
                raise WorkerLost(
                    "a process that read files ended without an answer",
                    hint="Was it killed, for want of memory? Try again with fewer --workers",
                ) from None

    def _take(self, comparison: Comparison, expected: ExpectedRows, checked: Checked) -> None:
        report = self._report
        comparison.add(
            "found",
            (
                (c.folder, c.run_id, c.revision, c.sha256, c.session, c.has_rows)
                for c in checked.revisions
            ),
        )
        comparison.add(
            "removed",
            (
                (one.manifest.rpartition("/")[0], one.sha256)
                for check in checked.revisions
                for one in check.removed
            ),
        )
        expected.add(checked.rows)
        report.skipped += checked.skipped
        for check in checked.revisions:
            report.revisions += 1
            report.files += check.files
            report.bytes += check.bytes
            if check.findings:
                self._suspicious[check.folder] = check
            if check.left:
                self._left[check.folder] = check.left
            self._leftovers += check.leftovers
        self._how.looked_at(checked.revisions, lambda: altered_revisions(comparison))
        found = len(self._findings) + len(self._suspicious)
        self._how.progress(VerifyProgress(report.revisions, self._total, report.bytes, found))

    def _of_manifests(self, comparison: Comparison, ledger: Ledger) -> list[Finding]:
        """What is wrong with revisions. Where the manifest is, the sums tell of its files."""
        storage = self._storage
        of_files = (check.findings for check in self._suspicious.values())
        hidden = hidden_folders(itertools.chain(self._findings, *of_files))
        set_states(storage, comparison, ledger, hidden)
        # A run's folder that a session was about to fill is not stray.
        begun = {folder.rpartition("/")[0] for folder in ledger.pending}
        self._findings = [
            one for one in self._findings if one.level is not Level.STRAY or one.path not in begun
        ]
        found = list(compare_ledger(storage, comparison, ledger, is_whole=self._scope.is_whole))
        for folder in comparison.folders(RevisionState.FORGED):
            found += missing_without(storage, folder)
        wrong = dict.fromkeys(
            comparison.folders(
                RevisionState.ALTERED,
                RevisionState.MISSING,
                RevisionState.FORGED,
                RevisionState.UNCOMMITTED,
            )
        )
        forgetting = {run for (run,) in comparison.each("FROM forgetting")}
        unknown = {folder.rpartition("/")[0] for folder in wrong} | forgetting
        tombstones = Tombstones(storage)
        for folder, check in self._suspicious.items():
            run = folder.rpartition("/")[0]
            if folder in wrong or tombstones.has_replaced(folder):
                continue
            if run in unknown:
                is_forgotten = run in forgetting
                found += without_pruned(storage, folder, check.findings, is_forgotten=is_forgotten)
            else:
                found += check.findings
        for folder in wrong if not self._scope.quick else ():
            if storage.exists(f"{folder}/{MANIFEST}"):
                found += check_by_sums(storage, folder)
        return found

    def _of_tables(self, comparison: Comparison, ledger: Ledger) -> list[Finding]:
        """The tables may be replaced meanwhile: then they are looked at once more."""
        scope, notes = self._scope, self._report.notes
        for tries in itertools.count(1):
            files = table_files(self._storage, self._how.stop.check)
            try:
                found = compare_tables(self._storage, comparison, files, scope)
                if not scope.run_ids:
                    found += check_fetches(self._storage, comparison, files, ledger, notes)
            except (ArchiveDamaged, OSError):
                if tries == _MOST_TRIES:
                    raise
                for name in ("stored", "explained"):
                    comparison.clear(name)
                continue
            return [*files.findings, *found]
        raise AssertionError("unreachable")


_MOST_LEFTOVERS = 200


def _of_leftovers(paths: Sequence[str]) -> Iterator[str]:
    """Notes of what others left in the archive's folder."""
    for path in sorted(paths)[:_MOST_LEFTOVERS]:
        yield f"{path} is not the archive's, and is never read: it may stay, or be removed"
    if len(paths) > _MOST_LEFTOVERS:
        yield f"{len(paths) - _MOST_LEFTOVERS} more files and folders are not the archive's"


def runs_meant(storage: LocalStorage, ids: frozenset[str]) -> frozenset[str]:
    """Return these ids, and those of the runs that were asked for under them.

    Raises UsageError where the archive knows nothing of one: neither a folder, nor a line of the
    ledger's lists, nor that the API was asked for it.
    """
    try:
        known = {folder.rpartition("/")[2] for folder in run_folders(storage)} & ids
        pairs = other_ids(storage, ids)
        known |= set(asked_for(storage, sorted(ids)))
    except ArchiveDamaged:  # what cannot be read is found where it is looked at
        return ids
    known |= listed_revisions(storage, ids - known).keys() if ids - known else set()
    if unknown := sorted(ids - known):
        raise UsageError(
            f"the archive knows nothing of {', '.join(unknown)}",
            hint="`archiver fetch` fetches a run; `archiver query` shows which there are",
        )
    return ids | {run_id for asked, run_id in pairs if asked in ids}
