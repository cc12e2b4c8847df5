"""A session of fetch: run ids in, outcomes out."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import TYPE_CHECKING, TypeVar

from archiver.adapters.archive import Writer, hold_archive
from archiver.adapters.parquet import RowBuffer, flush_name
from archiver.domain.digest import sha256_of
from archiver.domain.manifest import encode_manifest
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
from archiver.workflows.ledger import append_record
from archiver.workflows.run import RunArchiver, RunResult
from archiver.workflows.tables import FLUSH_BYTES, add_rows, recover

if TYPE_CHECKING:
    from archiver.adapters.held import Wanted

FLUSH_SECONDS = 300.0
_POLL_SECONDS = 0.2
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
) -> Iterator[ResultT]:
    """Results of ``work`` for every id as they come, with at most ``limit`` under way.

    Takes no new ids once ``stop`` is set, and waits a little for those under way. Raises the error
    that stopped the batch, or Interrupted, when all results that there are were given.
    """
    pending: set[Future[ResultT]] = set()
    left = iter(ids)
    more = True
    failure: BaseException | None = None
    while (more or pending) and not stop.is_set:
        for run_id in itertools.islice(left, limit - len(pending)):
            pending.add(executor.submit(work, run_id))
        more = len(pending) == limit
        done, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
        for future in done:
            # An error that stops the batch must not hide what others came to.
            if (error := future.exception()) is None:
                yield future.result()
            else:
                failure = failure or error
                stop.abort()
    for future in pending:
        future.cancel()
    done, pending = wait(pending, GRACE_SECONDS)
    for future in done:
        if not future.cancelled() and future.exception() is None:
            yield future.result()
    if failure is not None:
        raise failure
    stop.check()


def _archive_all(
    wanted: "Wanted",
    options: FetchOptions,
    world: Surroundings,
    writer: Writer,
    collector: "_Collector",
) -> None:
    with contextlib.ExitStack() as stack:
        under_way = options.api_concurrency + options.download_concurrency
        runs = stack.enter_context(worker_threads(under_way, world.stop))
        downloads = stack.enter_context(worker_threads(options.download_concurrency, world.stop))
        asker = stack.enter_context(run_asker(options, world))
        downloader = stack.enter_context(artifact_downloader(options, world))
        fetcher = ArtifactFetcher(downloader, writer.storage, writer.session, downloads, world.now)
        archiver = RunArchiver(asker, fetcher, writer, wanted.folders)
        for result in in_flight(runs, archiver.archive, wanted.ids, under_way, world.stop):
            with result.room:
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
        if result.manifest is not None and result.rows is not None:
            add_rows(self._buffer, result.manifest, result.rows)
            self.manifests.append(sha256_of(encode_manifest(result.manifest)))
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
