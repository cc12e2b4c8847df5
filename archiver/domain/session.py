"""Sessions: their ids, and the record that each leaves in the ledger."""

import hashlib
import re
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Annotated

import msgspec

from archiver.domain.digest import Sha256
from archiver.errors import ArchiveDamaged

FORMAT = 1
_SESSION_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8}", re.ASCII)
_LINES = 10_000
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


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""A number of things, or of bytes, that any reader of JSON can hold, and sums of it too."""


class LedgerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a session did. ``previous_sha256`` is the digest of the record before: the chain."""

    format: Annotated[int, msgspec.Meta(ge=1)] = FORMAT
    session: str
    tool: str
    started_at: _Moment
    finished_at: _Moment
    interrupted: bool
    ids_asked: _Count
    ids_sha256: str
    runs: dict[str, _Count]
    artifacts: dict[str, _Count]
    manifests: _Count
    manifests_sha256: str
    bytes_downloaded: _Count
    recovered: tuple[str, ...] = ()
    previous_session: str | None = None
    previous_sha256: str | None = None


def encode_ledger_record(record: LedgerRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record, enc_hook=str), indent=1) + b"\n"


def decode_ledger_record(data: bytes, where: str) -> LedgerRecord:
    """Raises ArchiveDamaged when ``data`` is no ledger record."""
    try:
        return msgspec.json.decode(data, type=LedgerRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveDamaged(f"{where} is no ledger record: {error}") from None


def digest_of_lines(lines: list[str]) -> Sha256:
    """The digest of a list of texts, one per line, in the order given."""
    digest = hashlib.sha256()
    for first in range(0, len(lines), _LINES):  # there may be millions
        some = lines[first : first + _LINES]
        digest.update("".join(f"{line}\n" for line in some).encode())
    return Sha256(digest.hexdigest())
