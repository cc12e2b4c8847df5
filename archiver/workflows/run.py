"""One run, from its id to its commit: ask, understand, plan, download, commit."""

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock, Semaphore

from archiver.adapters.api import ApiAnswer, RunsApi, Tally
from archiver.adapters.archive import TOOL, Writer
from archiver.adapters.revisions import commit_revision, latest_revision
from archiver.adapters.staging import StagedFile
from archiver.domain.artifact import ArtifactSource
from archiver.domain.manifest import ArtifactEntry, Manifest
from archiver.domain.paths import run_folder
from archiver.domain.plan import Decision, Selection, plan
from archiver.domain.revision import Entered, Settlement, next_revision
from archiver.domain.rows import Fetched, Outcome, RevisionRows, revision_rows
from archiver.domain.run import Answer, read_answer
from archiver.domain.run_id import RunId
from archiver.domain.summary import Problem
from archiver.errors import (
    AnswerInvalid,
    ApiDown,
    ApiUnavailable,
    ArchiveDamaged,
    RunError,
    RunNotFound,
)
from archiver.workflows.artifacts import ArtifactFetcher, discard
from archiver.workflows.links import FreshLinks


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to take of a run: artifacts after ``settle``, those selected; the texts to mask."""

    selection: Selection
    settle: timedelta
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of an id: the row of ``fetches``, and those of the revision if one was committed.

    ``artifacts`` are those of the run's latest revision, ``problems`` what could not be had.
    """

    fetched: Fetched
    artifacts: tuple[ArtifactEntry, ...] = ()
    problems: tuple[Problem, ...] = ()
    manifest: Manifest | None = None
    rows: RevisionRows | None = None


