"""A session's ids in batches, archived by several processes: Python uses one core in each.

A batch goes through a ``concurrent.futures.Executor`` and comes back as values, so that whatever
has this interface and sees the archive's folder can take it. Every process commits its own runs,
under a journal of its own; tables and ledger are written by the session's own process alone.

Some runs come back undone, to be archived by the session's own process when the batches are done:
those with very large artifacts, which need no second Python and would hold up a whole batch, and
those that the API knows under another id, so that no two processes are at one run.
"""

import contextlib
import math
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import SystemRandom

from archiver.errors import ArchiverError, Interrupted, WorkerLost
from archiver.fetch.events import BytesReceived, Event
from archiver.fetch.options import Context, FetchOptions, Learned
from archiver.fetch.pipeline import GRACE_SECONDS, POLL_SECONDS, BatchControl, archive_runs
from archiver.fetch.run import Archived
from archiver.model.ids import RunId, SessionId
from archiver.store.lock import Writer, join_for_writing
from archiver.system.stop import StopSwitch

_LARGEST = 500
_SMALLEST = 50
"""Runs in a batch, never so few that an API that is down would not be noticed in one."""
_SECONDS = 2.0
"""How long a batch begins with runs."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of a session's ids. ``options`` are what is left for one process of many."""

    number: int
    ids: tuple[RunId, ...]
    folders: Mapping[str, str]
    options: FetchOptions
    session: SessionId


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch: of every id, unless an error or an interruption ended it.

    ``returned`` are not for a batch, ``errors`` stopped the batch: one at most.
    """

    archived: tuple[Archived, ...] = ()
    not_started: tuple[RunId, ...] = ()
    returned: tuple[RunId, ...] = ()
    errors: tuple[ArchiverError, ...] = ()
    learned: Learned = field(default_factory=Learned)


def fetch_in_workers(
    ids: Sequence[RunId],
    folders: Mapping[str, str],
    options: FetchOptions,
    context: Context,
    writer: Writer,
    executor: Executor,
) -> Generator[Archived]:
    """The same as :func:`archive_runs`, by ``options.processes`` workers of ``executor``.

    Raises WorkerLost where one of them ends without an answer.
    """
    batches = _Batches(ids, folders, options, writer.session)
    pending: set[Future[BatchResult]] = set()
    errors: list[ArchiverError] = []
    until = math.inf
    try:
        while pending or batches.has_more:
            while batches.has_more and len(pending) <= options.processes:
                pending.add(executor.submit(fetch_batch, batches.next()))
            done, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                batch = _result(future)
                batches.take_back(batch)
                errors += batch.errors
                for archived in batch.archived:
                    context.report(BytesReceived(archived.fetched.bytes))
                    yield archived
            if (errors or context.stop.is_set) and until == math.inf:
                writer.ask_to_stop()
                batches.close()
                pending = {future for future in pending if not future.cancel()}
                until = time.monotonic() + GRACE_SECONDS + 5 * POLL_SECONDS
            if time.monotonic() > until:
                break
    finally:
        writer.clear_stop()
    if errors:
        context.stop.abort()
        # Where one worker is lost, so are the others: it is the least that is to be said.
        raise min(errors, key=lambda error: isinstance(error, WorkerLost))
    context.stop.check()
    options = replace(options, learned=batches.learned)
    yield from archive_runs(batches.left, folders, options, context, writer)


def _result(future: Future[BatchResult]) -> BatchResult:
    try:
        return future.result()
    except BrokenExecutor:
        lost = WorkerLost(
            "a worker process ended in the middle of its work",
            hint="Was it killed, or is memory short? The same command again picks up where it "
            "stopped; --workers 1 does without",
        )
        return BatchResult(errors=(lost,))


class _Batches:
    """What is still to be shared out, and what came back undone."""

    def __init__(
        self,
        ids: Sequence[RunId],
        folders: Mapping[str, str],
        options: FetchOptions,
        session: SessionId,
    ) -> None:
        self._ids = ids
        self._folders = folders
        self._options = options.for_one_of(options.processes)
        self._session = session
        self._size = max(_SMALLEST, min(_LARGEST, len(ids) // (4 * options.processes)))
        self._next = 0
        self._number = 0
        self._not_started: list[RunId] = []
        self._returned: list[RunId] = []
        self._is_open = True

    @property
    def has_more(self) -> bool:
        return self._is_open and bool(self._not_started or self._next < len(self._ids))

    @property
    def learned(self) -> Learned:
        """What those that came back learned."""
        return self._options.learned

    @property
    def left(self) -> list[RunId]:
        """What nobody did."""
        return [*self._returned, *self._not_started, *self._ids[self._next :]]

    def next(self) -> Batch:
        ids, self._not_started = self._not_started[: self._size], self._not_started[self._size :]
        more = self._ids[self._next : self._next + self._size - len(ids)]
        self._next += len(more)
        self._number += 1
        ids += more
        folders = {str(run): self._folders[run] for run in ids if run in self._folders}
        return Batch(self._number, tuple(ids), folders, self._options, self._session)

    def take_back(self, batch: BatchResult) -> None:
        """Where many runs come back, the rest is better not shared out."""
        learned = self._options.learned.and_then(batch.learned)
        self._options = replace(self._options, learned=learned)
        self._not_started += batch.not_started
        self._returned += batch.returned
        if 4 * len(batch.returned) > len(batch.archived):
            self.close()

    def close(self) -> None:
        self._is_open = False


def fetch_batch(batch: Batch) -> BatchResult:
    """Archive the runs of a batch, in whatever process this is called.

    None is begun after a while: those that wait for what came of it should hear.
    """
    archived: list[Archived] = []
    errors: list[ArchiverError] = []
    until = time.monotonic() + _SECONDS
    control = BatchControl(lambda: time.monotonic() > until)
    stop = StopSwitch()
    context = Context(lambda: datetime.now(UTC), SystemRandom(), _say_nothing, stop)
    options = batch.options
    writer = join_for_writing(options.archive, batch.session, batch.number, options.durability)
    with _stopped_by(writer, stop):
        try:
            stop.check()
            for one in archive_runs(batch.ids, batch.folders, options, context, writer, control):
                archived.append(one)  # noqa: PERF402 # what there is stays where it raises
        except Interrupted:
            pass
        except ArchiverError as error:
            errors.append(error)
            writer.ask_to_stop()  # at once: nobody else may begin
    begun, not_started = (
        tuple(back.asked for back in control.returned if back.is_started is is_started)
        for is_started in (True, False)
    )
    learned = Learned(any(one.fetched.http_status == 200 for one in archived), control.paused)
    return BatchResult(tuple(archived), not_started, begun, tuple(errors), learned)


def _say_nothing(_event: Event) -> None:
    """The session's own process reports what came of a batch."""


@contextlib.contextmanager
def _stopped_by(writer: Writer, stop: StopSwitch) -> Iterator[None]:
    """Sets ``stop`` when all that work for the session are asked to."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(POLL_SECONDS):
            if writer.is_asked_to_stop():
                stop.interrupt()
                return

    if writer.is_asked_to_stop():
        stop.interrupt()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
