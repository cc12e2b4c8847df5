"""The artifacts of one run: every decision of the plan is acted on, and says what came of it."""

import contextlib
import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeAlias

from msgspec.structs import replace

from archiver.errors import (
    ArtifactError,
    ArtifactGone,
    ArtifactUnwanted,
    DownloadFailed,
    FileTooLarge,
    Interrupted,
    LinkExpired,
    RunError,
)
from archiver.fetch.events import EventSink, FileProgress
from archiver.fetch.http.api import Tally
from archiver.fetch.http.downloads import Downloader
from archiver.fetch.http.resume import Checkpoints, DownloadState
from archiver.fetch.http.retry import Patience
from archiver.fetch.limits import LARGE, DownloadSlots, Slot, SlotBusy, TooLargeForWorker
from archiver.fetch.plan import Decision, Fetch, Keep, Record, with_source
from archiver.fetch.revision import EARLIER_COPY, ArtifactOutcome, Received, Recorded, entry_for
from archiver.model.artifact import ArtifactKind, ArtifactSource, ArtifactState
from archiver.model.ids import RunId
from archiver.model.paths import download_prefix
from archiver.model.urls import is_expiring, without_query
from archiver.store.staging import StagedFile
from archiver.store.storage import LocalStorage

_Key: TypeAlias = tuple[ArtifactKind, str, str | None]


class FreshLinks:
    """Hands out links of one run, and asks the API for new ones: once for all its artifacts.

    ``refresh`` asks the API for the run again and may raise RunError or what stops the batch.
    """

    def __init__(
        self, sources: Sequence[ArtifactSource], refresh: Callable[[], Sequence[ArtifactSource]]
    ) -> None:
        self._sources = sources
        self._offered: dict[_Key, ArtifactSource] | None = None  # most links are never renewed
        self._refresh = refresh
        self._lock = Lock()

    def renewed(self, source: ArtifactSource) -> ArtifactSource:
        """Return the same artifact with another link than the one it has.

        Raises ArtifactGone where the API does not offer it any more, DownloadFailed where the API
        cannot be asked.
        """
        with self._lock:
            fresh = self._find(source)
            if fresh is None or fresh.url == source.url:
                try:
                    self._sources, self._offered = self._refresh(), None
                except RunError as error:
                    raise DownloadFailed(
                        f"its link ended, and no fresh one came: {error}"
                    ) from None
                fresh = self._find(source)
        if fresh is None or fresh.url is None:
            raise ArtifactGone("the API does not offer it any more")
        return replace(source, url=fresh.url)

    def _find(self, source: ArtifactSource) -> ArtifactSource | None:
        keys = [("id", source.artifact_id), ("address", _true_address(source))]
        if source.artifact_id is None:
            keys = [keys[1], ("ordinal", str(source.ordinal))]
        if self._offered is None:
            self._offered = _by_what_tells_them(self._sources)
        offered = self._offered
        found = (offered.get((source.kind, *key)) for key in keys if key[1] is not None)
        return next(filter(None, found), None)


def _true_address(source: ArtifactSource) -> str | None:
    """Where it is, without what is secret of a link: masked ones may be the same for several."""
    return source.address if source.url is None else without_query(source.url)


def _by_what_tells_them(sources: Sequence[ArtifactSource]) -> dict[_Key, ArtifactSource]:
    offered: dict[_Key, ArtifactSource] = {}
    for source in sources:
        keys = (
            ("id", source.artifact_id),
            ("address", _true_address(source)),
            ("ordinal", str(source.ordinal)),
        )
        for name, value in keys:
            offered.setdefault((source.kind, name, value), source)
    return offered


_MARGIN = timedelta(seconds=60)
"""A link that ends sooner than this is renewed before it is used."""
_RENEWALS = 2
_LONGEST_REASON = 400
_AT_ONCE = 256


