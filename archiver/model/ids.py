"""The id of a run, as a type that cannot hold anything else."""

import hashlib
import re
from collections.abc import Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Protocol

from archiver.errors import InvalidRunId

RUN_ID = re.compile(r"(?:tsk_v2_|tsk_|wr_)[A-Za-z0-9_-]{1,128}", re.ASCII)


class RunId(str):
    """A run id such as ``tsk_123``, ``tsk_v2_123`` or ``wr_123``.

    Safe as a path component and as a part of a URL: letters, digits, ``_`` and ``-`` only.
    Prefixes as in Skyvern's API reference ("Get run"). Raises :class:`InvalidRunId`.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "RunId":
        if not RUN_ID.fullmatch(text):
            raise InvalidRunId(
                f"{text[:80]!r} is no run id",
                hint="Run ids look like tsk_123, tsk_v2_123 or wr_123",
            )
        return super().__new__(cls, text)

    @property
    def is_workflow_run(self) -> bool:
        return self.startswith("wr_")

    @property
    def is_task_v2(self) -> bool:
        return self.startswith("tsk_v2_")


def answers_for(asked: RunId, answered: RunId) -> bool:
    """Whether an answer with the id ``answered`` is the run that was asked for.

    A ``tsk_v2_…`` run is a workflow run underneath: asking for that ``wr_…`` id answers with the
    ``tsk_v2_…`` run (seen with Skyvern 1.0.56). Any other difference is a fault of the server.
    """
    return asked == answered or (asked.is_workflow_run and answered.is_task_v2)


_SESSION_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8}", re.ASCII)
_TICK = timedelta(milliseconds=1)


class SessionId(str):
    """The id of one execution of fetch: time in UTC, then chance; sorts by time.

    ISO 8601's basic form with milliseconds: ``20261124T010203.456Z-0011aabb``.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "SessionId":
        if not _SESSION_ID.fullmatch(text):
            raise ValueError(f"not a session id: {text[:80]!r}")
        _time_of(text)  # raises ValueError for a day that is none
        return super().__new__(cls, text)

    @classmethod
    def at(cls, now: datetime, random: bytes, after: "SessionId | None" = None) -> "SessionId":
        """The id of a session that starts ``now`` (UTC); ``random`` are 4 bytes.

        It sorts behind the id ``after``, also where the clock was set back since.
        """
        if after is not None:
            now = max(now, _time_of(after) + _TICK)
        moment = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}"
        return cls(f"{moment}Z-{random.hex()}")


def _time_of(session: str) -> datetime:
    time = datetime.strptime(session[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    if time.year == MAXYEAR:
        raise ValueError(f"not a session id: no other can follow {session}")
    return time


_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LINES = 10_000
_PREFIX = re.compile(r"sha-?256[:=]", re.ASCII | re.IGNORECASE)


class Sha256(str):
    """A SHA-256 digest as 64 lower-case hex digits. Raises ValueError for anything else."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Sha256":
        if not _HEX.fullmatch(text):
            raise ValueError(f"not a SHA-256 in lower-case hex: {text[:80]!r}")
        return super().__new__(cls, text)


class Hash(Protocol):
    """What this project needs of a running hash (``hashlib``'s objects have it)."""

    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


def sha256_of(data: bytes) -> Sha256:
    """The digest of ``data``."""
    return Sha256(hashlib.sha256(data).hexdigest())


def digest_of_lines(lines: Sequence[str]) -> Sha256:
    """The digest of a list of texts, one per line, in the order given."""
    digest = hashlib.sha256()
    for first in range(0, len(lines), _LINES):  # there may be millions
        some = lines[first : first + _LINES]
        digest.update("".join(f"{line}\n" for line in some).encode())
    return Sha256(digest.hexdigest())


def parse_checksum(text: str) -> Sha256:
    """The digest that an API checksum names: hex in any case, with or without ``sha256:``.

    Raises ValueError when it is no SHA-256 (another algorithm, another encoding, cut short).
    """
    if _HEX.fullmatch(text):
        return Sha256(text)
    return Sha256(_PREFIX.sub("", text.strip(), count=1).strip().lower())


def parse_timestamp(text: str) -> datetime:
    """An ISO 8601 date and time as an aware datetime in UTC. Raises ValueError when it is none."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        return datetime.combine(moment, moment.time(), UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"outside the calendar: {text[:40]!r}") from None


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from ``start`` to ``end``; None where one is missing or the clock ran backwards."""
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds()
