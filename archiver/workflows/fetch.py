"""A session of fetch: run ids in, outcomes out."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from archiver.adapters.archive import Writer, hold_archive
from archiver.adapters.parquet import RowBuffer, flush_name
from archiver.adapters.revisions import commit_revisions
from archiver.domain.rows import fetch_row
from archiver.domain.run_id import RunId
from archiver.domain.summary import Summary
from archiver.domain.tables import FETCHES
from archiver.errors import ArchiveDamaged, ArchiverError, ArchiveUnwritable, Interrupted
from archiver.workflows.artifacts import ArtifactFetcher
from archiver.workflows.connect import (
    FetchOptions,
    StopSwitch,
    Surroundings,
    artifact_downloader,
    run_asker,
    worker_threads,
)
from archiver.workflows.events import RunFinished, SessionStarted, TablesWritten
from archiver.workflows.lanes import Lanes
from archiver.workflows.ledger import append_record
from archiver.workflows.run import RunArchiver, RunResult
from archiver.workflows.tables import FLUSH_BYTES, add_rows, recover

if TYPE_CHECKING:
    from archiver.adapters.held import Wanted

FLUSH_SECONDS = 300.0
_POLL_SECONDS = 0.2
COMMITTED_AT_ONCE = 64
"""Runs that may wait for their commit, besides those that threads are at."""
GRACE_SECONDS = 4.0
"""How long what is under way may take to come to an end when the session is interrupted."""

ResultT = TypeVar("ResultT")


def fetch(ids: Sequence[RunId], options: FetchOptions, world: Surroundings) -> Summary:
    """Archive the runs with these ids (each once) and return what came of it.

    What stops the batch on the way (KeyRefused, ApiDown, ArchiveUnwritable) stands in the summary;
    what was committed before stays committed, and is in the tables. Raises NotAnArchive,
    ArchiveLocked and ArchiveUnwritable where the session cannot even begin.
    """
    started_at, started = world.now(), time.monotonic()
    from archiver.adapters.held import wanted_runs

    with hold_archive(options.archive, started_at, world.random.randbytes(4)) as writer:
        recovered = recover(writer)
        wanted = wanted_runs(writer.storage, ids, refresh=options.refresh)
        summary = Summary(writer.session, asked=len(ids), held=len(ids) - len(wanted.ids))
        world.report(SessionStarted(writer.session, len(ids), summary.held, recovered))
        collector = _Collector(writer, summary, world)

        def close() -> None:
            collector.flush()
            summary.interrupted = world.stop.interrupted
            summary.seconds = time.monotonic() - started
            append_record(
                writer,
                summary,
                ids,
                collector.manifests,
                started_at=started_at,
                finished_at=world.now(),
                recovered=recovered,
            )

        try:
            _archive_all(wanted, options, world, writer, collector)
        except Interrupted:
            close()
        except ArchiverError as error:
            # The batch ends here, but what it committed is to be found.
            summary.stopped_by = error
            with contextlib.suppress(ArchiveUnwritable, ArchiveDamaged):
                close()
        except BaseException:
            with contextlib.suppress(ArchiverError):
                close()
            raise
        else:
            close()
            # Only now: while the journal stands, the next writer looks for what the tables lack.
            writer.forget_own()
    return summary


def in_flight(
    executor: Executor,
    work: Callable[[RunId], ResultT],
    ids: Iterable[RunId],
    limit: int,
    stop: StopSwitch,
) -> Iterator[list[ResultT]]:
    """Results of ``work`` for every id, as many at once as there are, ``limit`` under way.

    Takes no new ids once ``stop`` is set, and waits a little for those under way. Raises the error
    that stopped the batch, or Interrupted, when all results that there are were given.
    """
    ended: SimpleQueue[Future[ResultT]] = SimpleQueue()
    pending: set[Future[ResultT]] = set()
    failures: list[BaseException] = []

    def results(seconds: float) -> list[ResultT]:
        found = []
        with contextlib.suppress(Empty):
            future = ended.get(timeout=seconds)
            while True:
                pending.discard(future)
                # An error that stops the batch must not hide what others came to.
                if future.cancelled():
                    pass
                elif (error := future.exception()) is None:
                    found.append(future.result())
                else:
                    failures.append(error)
                    stop.abort()
                future = ended.get_nowait()
        return found

    left = iter(ids)
    more = True
    while (more or pending) and not stop.is_set:
        for run_id in itertools.islice(left, limit - len(pending)):
            future = executor.submit(work, run_id)
            pending.add(future)
            future.add_done_callback(ended.put)
        more = len(pending) == limit
        if found := results(_POLL_SECONDS):
            yield found
    for future in tuple(pending):
        future.cancel()
    until = time.monotonic() + GRACE_SECONDS
    while pending and (seconds := until - time.monotonic()) > 0:
        if found := results(seconds):
            yield found
    if failures:
        raise failures[0]
    stop.check()


def _archive_all(
    wanted: "Wanted",
    options: FetchOptions,
    world: Surroundings,
    writer: Writer,
    collector: "_Collector",
) -> None:
    with contextlib.ExitStack() as stack:
        threads = options.api_concurrency + options.download_concurrency
        runs = stack.enter_context(worker_threads(threads, world.stop))
        downloads = stack.enter_context(worker_threads(options.download_concurrency, world.stop))
        asker = stack.enter_context(run_asker(options, world))
        downloader = stack.enter_context(artifact_downloader(options, world))
        lanes = Lanes(options.download_concurrency)
        fetcher = ArtifactFetcher(
            downloader, writer.storage, writer.session, downloads, lanes, world.now
        )
        archiver = RunArchiver(asker, fetcher, writer, wanted.folders)
        under_way = threads + COMMITTED_AT_ONCE
        for results in in_flight(runs, archiver.archive, wanted.ids, under_way, world.stop):
            with contextlib.ExitStack() as rooms:
                for result in results:
                    rooms.enter_context(result.room)
                commit_revisions(writer, [r.revision for r in results if r.revision is not None])
                for result in results:
                    collector.take(result)


class _Collector:
    """Gathers results: counts, rows on their way into the tables, digests for the ledger."""

    def __init__(self, writer: Writer, summary: Summary, world: Surroundings) -> None:
        self._writer = writer
        self._summary = summary
        self._world = world
        self._buffer = RowBuffer()
        self._flushes = 0
        self._runs = 0
        self._flushed_at = time.monotonic()
        self.manifests: list[str] = []

    def take(self, result: RunResult) -> None:
        fetched, summary = result.fetched, self._summary
        summary.outcomes[fetched.outcome] += 1
        summary.artifacts.update(entry.state for entry in result.artifacts)
        summary.bytes_downloaded += fetched.bytes
        summary.problems.extend(result.problems)
        self._buffer.add(FETCHES, [fetch_row(fetched)], fetched.at)
        if result.revision is not None and result.rows is not None:
            add_rows(self._buffer, result.revision.manifest, result.rows)
            self.manifests.append(result.revision.last.sha256)
            self._runs += 1
        self._world.report(
            RunFinished(
                fetched.asked_id,
                fetched.run_id,
                fetched.outcome,
                len(result.artifacts),
                fetched.bytes,
                fetched.seconds,
                result.problems,
            )
        )
        waited = time.monotonic() - self._flushed_at
        if self._buffer.bytes >= FLUSH_BYTES or waited >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the rows gathered so far."""
        if self._buffer.bytes:
            self._flushes += 1
            self._buffer.write(
                self._writer.storage, flush_name(self._writer.session, self._flushes)
            )
            self._world.report(TablesWritten(self._runs))
        self._runs = 0
        self._flushed_at = time.monotonic()
