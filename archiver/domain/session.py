"""Sessions: their ids."""

import re
from datetime import MAXYEAR, UTC, datetime, timedelta

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
