"""Signed links: how long one is good for.

Skyvern signs its content URLs with ``expiry`` (unix time); S3 and Google Cloud Storage say when a
link was signed and for how many seconds, Azure when it ends.
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

_UNIX_TIME = ("expiry", "expires")
_SIGNED = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"))


def expires_at(url: str) -> datetime | None:
    """When a link ends (UTC), None where it does not say."""
    if "?" not in url:
        return None
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
        for name in _UNIX_TIME:
            if query.get(name, "").isdecimal():
                return datetime.fromtimestamp(int(query[name]), UTC)
        for signed, seconds in _SIGNED:
            if signed in query and query.get(seconds, "").isdecimal():
                since = datetime.strptime(query[signed], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return since + timedelta(seconds=int(query[seconds]))
        if "se" in query and "sig" in query:
            end = datetime.fromisoformat(query["se"])
            return end if end.tzinfo else end.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def is_expiring(url: str, now: datetime, margin: timedelta) -> bool:
    """Whether a link has ended or ends within ``margin``."""
    end = expires_at(url)
    return end is not None and end <= now + margin
