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
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

from archiver.adapters.archive import Writer, join_session
from archiver.domain.run_id import RunId
from archiver.domain.session import SessionId
from archiver.errors import ArchiverError, ExitCode, Interrupted, WorkerLost
from archiver.workflows.connect import FetchOptions, StopSwitch, Surroundings
from archiver.workflows.events import BytesReceived, Event
from archiver.workflows.pipeline import GRACE_SECONDS, POLL_SECONDS, archive_runs
from archiver.workflows.run import Archived

_LARGEST = 250
_SMALLEST = 32
"""Runs in a share."""


@dataclass(frozen=True, slots=True)
class Share:
    """Some of a session's ids. ``options`` are what is left for one process of many."""

    number: int
    ids: tuple[RunId, ...]
    folders: Mapping[str, str]
    options: FetchOptions
    session: SessionId
    process: int
    """The session's own: without it there is nobody to work for."""


@dataclass(frozen=True, slots=True)
class ShareDone:
    """What came of a share: of every id, unless an error or an interruption ended it."""

    archived: tuple[Archived, ...]
    handed_back: tuple[RunId, ...]
    errors: tuple[ArchiverError, ...]
    """What stopped the batch: one at most."""


def archive_in_shares(
    ids: Sequence[RunId],
    folders: Mapping[str, str],
    options: FetchOptions,
    world: Surroundings,
    writer: Writer,
    executor: Executor,
) -> Iterator[Archived]:
    """The same as :func:`archive_runs`, by ``options.workers`` processes of ``executor``.

    Raises WorkerLost where one of them ends without an answer.
    """
    shares = _Shares(ids, folders, options, writer.session)
    pending: set[Future[ShareDone]] = set()
    errors: list[ArchiverError] = []
    until = math.inf
    try:
        while pending or shares.has_more:
            while shares.has_more and len(pending) <= options.workers:
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
                writer.stop_flag.touch()
                shares.close()
                pending = {future for future in pending if not future.cancel()}
                until = time.monotonic() + GRACE_SECONDS + 2 * POLL_SECONDS
            if time.monotonic() > until:
                break
    finally:
        writer.stop_flag.unlink(missing_ok=True)
    if errors:
        world.stop.abort()
        raise errors[0]
    world.stop.check()
    yield from archive_runs(shares.left, folders, options, world, writer)


def _result(future: Future[ShareDone]) -> ShareDone:
    try:
        return future.result()
    except BrokenExecutor:
        raise WorkerLost(
            "a worker process ended in the middle of its work",
            hint="Was it killed, or is memory short? The same command again picks up where it "
            "stopped; --workers 1 does without",
        ) from None


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
        self._options = options.for_one_of(options.workers)
        self._session = session
        self._size = max(_SMALLEST, min(_LARGEST, len(ids) // (4 * options.workers)))
        self._next = 0
        self._number = 0
        self._handed_back: list[RunId] = []
        self._is_open = True

    @property
    def has_more(self) -> bool:
        return self._is_open and self._next < len(self._ids)

    @property
    def left(self) -> list[RunId]:
        """What nobody did."""
        return [*self._handed_back, *self._ids[self._next :]]

    def next(self) -> Share:
        ids = tuple(self._ids[self._next : self._next + self._size])
        self._next += len(ids)
        self._number += 1
        folders = {str(run): self._folders[run] for run in ids if run in self._folders}
        return Share(self._number, ids, folders, self._options, self._session, os.getpid())

    def take_back(self, share: ShareDone) -> None:
        """Where many runs come back, the rest is better not shared out."""
        self._handed_back += share.handed_back
        if 4 * len(share.handed_back) > len(share.archived):
            self.close()

    def close(self) -> None:
        self._is_open = False


def archive_share(share: Share) -> ShareDone:
    """Archive the runs of a share, in whatever process this is called."""
    archived: list[Archived] = []
    handed_back: list[RunId] = []
    errors: list[ArchiverError] = []
    stop = StopSwitch()
    world = Surroundings(lambda: datetime.now(UTC), SystemRandom(), _say_nothing, stop)
    options = share.options
    writer = join_session(options.archive, share.session, share.number, options.durability)
    with _watched(stop, writer.stop_flag, share.process):
        try:
            stop.check()
            archived += archive_runs(
                share.ids, share.folders, options, world, writer, handed_back.append
            )
        except Interrupted:
            pass
        except ArchiverError as error:
            errors.append(error)
            writer.stop_flag.touch()  # at once: nobody else may begin
    return ShareDone(tuple(archived), tuple(handed_back), tuple(errors))


def _say_nothing(_event: Event) -> None:
    """The session's own process reports what came of a share."""


@contextlib.contextmanager
def _watched(stop: StopSwitch, flag: Path, process: int) -> Iterator[None]:
    """Stops when the session says so; ends this process where the session's has ended."""
    is_over = threading.Event()
    if flag.exists():
        stop.interrupt()

    def watch() -> None:
        while not is_over.wait(POLL_SECONDS):
            if process not in (os.getpid(), os.getppid()):
                os._exit(ExitCode.INTERRUPTED)
            if flag.exists():
                stop.interrupt()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
