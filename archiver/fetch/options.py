"""What a session of fetch is given, and the connections it makes of that."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from threading import Event as Flag
from threading import Semaphore

from archiver.adapters.throttle import Throttle
from archiver.errors import Interrupted
from archiver.fetch.answer import RunAsker, RunOptions
from archiver.fetch.events import BytesReceived, Report
from archiver.fetch.http.api import RunsApi
from archiver.fetch.http.client import Timeouts, new_client
from archiver.fetch.http.downloads import Downloader
from archiver.fetch.http.retry import RetryPolicy
from archiver.session import SignOff
from archiver.system.fsync import Durability

_LEAST_FAILURES = 20
"""Runs in a row without an answer from which an API can be taken to be down."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What the user chose for a session. Sizes in bytes; ``archive`` is the folder."""

    archive: Path
    base_url: str
    key: str = field(repr=False)
    run: RunOptions
    sign_off: SignOff = field(default_factory=SignOff)
    """Who fetches, and signs the session's record."""
    refresh: bool = False
    api_concurrency: int = 8
    download_concurrency: int = 8
    timeouts: Timeouts = field(default_factory=Timeouts)
    attempts: int = 5
    local_artifacts: Path | None = None
    max_document_size: int = 64 << 20
    verify_tls: bool = True
    fsync: bool = True
    workers: int = 1
    max_requests_per_second: float | None = None
    """Of the API."""
    max_bandwidth: float | None = None
    """Bytes of artifacts a second."""
    most_failures: int = 100
    """Runs in a row without an answer after which the API is taken to be down."""

    @property
    def durability(self) -> Durability:
        return Durability(enabled=self.fsync)

    @property
    def processes(self) -> int:
        """How many may share the work, so that each has a part of every limit."""
        return min(self.workers, self.api_concurrency, self.download_concurrency)

    def for_one_of(self, processes: int) -> "FetchOptions":
        """What is left of the limits for each of so many processes."""
        return replace(
            self,
            sign_off=SignOff(),  # what belongs to the whole session stays where that ends
            api_concurrency=max(1, self.api_concurrency // processes),
            download_concurrency=max(1, self.download_concurrency // processes),
            max_requests_per_second=_part(self.max_requests_per_second, processes),
            max_bandwidth=_part(self.max_bandwidth, processes),
            most_failures=max(_LEAST_FAILURES, self.most_failures // processes),
        )


class StopSwitch:
    """Tells everything under way to come to an end: by the user's wish, or for an error."""

    def __init__(self) -> None:
        self.interrupted = False
        self._flag = Flag()

    def interrupt(self) -> None:
        """The user or the system asks to stop."""
        self.interrupted = True
        self._flag.set()

    def abort(self) -> None:
        """An error ends the batch."""
        self._flag.set()

    @property
    def is_set(self) -> bool:
        return self._flag.is_set()

    def check(self) -> None:
        """Raises Interrupted once the switch is set."""
        if self._flag.is_set():
            raise Interrupted("interrupted")

    def wait(self, seconds: float) -> None:
        """Wait, but no longer once the switch is set."""
        self._flag.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait; raises Interrupted as soon as the switch is set."""
        if self._flag.wait(seconds):
            raise Interrupted("interrupted")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session needs of the world: the time (UTC), chance, where to report, when to stop."""

    now: Callable[[], datetime]
    random: Random
    report: Report
    stop: StopSwitch


@contextlib.contextmanager
def run_asker(options: FetchOptions, world: Surroundings) -> Iterator[RunAsker]:
    """The API, ready to be asked."""
    connections = options.api_concurrency
    redaction = options.run.redact.redaction()
    with new_client(options.timeouts, connections, verify=options.verify_tls) as client:
        api = RunsApi(
            client,
            options.base_url,
            options.key,
            _retry_policy(options, world),
            world.now,
            options.max_document_size,
            Throttle(options.max_requests_per_second, world.stop.sleep),
            redaction.text if redaction else str,
        )
        slots = Semaphore(options.api_concurrency)
        yield RunAsker(
            api,
            options.run,
            redaction,
            slots,
            world.stop.check,
            world.now,
            options.most_failures,
        )


@contextlib.contextmanager
def artifact_downloader(options: FetchOptions, world: Surroundings) -> Iterator[Downloader]:
    """Storage, ready to be downloaded from: over a client of its own, without the key."""
    connections = options.download_concurrency
    with new_client(options.timeouts, connections, verify=options.verify_tls) as client:
        yield Downloader(
            client,
            options.base_url,
            _retry_policy(options, world),
            world.now,
            local_artifacts=options.local_artifacts,
            selection=options.run.selection,
            check_stop=world.stop.check,
            on_bytes=lambda count: world.report(BytesReceived(count)),
            throttle=Throttle(options.max_bandwidth, world.stop.sleep),
        )


@contextlib.contextmanager
def worker_threads(count: int, stop: StopSwitch) -> Iterator[ThreadPoolExecutor]:
    """``count`` threads, waited for at the end unless the session is to stop."""
    executor = ThreadPoolExecutor(count)
    try:
        yield executor
    finally:
        executor.shutdown(wait=not stop.is_set, cancel_futures=True)


def _part(rate: float | None, processes: int) -> float | None:
    return None if rate is None else rate / processes


def _retry_policy(options: FetchOptions, world: Surroundings) -> RetryPolicy:
    return RetryPolicy(world.stop.sleep, world.random, attempts=options.attempts)
