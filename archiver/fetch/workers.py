"""A session's ids in shares, archived by several processes: Python uses one core in each.

A share goes through a ``concurrent.futures.Executor`` and comes back as values, so that whatever
has this interface and sees the archive's folder can take it. Every process commits its own runs,
under a journal of its own; tables and ledger are written by the session's own process alone.

Some runs come back undone, to be archived by the session's own process when the shares are done:
those with very large artifacts, which need no second Python and would hold up a whole share, and
those that the API knows under another id, so that no two processes are at one run.
"""

import contextlib
import math
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom

from archiver.errors import ArchiverError, Interrupted, WorkerLost
from archiver.fetch.events import BytesReceived, Event
from archiver.fetch.options import FetchOptions, Surroundings
from archiver.fetch.pipeline import GRACE_SECONDS, POLL_SECONDS, Part, archive_runs
from archiver.fetch.run import Archived
from archiver.model.ids import RunId, SessionId
from archiver.store.lock import Writer, join_session
from archiver.system.stop import StopSwitch

_LARGEST = 500
_SMALLEST = 50
"""Runs in a share, never so few that an API that is down would not be noticed in one."""
_SECONDS = 2.0
"""How long a share begins with runs."""


@dataclass(frozen=True, slots=True)
class Share:
    """Some of a session's ids. ``options`` are what is left for one process of many."""

    number: int
    ids: tuple[RunId, ...]
    folders: Mapping[str, str]
    options: FetchOptions
    session: SessionId


@dataclass(frozen=True, slots=True)
class ShareDone:
    """What came of a share: of every id, unless an error or an interruption ended it.

    ``handed_back`` are not for a share, ``errors`` stopped the batch: one at most.
    """

    archived: tuple[Archived, ...] = ()
    not_begun: tuple[RunId, ...] = ()
    handed_back: tuple[RunId, ...] = ()
    errors: tuple[ArchiverError, ...] = ()


def archive_in_shares(
    ids: Sequence[RunId],
    folders: Mapping[str, str],
    options: FetchOptions,
    world: Surroundings,
    writer: Writer,
    executor: Executor,
) -> Generator[Archived]:
    """The same as :func:`archive_runs`, by ``options.processes`` workers of ``executor``.

    Raises WorkerLost where one of them ends without an answer.
    """
    shares = _Shares(ids, folders, options, writer.session)
    pending: set[Future[ShareDone]] = set()
    errors: list[ArchiverError] = []
    until = math.inf
    try:
        while pending or shares.has_more:
            while shares.has_more and len(pending) <= options.processes:
                pending.add(executor.submit(archive_share, shares.next()))
            done, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                share = _result(future)
                shares.take_back(share)
                errors += share.errors
                for archived in share.archived:
                    world.report(BytesReceived(archived.fetched.bytes))
                    yield archived
            if (errors or world.stop.is_set) and until == math.inf:
                writer.ask_to_stop()
                shares.close()
                pending = {future for future in pending if not future.cancel()}
                until = time.monotonic() + GRACE_SECONDS + 5 * POLL_SECONDS
            if time.monotonic() > until:
                break
    finally:
        writer.forget_stop()
    if errors:
        world.stop.abort()
        # Where one worker is lost, so are the others: it is the least that is to be said.
        raise min(errors, key=lambda error: isinstance(error, WorkerLost))
    world.stop.check()
    yield from archive_runs(shares.left, folders, options, world, writer)


def _result(future: Future[ShareDone]) -> ShareDone:
    try:
        return future.result()
    except BrokenExecutor:
        lost = WorkerLost(
            "a worker process ended in the middle of its work",
            hint="Was it killed, or is memory short? The same command again picks up where it "
            "stopped; --workers 1 does without",
        )
        return ShareDone(errors=(lost,))


class _Shares:
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
        self._not_begun: list[RunId] = []
        self._handed_back: list[RunId] = []
        self._is_open = True

    @property
    def has_more(self) -> bool:
        return self._is_open and bool(self._not_begun or self._next < len(self._ids))

    @property
    def left(self) -> list[RunId]:
        """What nobody did."""
        return [*self._handed_back, *self._not_begun, *self._ids[self._next :]]

    def next(self) -> Share:
        ids, self._not_begun = self._not_begun[: self._size], self._not_begun[self._size :]
        more = self._ids[self._next : self._next + self._size - len(ids)]
        self._next += len(more)
        self._number += 1
        ids += more
        folders = {str(run): self._folders[run] for run in ids if run in self._folders}
        return Share(self._number, tuple(ids), folders, self._options, self._session)

    def take_back(self, share: ShareDone) -> None:
        """Where many runs come back, the rest is better not shared out."""
        self._not_begun += share.not_begun
        self._handed_back += share.handed_back
        if 4 * len(share.handed_back) > len(share.archived):
            self.close()

    def close(self) -> None:
        self._is_open = False


def archive_share(share: Share) -> ShareDone:
    """Archive the runs of a share, in whatever process this is called.

    None is begun after a while: those that wait for what came of it should hear.
    """
    archived: list[Archived] = []
    errors: list[ArchiverError] = []
    until = time.monotonic() + _SECONDS
    part = Part(lambda: time.monotonic() > until)
    stop = StopSwitch()
    world = Surroundings(lambda: datetime.now(UTC), SystemRandom(), _say_nothing, stop)
    options = share.options
    writer = join_session(options.archive, share.session, share.number, options.durability)
    with _stopped_by(writer, stop):
        try:
            stop.check()
            for one in archive_runs(share.ids, share.folders, options, world, writer, part):
                archived.append(one)  # noqa: PERF402 # what there is stays where it raises
        except Interrupted:
            pass
        except ArchiverError as error:
            errors.append(error)
            writer.ask_to_stop()  # at once: nobody else may begin
    begun, not_begun = (
        tuple(back.asked for back in part.handed_back if back.is_begun is is_begun)
        for is_begun in (True, False)
    )
    return ShareDone(tuple(archived), not_begun, begun, tuple(errors))


def _say_nothing(_event: Event) -> None:
    """The session's own process reports what came of a share."""


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
