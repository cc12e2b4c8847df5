"""Asking the API for runs, and what to do about what it answers."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock, Semaphore

import msgspec
from msgspec.structs import replace

from archiver.errors import AnswerInvalid, ApiDown, ApiUnavailable, RunError
from archiver.fetch.http.api import ApiAnswer, RunsApi, Tally
from archiver.fetch.limits import MemoryBudget
from archiver.fetch.plan import Decision, Record, Selection, plan
from archiver.masking.redaction import Redaction, RedactionRules
from archiver.masking.secrets import mask_and_encode
from archiver.model.artifact import ArtifactSource
from archiver.model.document import FieldReader, decode_json, encode_json
from archiver.model.ids import RunId, Sha256, answers_for
from archiver.model.manifest import Manifest
from archiver.model.run import Run, _read


class Answer(msgspec.Struct, frozen=True):
    """The API's answer, understood: the run, its artifacts, and the document fit to be written.

    ``document`` is the masked answer as JSON text; ``received_sha256`` is the digest of the bytes
    as they came, ``at`` when that was. ``redacted`` counts the places that the user wanted masked,
    None where nothing was to be. ``sources`` hold signed URLs and never leave memory.
    """

    run: Run
    sources: tuple[ArtifactSource, ...]
    document: str
    received_sha256: Sha256
    at: datetime
    redacted: int | None = None


def read_answer(
    body: bytes | bytearray,
    received_sha256: Sha256,
    asked: RunId,
    at: datetime,
    secrets: tuple[str, ...] = (),
    redaction: Redaction | None = None,
    unmask: tuple[str, ...] = (),
) -> Answer:
    """Read the API's answer to the question for ``asked``, received ``at`` (UTC).

    ``secrets`` and ``unmask`` are for :func:`mask_and_encode`.

    Raises AnswerInvalid when it is no run: not JSON, no object, another run's id, no status.
    """
    try:
        value = decode_json(body)
        if not isinstance(value, dict):
            raise AnswerInvalid(f"the API's answer for {asked} is no JSON object")
        document, text = mask_and_encode(value, secrets, unmask)
        redacted = None
        if redaction is not None:
            document, redacted = redaction.of(document)
            text = encode_json(document)
        run, sources = _read(document, FieldReader(value, []))
    except RecursionError:
        raise AnswerInvalid(f"the API's answer for {asked} is nested too deeply") from None
    except ValueError as error:
        raise AnswerInvalid(f"the API's answer for {asked} is not JSON: {error}") from None
    if not answers_for(asked, run.run_id):
        raise AnswerInvalid(f"the API answered with run {run.run_id} when asked for {asked}")
    return Answer(run, sources, text, received_sha256, at, redacted)


_DOCUMENT_BYTES = 32 << 20
"""Answers under way at once, as they were received."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to take of a run: artifacts after ``settle``, those selected; the texts to mask."""

    selection: Selection
    settle: timedelta
    secrets: tuple[str, ...]
    redact: RedactionRules = field(default_factory=RedactionRules)
    """What else is to be masked."""
    unmask: tuple[str, ...] = ()
    """Names of fields whose values stay although they are those of secrets."""


class AnswerClient:
    """Asks the API for runs and plans what to do about them. Safe to use from several threads.

    ``redaction`` masks what is to be kept nowhere. ``slots`` limits the questions under way;
    ``check_stop`` may raise Interrupted. After ``most_failures`` runs in a row that got no answer
    the API is taken to be down.
    """

    def __init__(
        self,
        api: RunsApi,
        options: RunOptions,
        redaction: Redaction | None,
        slots: Semaphore,
        check_stop: Callable[[], None],
        now: Callable[[], datetime],
        most_failures: int,
    ) -> None:
        self.options = options
        self.now = now
        self.check_stop = check_stop
        self._api = api
        self._slots = slots
        self._breaker = _CircuitBreaker(api.base_url, most_failures)
        self._reading = Lock()
        self._redaction = redaction
        self._memory = MemoryBudget(_DOCUMENT_BYTES, check_stop)

    def get(self, asked: RunId, tally: Tally, resources: ExitStack) -> Answer:
        """The run, as the API answers for it. Raises RunError.

        The answer takes ``room`` in memory: others wait until that is closed.
        """
        with self._slots:
            self.check_stop()
            received = self._get(asked, tally)
            resources.enter_context(self._memory.reserve(len(received.body)))
        return self._read(asked, received)

    def refresh(self, asked: RunId, tally: Tally) -> Answer:
        """The same for a run that has its room already, and must not wait for others to ask."""
        return self._read(asked, self._get(asked, tally))

    def _get(self, asked: RunId, tally: Tally) -> ApiAnswer:
        try:
            received = self._api.get_run(asked, tally, once=self._breaker.is_open)
        except ApiUnavailable as error:
            self._breaker.failed(error)
            raise
        except RunError:
            self._breaker.answered()
            raise
        self._breaker.answered()
        return received

    def _read(self, asked: RunId, received: ApiAnswer) -> Answer:
        # A document takes many times its size while it is read: one at a time.
        with self._reading:
            return read_answer(
                received.body,
                received.sha256,
                asked,
                received.at,
                self.options.secrets,
                self._redaction,
                self.options.unmask,
            )

    def redacted(self, text: str) -> str:
        """What storage or the user said, fit to be kept and shown."""
        return text if self._redaction is None else self._redaction.text(text)

    def is_settled(self, answer: Answer, seen_final: datetime | None = None) -> bool:
        """Whether a run is settled that the archive first saw final then, if it did."""
        return answer.run.is_settled(answer.at, self.options.settle, seen_final)

    def plan(
        self, answer: Answer, latest: Manifest | None, seen_final: datetime | None = None
    ) -> list[Decision]:
        decisions = plan(
            answer.sources,
            latest,
            self.options.selection,
            settled=self.is_settled(answer, seen_final),
            take_unsettled=not self.options.settle,
        )
        if self._redaction is None:
            return decisions
        # A reason quotes the option, which may name what is to be masked.
        return [
            replace(one, reason=self.redacted(one.reason)) if isinstance(one, Record) else one
            for one in decisions
        ]


class _CircuitBreaker:
    """Ends the batch when the API answers nobody any more. Used from several threads.

    A fifth of ``most`` runs in a row without an answer, each after all its attempts, open it: then
    every run gets one attempt, until one has an answer or too many had none.
    """

    def __init__(self, base_url: str, most: int) -> None:
        self._base_url = base_url
        self._most = most
        self._failed = 0
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        return self._failed >= self._most / 5

    def answered(self) -> None:
        with self._lock:
            self._failed = 0

    def failed(self, error: ApiUnavailable) -> None:
        """Raises ApiDown once too many runs in a row got no answer."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._most:
                raise ApiDown(
                    f"the API at {self._base_url} is down: {self._failed} runs in a row got no "
                    f"answer (the last: {error})",
                    hint="Run the same command again when it is back; the rest was not asked for",
                )