class ArtifactFetcher:
    """Downloads artifacts into files set aside in ``storage``, for one session.

    ``slots`` limit the downloads of all runs; ``executor`` has threads that help a run with many.
    ``mask`` takes out of what storage says what the user wants kept nowhere.
    """

    def __init__(
        self,
        downloader: Downloader,
        storage: LocalStorage,
        session: str,
        executor: Executor,
        slots: DownloadSlots,
        now: Callable[[], datetime],
        report: EventSink,
        mask: Callable[[str], str] = str,
    ) -> None:
        self._mask = mask
        self._report = report
        self._downloader = downloader
        self._storage = storage
        self._session = session
        self._executor = executor
        self._slots = slots
        self._now = now

    def act(
        self, run_id: RunId, decisions: Sequence[Decision], tally: Tally, links: FreshLinks
    ) -> list[ArtifactOutcome]:
        """Act on each decision and return what became of each artifact, in order.

        ``links`` renews those that have ended. The files are the caller's to publish or discard.
        An artifact's errors are part of its outcome. Raises what stops the batch.
        """
        outcomes: list[ArtifactOutcome] = []
        try:
            # A few at a time: a run may have very many, and each under way takes memory.
            for first in range(0, len(decisions), _AT_ONCE):
                some = decisions[first : first + _AT_ONCE]
                outcomes += self._act_on(run_id, some, tally, links)
        except BaseException:
            discard(outcomes)
            raise
        return outcomes

    def _act_on(
        self, run_id: RunId, decisions: Sequence[Decision], tally: Tally, links: FreshLinks
    ) -> list[ArtifactOutcome]:
        outcomes: dict[int, ArtifactOutcome] = {}
        to_fetch: deque[tuple[int, Fetch]] = deque()
        for index, decision in enumerate(decisions):
            match decision:
                case Keep(entry):
                    outcomes[index] = Recorded(entry)
                case Record(source, state, reason):
                    entry = entry_for(source, state, self._session, reason=reason)
                    outcomes[index] = Recorded(entry)
                case Fetch():
                    to_fetch.append((index, decision))

        def work() -> None:
            while to_fetch:
                try:
                    index, fetch = to_fetch.popleft()
                except IndexError:  # others were faster
                    return
                outcomes[index] = self._fetch(run_id, fetch, tally, links)

        with self._slots.for_a_run() as places:
            # The run's own thread works too.
            count = min(len(to_fetch), places) - 1
            helping = [self._executor.submit(work) for _ in range(count)]
            try:
                work()
                for other in helping:
                    if not other.cancel():
                        other.result()
            except BaseException:
                to_fetch.clear()
                wait(other for other in helping if not other.cancel())
                discard(outcomes.values())
                raise
        return [outcomes[index] for index in range(len(decisions))]

    def _fetch(
        self, run_id: RunId, fetch: Fetch, tally: Tally, links: FreshLinks
    ) -> ArtifactOutcome:
        """Fetch one artifact, in its turn."""
        slot = self._slots.slot()
        try:
            with self._slots.slots, contextlib.suppress(SlotBusy):
                return self._fetch_now(run_id, fetch, tally, links, slot)
            slot.wait()
            with self._slots.slots:
                return self._fetch_now(run_id, fetch, tally, links, slot)
        finally:
            slot.close()

    def _fetch_now(
        self, run_id: RunId, fetch: Fetch, tally: Tally, links: FreshLinks, slot: Slot
    ) -> ArtifactOutcome:
        source = fetch.source
        name = f"{download_prefix(run_id)}{source.kind}-{source.ordinal}"
        checkpoints = Checkpoints(
            self._storage, name, source.address, lambda said: self._mask(said) == said
        )
        file, state = checkpoints.begin()
        state.admit = slot.admit
        shown = _Shown(self._report, run_id, source)
        state.show = shown.take
        try:
            download = _Download(self._downloader, links, self._now, file, state, tally.patience)
            outcome = self._download_and_check(fetch, download)
            if isinstance(outcome, Received):
                file.finish()
                return outcome
        except ArtifactError as error:
            outcome = self._without_bytes(fetch, error, state)
            if isinstance(error, DownloadFailed) and checkpoints.save(file, state.remote):
                file.leave()
                return outcome
        except FileTooLarge as error:
            size = max(file.size, state.remote.length if state.remote else 0)
            what = DownloadFailed(
                f"{size} bytes are more than a file may have here", hint=error.hint
            )
            outcome = self._without_bytes(fetch, what, state)
        except (Interrupted, SlotBusy, TooLargeForWorker):
            if checkpoints.save(file, state.remote):
                file.leave()
            else:
                file.discard()
            raise
        except BaseException:
            file.discard()
            raise
        finally:
            shown.close()
            again = max(0, state.attempts - 1)
            tally.add(requests=state.attempts, retries=again, received=state.received)
        file.discard()
        return outcome

    def _download_and_check(self, fetch: Fetch, download: "_Download") -> ArtifactOutcome:
        """Download, and once more from scratch where the digest is not the one expected."""
        source, expected = fetch.source, fetch.source.expected_sha256
        file, state = download.file, download.state
        download.run(source, decode=expected is None)
        if expected is not None and file.sha256 != expected:
            state.start_over(file)
            download.run(source, decode=True)
            if file.sha256 != expected:
                return Recorded(
                    entry_for(
                        source,
                        ArtifactState.MISMATCH,
                        self._session,
                        size=file.size,
                        sha256=file.sha256,
                        media_type=file.media_type.name,
                        served_type=self._served_type(state),
                        attempts=state.attempts,
                        fetched_at=self._now(),
                        reason="the bytes do not have the SHA-256 that the API gave",
                    )
                )
        if fetch.fallback is not None and fetch.fallback.sha256 == file.sha256:
            return Recorded(with_source(fetch.fallback, source))
        return Received(
            source,
            file,
            size=file.size,
            sha256=file.sha256,
            media_type=file.media_type,
            attempts=state.attempts,
            served_type=self._served_type(state),
            at=self._now(),
        )

    def _without_bytes(
        self, fetch: Fetch, error: ArtifactError, state: DownloadState
    ) -> ArtifactOutcome:
        match error:
            case ArtifactGone():
                became = ArtifactState.GONE
            case ArtifactUnwanted():
                became = ArtifactState.EXCLUDED
            case _:
                became = ArtifactState.FAILED
        reason = textwrap.shorten(self._mask(str(error)), _LONGEST_REASON, placeholder=" …")
        if fetch.fallback is not None and became is ArtifactState.EXCLUDED:
            return Recorded(with_source(fetch.fallback, fetch.source, reason=reason))
        if fetch.fallback is not None and became is ArtifactState.GONE:
            return Recorded(with_source(fetch.fallback, fetch.source, reason=EARLIER_COPY))
        if fetch.fallback is not None and became is ArtifactState.FAILED:
            return Recorded(with_source(fetch.fallback, fetch.source), failure=reason)
        return Recorded(
            entry_for(
                fetch.source,
                became,
                self._session,
                served_type=self._served_type(state),
                attempts=state.attempts,
                fetched_at=self._now(),
                reason=reason,
            )
        )

    def _served_type(self, state: DownloadState) -> str | None:
        return None if state.served_type is None else self._mask(state.served_type)