class RunAsker:
    """Asks the API for runs and plans what to do about them. Safe to use from several threads.

    ``slots`` limits the questions under way; ``check_stop`` may raise Interrupted.
    """

    def __init__(
        self,
        api: RunsApi,
        options: RunOptions,
        slots: Semaphore,
        check_stop: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        self.options = options
        self.now = now
        self.check_stop = check_stop
        self._api = api
        self._slots = slots
        self._breaker = _Breaker(api.base_url)

    def ask(self, asked: RunId, tally: Tally) -> tuple[Answer, ApiAnswer]:
        """The run, and the answer it was read from. Raises RunError."""
        with self._slots:
            self.check_stop()
            try:
                received = self._api.get_run(asked, tally, once=self._breaker.is_open)
            except ApiUnavailable as error:
                self._breaker.failed(error)
                raise
            except RunError:
                self._breaker.answered()
                raise
        self._breaker.answered()
        return read_answer(received.body, received.sha256, asked, self.options.secrets), received

    def plan(self, answer: Answer, held: Manifest | None, at: datetime) -> list[Decision]:
        return plan(
            answer.sources,
            held,
            self.options.selection,
            settled=answer.run.is_settled(at, self.options.settle),
            take_unsettled=not self.options.settle,
        )


class _Breaker:
    """Ends the batch when the API answers nobody any more. Used from several threads.

    Some runs in a row without an answer, each after all its attempts, open it: then every run gets
    one attempt, until one has an answer or too many had none.
    """

    _DOUBT = 20
    _MOST = 100

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._failed = 0
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        return self._failed >= self._DOUBT

    def answered(self) -> None:
        with self._lock:
            self._failed = 0

    def failed(self, error: ApiUnavailable) -> None:
        """Raises ApiDown once too many runs in a row got no answer."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._MOST:
                raise ApiDown(
                    f"the API at {self._base_url} is down: {self._failed} runs in a row got no "
                    f"answer (the last: {error})",
                    hint="Run the same command again when it is back; the rest was not asked for",
                )


class RunArchiver:
    """Archives single runs, for one session. Safe to use from several threads.

    ``folders`` are those of the runs that the archive holds already, by run id.
    """

    def __init__(
        self,
        asker: RunAsker,
        fetcher: ArtifactFetcher,
        writer: Writer,
        folders: Mapping[str, str],
    ) -> None:
        self._asker = asker
        self._fetcher = fetcher
        self._writer = writer
        self._folders = folders
        self._guard = Lock()
        self._locks: weakref.WeakValueDictionary[str, _RunLock] = weakref.WeakValueDictionary()

    def archive(self, asked: RunId) -> RunResult:
        """Archive one run. Errors of the run or of its artifacts are part of the result.

        Raises what stops the batch: KeyRefused, ArchiveUnwritable, Interrupted.
        """
        question = _Question(asked, self._writer.session, self._asker.now(), time.monotonic())
        try:
            answer, received = self._asker.ask(asked, question.tally)
            # A tsk_v2_… run may be asked for under its wr_… id too, at the same time.
            with self._lock_of(answer.run.run_id):
                return self._archive(question, answer, received.at)
        except RunNotFound as error:
            return question.failed(Outcome.NOT_FOUND, str(error))
        except (RunError, ArchiveDamaged) as error:
            return question.failed(Outcome.FAILED, str(error))

    def _archive(self, question: "_Question", answer: Answer, at: datetime) -> RunResult:
        run, storage = answer.run, self._writer.storage
        folder = folder_of(answer, self._folders)
        held = latest_revision(storage, folder)
        links = FreshLinks(answer.sources, lambda: self._ask_again(question, run.run_id))
        decisions = self._asker.plan(answer, held, at)
        settlements = self._fetcher.act(decisions, question.tally, links)
        try:
            settled = run.is_settled(at, self._asker.options.settle)
            new = next_revision(
                question.asked,
                answer,
                held,
                settlements,
                settled=settled,
                fetched_at=at,
                session=self._writer.session,
                tool=TOOL,
            )
            if new is not None:
                self._asker.check_stop()
                commit_revision(self._writer, folder, new.manifest, new.document, new.files)
        finally:
            discard(settlements)
        manifest = new.manifest if new else held
        outcome = Outcome.FETCHED if new else Outcome.UNCHANGED
        return RunResult(
            question.answered(outcome if settled else Outcome.UNFINISHED, run.run_id),
            manifest.artifacts if manifest else (),
            tuple(_problems(run.run_id, manifest, settlements)),
            new.manifest if new else None,
            revision_rows(new.manifest, run, answer.document, folder) if new else None,
        )

    def _ask_again(self, question: "_Question", run_id: RunId) -> Sequence[ArtifactSource]:
        answer, _ = self._asker.ask(question.asked, question.tally)
        if answer.run.run_id != run_id:
            raise AnswerInvalid(f"the API now answers with run {answer.run.run_id}")
        return answer.sources

    def _lock_of(self, run_id: str) -> "_RunLock":
        with self._guard:
            return self._locks.setdefault(run_id, _RunLock())


class _RunLock:
    """A lock that is forgotten when nobody uses it."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


@dataclass(slots=True)
class _Question:
    """An id that is being asked for, and what it has cost so far."""

    asked: RunId
    session: str
    at: datetime
    started: float
    tally: Tally = field(default_factory=Tally)

    def answered(
        self, outcome: Outcome, run_id: RunId | None, reason: str | None = None
    ) -> Fetched:
        return Fetched(
            session=self.session,
            asked_id=self.asked,
            run_id=run_id,
            outcome=outcome,
            http_status=self.tally.http_status,
            reason=reason,
            requests=self.tally.requests,
            retries=self.tally.retries,
            bytes=self.tally.bytes,
            seconds=round(time.monotonic() - self.started, 6),
            at=self.at,
        )

    def failed(self, outcome: Outcome, reason: str) -> RunResult:
        problem = Problem(self.asked, None, None, reason)
        return RunResult(self.answered(outcome, None, reason), problems=(problem,))


def folder_of(answer: Answer, folders: Mapping[str, str]) -> str:
    """A run's folder: the one it has, whatever the API says of its creation today."""
    run = answer.run
    return folders.get(run.run_id) or run_folder(run.run_id, run.created_at)


def _problems(
    run_id: RunId, manifest: Manifest | None, settlements: list[Settlement[StagedFile]]
) -> Iterator[Problem]:
    for entry in manifest.artifacts if manifest else ():
        if entry.state.is_gap:
            yield Problem(run_id, entry.kind, entry.ordinal, entry.reason or entry.state)
    for settlement in settlements:
        if isinstance(settlement, Entered) and settlement.failure:
            entry = settlement.entry
            yield Problem(run_id, entry.kind, entry.ordinal, settlement.failure)
