"""From run ids to committed revisions, in this process: many at once, each all the way."""

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Semaphore
from typing import TypeVar

from archiver.errors import Interrupted
from archiver.fetch.answer import AnswerClient
from archiver.fetch.artifacts import ArtifactFetcher
from archiver.fetch.events import BytesReceived
from archiver.fetch.http.api import RunsApi
from archiver.fetch.http.client import HttpClient, new_client
from archiver.fetch.http.downloads import Downloader
from archiver.fetch.http.retry import Throttle
from archiver.fetch.http.target import OwnAddresses
from archiver.fetch.limits import VERY_LARGE, DownloadSlots
from archiver.fetch.options import Context, FetchOptions, _retry_policy
from archiver.fetch.run import Archived, Returned, RunArchiver, RunResult
from archiver.model.ids import RunId
from archiver.store.lock import Writer
from archiver.store.revisions import commit_revisions
from archiver.system.stop import StopSwitch, worker_threads


@contextlib.contextmanager
def answer_client(options: FetchOptions, context: Context) -> Iterator[AnswerClient]:
    """The API, ready to be asked."""
    connections = options.api_concurrency
    redaction = options.run.redact.redaction()
    with _client(options, connections, context) as client:
        api = RunsApi(
            client,
            options.base_url,
            options.key,
            _retry_policy(options, context),
            context.now,
            options.max_document_size,
            Throttle(options.max_requests_per_second, context.stop.sleep),
            redaction.text if redaction else str,
            key_is_known=options.learned.key_is_known,
        )
        slots = Semaphore(options.api_concurrency)
        yield AnswerClient(
            api,
            options.run,
            redaction,
            slots,
            context.stop.check,
            context.now,
            options.most_failures,
        )


@contextlib.contextmanager
def artifact_downloader(options: FetchOptions, context: Context) -> Iterator[Downloader]:
    """Storage, ready to be downloaded from: over a client of its own, without the key."""
    connections = options.download_concurrency
    refuses = OwnAddresses(options.base_url).refuses
    with _client(options, connections, context, refuses) as client:
        yield Downloader(
            client,
            options.base_url,
            _retry_policy(options, context),
            context.now,
            local_artifacts=options.local_artifacts,
            selection=options.run.selection,
            check_stop=context.stop.check,
            on_bytes=lambda count: context.report(BytesReceived(count)),
            throttle=Throttle(options.max_bandwidth, context.stop.sleep),
            paused=options.learned.paused,
        )


def _client(
    options: FetchOptions,
    connections: int,
    context: Context,
    refuses: Callable[[str], bool] = lambda _: False,
) -> HttpClient:
    return new_client(
        options.timeouts,
        connections,
        tls=options.tls,
        proxies=options.proxies,
        check_stop=context.stop.check,
        refuses=refuses,
    )


COMMITTED_AT_ONCE = 64
"""Runs that may wait for their commit, besides those that threads are at."""
GRACE_SECONDS = 4.0
"""How long what is under way may take to come to an end when the session is interrupted."""
POLL_SECONDS = 0.2
GATHER_SECONDS = 0.01
"""How long a run that is ready waits for others, to be committed with them."""

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class BatchControl:
    """A part of a session. ``is_over``: no run is begun any more.

    ``returned`` are the runs that were not begun, or are better archived where the whole session
    is seen; nothing else comes of those. ``paused``: as in Learned, at the end.
    """

    is_over: Callable[[], bool]
    returned: list[Returned] = field(default_factory=list)
    paused: Mapping[str, float] = field(default_factory=dict)


def archive_runs(
    ids: Iterable[RunId],
    folders: Mapping[str, str],
    options: FetchOptions,
    context: Context,
    writer: Writer,
    control: BatchControl | None = None,
) -> Generator[Archived]:
    """What came of each id, as soon as what is new of it is committed.

    ``folders`` are those of the runs that the archive holds already, by run id. ``control``: these
    ids are not the whole session. Raises what stops the batch, or Interrupted, when all that
    there is was given.
    """
    with contextlib.ExitStack() as stack:
        threads = options.api_concurrency + options.download_concurrency
        runs = stack.enter_context(worker_threads(threads, context.stop))
        downloads = stack.enter_context(worker_threads(options.download_concurrency, context.stop))
        answers = stack.enter_context(answer_client(options, context))
        downloader = stack.enter_context(artifact_downloader(options, context))
        slots = DownloadSlots(options.download_concurrency, VERY_LARGE if control else None)
        fetcher = ArtifactFetcher(
            downloader,
            writer.storage,
            writer.session,
            downloads,
            slots,
            context.now,
            context.report,
            answers.redacted,
        )
        archiver = RunArchiver(answers, fetcher, writer, folders, own_ids_only=control is not None)

        def archive(run_id: RunId) -> RunResult | Returned:
            if control is not None and control.is_over():
                return Returned(run_id, is_started=False)
            return archiver.archive(run_id)

        under_way = threads + COMMITTED_AT_ONCE
        for results in in_flight(runs, archive, ids, under_way, context.stop):
            with contextlib.ExitStack() as resources:
                done = [result for result in results if isinstance(result, RunResult)]
                for result in done:
                    resources.enter_context(result.resources)
                try:
                    commit_revisions(writer, [r.revision for r in done if r.revision is not None])
                except BaseException:
                    context.stop.abort()
                    raise
            yield from (result.archived for result in done)
            if control is not None:
                control.returned += (back for back in results if isinstance(back, Returned))
                control.paused = downloader.paused


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

    def watched(run_id: RunId) -> ResultT:
        try:
            return work(run_id)
        except BaseException:
            stop.abort()  # at once: nobody else may begin
            raise

    ended: SimpleQueue[Future[ResultT]] = SimpleQueue()
    pending: set[Future[ResultT]] = set()
    failures: list[BaseException] = []

    def results(seconds: float) -> list[ResultT]:
        found = []
        with contextlib.suppress(Empty):
            future = ended.get(timeout=seconds)
            if len(pending) > 1:
                # Few commits of many runs cost less than many of one.
                stop.wait(GATHER_SECONDS)
            while True:
                pending.discard(future)
                # An error that stops the batch must not hide what others came to.
                if future.cancelled():
                    pass
                elif (error := future.exception()) is None:
                    found.append(future.result())
                else:
                    failures.append(error)
                future = ended.get_nowait()
        return found

    left = iter(ids)
    more = True
    while (more or pending) and not stop.is_set:
        for run_id in itertools.islice(left, limit - len(pending)):
            future = executor.submit(watched, run_id)
            pending.add(future)
            future.add_done_callback(ended.put)
        more = len(pending) == limit
        if pending and (found := results(POLL_SECONDS)):
            yield found
    for future in tuple(pending):
        future.cancel()
    until = time.monotonic() + GRACE_SECONDS
    while pending and (seconds := until - time.monotonic()) > 0:
        if found := results(seconds):
            yield found
    if failures:
        # Those that were interrupted by a failure are not what failed.
        raise min(failures, key=lambda error: isinstance(error, Interrupted))
    stop.check()
