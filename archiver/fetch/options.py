"""What a session of fetch is given, and the connections it makes of that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random

from archiver.fetch.answer import RunOptions
from archiver.fetch.events import EventSink
from archiver.fetch.http.client import Timeouts
from archiver.fetch.http.proxies import Proxies
from archiver.fetch.http.retry import RetryPolicy
from archiver.fetch.http.tls import TlsOptions
from archiver.session import Signing
from archiver.system.fsync import Durability
from archiver.system.stop import StopSwitch

_LEAST_FAILURES = 20
"""Runs in a row without an answer from which an API can be taken to be down."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What parts of a session learned that have ended, for those that come after them.

    ``key_is_known``: the API has answered with the key. ``paused`` are the seconds that each host
    of storage was waited for.
    """

    key_is_known: bool = False
    paused: Mapping[str, float] = field(default_factory=dict)

    def and_then(self, later: "Learned") -> "Learned":
        """Return this with what a later part learned; parts at the same time wait together."""
        hosts = self.paused.keys() | later.paused.keys()
        longest = {h: max(self.paused.get(h, 0.0), later.paused.get(h, 0.0)) for h in hosts}
        return Learned(self.key_is_known or later.key_is_known, longest)


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What the user chose for a session. Sizes in bytes; ``archive`` is the folder."""

    archive: Path
    base_url: str
    key: str = field(repr=False)
    run: RunOptions
    signing: Signing = field(default_factory=Signing)
    """Who fetches, and signs the session's record."""
    refresh: bool = False
    api_concurrency: int = 8
    download_concurrency: int = 8
    timeouts: Timeouts = field(default_factory=Timeouts)
    attempts: int = 5
    local_artifacts: Path | None = None
    max_document_size: int = 64 << 20
    tls: TlsOptions = field(default_factory=TlsOptions)
    proxies: Proxies = field(default_factory=Proxies)
    fsync: bool = True
    mode: int | None = None
    """That of files that are made; by the archive's folder where it is None."""
    workers: int = 1
    max_requests_per_second: float | None = None
    """Of the API."""
    max_bandwidth: float | None = None
    """Bytes of artifacts a second."""
    most_failures: int = 100
    """Runs in a row without an answer after which the API is taken to be down."""

    learned: Learned = field(default_factory=Learned)

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
            signing=Signing(),  # what belongs to the whole session stays where that ends
            api_concurrency=max(1, self.api_concurrency // processes),
            download_concurrency=max(1, self.download_concurrency // processes),
            max_requests_per_second=_part(self.max_requests_per_second, processes),
            max_bandwidth=_part(self.max_bandwidth, processes),
            most_failures=max(_LEAST_FAILURES, self.most_failures // processes),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What a session needs of the world: the time (UTC), chance, where to report, when to stop."""

    now: Callable[[], datetime]
    random: Random
    report: EventSink
    stop: StopSwitch


def _part(rate: float | None, processes: int) -> float | None:
    return None if rate is None else rate / processes


def _retry_policy(options: FetchOptions, context: Context) -> RetryPolicy:
    return RetryPolicy(context.stop.sleep, context.random, attempts=options.attempts)