@dataclass(slots=True)
class _Shown:
    """Reports how far a large file is."""

    report: EventSink
    run_id: str
    source: ArtifactSource
    is_large: bool = False

    def take(self, size: int, total: int | None) -> None:
        self.is_large = self.is_large or max(size, total or 0) >= LARGE
        if self.is_large:
            self.report(
                FileProgress(self.run_id, self.source.kind, self.source.ordinal, size, total)
            )

    def close(self) -> None:
        if self.is_large:
            self.report(
                FileProgress(self.run_id, self.source.kind, self.source.ordinal, is_over=True)
            )


def discard(outcomes: Iterable[ArtifactOutcome]) -> None:
    """Remove the files of outcomes that will not be committed."""
    for outcome in outcomes:
        if isinstance(outcome, Received):
            outcome.file.discard()


@dataclass(slots=True)
class _Download:
    """One artifact on its way to disk, with a fresh link where the old one has ended."""

    downloader: Downloader
    links: FreshLinks
    now: Callable[[], datetime]
    file: StagedFile
    state: DownloadState
    patience: Patience

    def run(self, source: ArtifactSource, *, decode: bool) -> None:
        """Download ``source`` into the file, undoing its content encoding where ``decode``.

        Raises ArtifactError, or what stops the batch.
        """
        if source.url is not None and is_expiring(source.url, self.now(), _MARGIN):
            source = self.links.renewed(source)
        for left in reversed(range(_RENEWALS + 1)):
            try:
                self.downloader.download(
                    source, self.file, self.state, self.patience, decode=decode
                )
            except LinkExpired as error:
                if not left:
                    raise DownloadFailed(f"{error.message}, and fresh ones too") from None
                source = self.links.renewed(source)
            else:
                break
