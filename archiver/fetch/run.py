"""One run, from its id to all that is to be committed: ask, understand, plan, download."""

import time
import traceback
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from threading import Lock

from archiver.errors import (
    AnswerInvalid,
    ArchiveDamaged,
    ArchiverError,
    FileTooLarge,
    RunError,
    RunNotFound,
)
from archiver.fetch.answer import Answer, AnswerClient
from archiver.fetch.artifacts import ArtifactFetcher, FreshLinks, discard
from archiver.fetch.events import Problem
from archiver.fetch.http.api import Tally
from archiver.fetch.limits import TooLargeForWorker
from archiver.fetch.revision import ArtifactOutcome, Recorded, next_revision
from archiver.model.artifact import ArtifactSource, ArtifactState
from archiver.model.ids import RunId
from archiver.model.ledger import ListedManifest, manifest_path
from archiver.model.manifest import Manifest
from archiver.model.paths import run_folder
from archiver.model.rows import Fetched, Outcome, RevisionRows, revision_rows
from archiver.store.archive_file import TOOL
from archiver.store.lock import Writer
from archiver.store.revisions import (
    PreparedRevision,
    first_seen_final,
    latest_revision,
    prepare_revision,
    with_pages_named,
)


@dataclass(frozen=True, slots=True)
class Committed:
    """A revision that is in the archive, and what the tables and the ledger are to say of it."""

    manifest: ListedManifest
    fetched_at: datetime
    rows: RevisionRows


@dataclass(frozen=True, slots=True)
class Archived:
    """What came of an id: the row of ``fetches``, and the revision if there is a new one.

    ``states`` are those of the artifacts of the run's latest revision, ``problems`` what could not
    be had, ``redacted`` the places masked in a new one by the user's wish.
    """

    fetched: Fetched
    states: tuple[ArtifactState, ...] = ()
    problems: tuple[Problem, ...] = ()
    committed: Committed | None = None
    redacted: int | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of an id, and the revision that is to be committed if there is a new one.

    ``resources`` are what it takes, in memory and of files set aside: closed by whoever has dealt
    with it.
    """

    archived: Archived
    revision: PreparedRevision | None = None
    resources: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True, slots=True)
class Returned:
    """An id of which nothing was made here, although it was begun or because it was not."""

    asked: RunId
    is_started: bool = True


class RunArchiver:
    """Archives single runs, for one session. Safe to use from several threads.

    ``folders`` are those of the runs that the archive has already, by run id. ``own_ids_only``:
    runs that the API knows under another id are returned undone.
    """

    def __init__(
        self,
        client: AnswerClient,
        fetcher: ArtifactFetcher,
        writer: Writer,
        folders: Mapping[str, str],
        *,
        own_ids_only: bool = False,
    ) -> None:
        self._client = client
        self._fetcher = fetcher
        self._writer = writer
        self._folders = folders
        self._own_ids_only = own_ids_only
        self._guard = Lock()
        self._locks: weakref.WeakValueDictionary[str, _RunLock] = weakref.WeakValueDictionary()

    def archive(self, asked: RunId) -> RunResult | Returned:
        """Do all of one run but its commit, and return what is to be committed.

        Errors of the run or of its artifacts are in the result. Raises what stops the batch:
        KeyRefused, ArchiveUnwritable, Interrupted.
        """
        request = _Request(asked, self._writer.session, self._client.now(), time.monotonic())
        try:
            with ExitStack() as resources:
                answer = self._client.get(asked, request.tally, resources)
                if self._own_ids_only and answer.run.run_id != asked:
                    return Returned(asked)
                # A tsk_v2_… run may be asked for under its wr_… id too, at the same time.
                resources.enter_context(self._lock_of(answer.run.run_id))
                return self._archive(request, answer, resources)
        except RunNotFound as error:
            return request.failed(Outcome.NOT_FOUND, str(error))
        except (RunError, ArchiveDamaged) as error:
            return request.failed(Outcome.FAILED, str(error))
        except FileTooLarge as error:
            reason = f"its document or manifest is larger than a file may be here. {error.hint}"
            return request.failed(Outcome.FAILED, reason)
        except TooLargeForWorker:
            return Returned(asked)
        except ArchiverError:
            raise
        except Exception as error:  # noqa: BLE001 # a bug may cost one run, not the night
            return request.failed(Outcome.FAILED, _bug(error))

    def _archive(self, request: "_Request", answer: Answer, resources: ExitStack) -> RunResult:
        run, storage = answer.run, self._writer.storage
        folder = run_folder_of(answer, self._folders)
        latest = latest_revision(storage, folder)
        if latest is not None and latest.removed is not None:
            return RunResult(Archived(request.answered(Outcome.UNCHANGED, run.run_id)))
        links = FreshLinks(answer.sources, lambda: self._refresh(request, run.run_id))
        seen_final = first_seen_final(storage, folder, latest)
        known = with_pages_named(storage, folder, latest) if latest is not None else None
        decisions = self._client.plan(answer, known, seen_final)
        outcomes = self._fetcher.act(run.run_id, decisions, request.tally, links)
        resources.callback(discard, outcomes)
        settled = self._client.is_settled(answer, seen_final)
        new = next_revision(
            request.asked,
            answer,
            latest,
            outcomes,
            settled=settled,
            fetched_at=answer.at,
            session=self._writer.session,
            tool=TOOL,
        )
        prepared = None
        if new is not None:
            self._client.check_stop()
            prepared = prepare_revision(storage, folder, new.manifest, new.document, new.files)
            resources.callback(prepared.discard)
        manifest = new.manifest if new else latest
        outcome = Outcome.FETCHED if new else Outcome.UNCHANGED
        archived = Archived(
            request.answered(outcome if settled else Outcome.UNFINISHED, run.run_id),
            tuple(entry.state for entry in manifest.artifacts) if manifest else (),
            tuple(_problems(run.run_id, manifest, outcomes)),
            Committed(
                ListedManifest(prepared.sha256, manifest_path(prepared.path)),
                answer.at,
                revision_rows(prepared.manifest, run, answer.document, folder),
            )
            if prepared
            else None,
            new.manifest.redacted if new else None,
        )
        return RunResult(archived, prepared, resources.pop_all())

    def _refresh(self, request: "_Request", run_id: RunId) -> Sequence[ArtifactSource]:
        answer = self._client.refresh(request.asked, request.tally)
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
class _Request:
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
        return RunResult(Archived(self.answered(outcome, None, reason), problems=(problem,)))


def _bug(error: Exception) -> str:
    """Where it happened, but not the message: it may quote what is secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{PurePath(frame.filename).name}, line {frame.lineno}"
    return f"a bug of this tool ({type(error).__name__} in {where}): please report it"


def run_folder_of(answer: Answer, folders: Mapping[str, str]) -> str:
    """Return a run's folder: the one it has, whatever the API says of its creation today."""
    run = answer.run
    return folders.get(run.run_id) or run_folder(run.run_id, run.created_at)


def _problems(
    run_id: RunId, manifest: Manifest | None, outcomes: Sequence[ArtifactOutcome]
) -> Iterator[Problem]:
    for entry in manifest.artifacts if manifest else ():
        if entry.state.is_gap:
            yield Problem(run_id, entry.kind, entry.ordinal, entry.reason or entry.state)
    for one in outcomes:
        if isinstance(one, Recorded) and one.failure:
            entry = one.entry
            yield Problem(run_id, entry.kind, entry.ordinal, one.failure)
