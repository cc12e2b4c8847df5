"""URLs and texts that hold some, without credentials and signatures.

An artifact's URL loses its query. In any other text a query is cut off where it carries a
signature, as S3, Google, Azure, CloudFront and Skyvern itself write them; what an ordinary site
puts into a query stays.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

MASK = "***"

_USERINFO = re.compile(r"(?<=://)[^/\s?#@]+(?:@[^/\s?#@]+)*@")
_NO_PORT = re.compile(r":(?![0-9]*$)")
_QUERY = re.compile(r"(?:[?#]|%3[Ff])[^\s\"'<>]*")
_SIGNATURE = re.compile(
    r"[?&#;%\\](?:(?<=[?&#;])|(?<=%)3f|(?<=%)26|(?<=\\)u0026)(?:amp;)?"
    r"(?:sig|signature|hmac|x-amz-(?:signature|credential|security-token)"
    r"|x-goog-(?:signature|credential)|awsaccesskeyid|googleaccessid|access_token"
    r"|(?:token|auth|policy)(?=(?:=|%3d)[^&#;,)\]}|\s\"'<>]{16}))"
    r"(?:=|%3d)[^&#;,)\]}|\s\"'<>]*",
    re.IGNORECASE,
)
_BEHIND_QUERY = re.compile(r"[,)\]}|].*", re.DOTALL)
"""What may follow a URL without a space: the rest of a list, of Markdown, of a table."""


def mask_text(text: str) -> str:
    """``text`` without signatures and credentials of the URLs in it."""
    # Most texts have neither "=" nor its escape, and so no signature: looking costs least.
    if ("=" in text or "%3" in text) and _SIGNATURE.search(text):
        text = _QUERY.sub(_cut_if_signed, text)
    if "@" in text and "://" in text:
        text = _USERINFO.sub(MASK + "@", text)
    return text


def without_query(url: str) -> str:
    """A URL without query, fragment and credentials, fit for tables and messages.

    In a ``file`` URL a raw ``?`` or ``#`` belongs to the file's name, unless a signature follows.
    """
    if url[:5].lower() == "file:":
        return mask_text(url)
    url = url.partition("?")[0].partition("#")[0]
    return _USERINFO.sub(MASK + "@", url) if "@" in url else url


def mask_request_url(url: str, secret: Callable[[str, str], None]) -> str:
    """A URL of the request: credentials and the query's values masked, names kept.

    ``secret`` is told of each name and value that was masked.
    """
    scheme, separator, rest = url.partition("//")
    if scheme and not scheme.endswith(":"):
        scheme, separator, rest = "", "", url
    authority, slash, path = rest.partition("/")
    # A password may hold "?" and "#", raw: whatever stands before the last "@" is no host.
    userinfo, at, host = authority.rpartition("@")
    if not at and "@" in path and _NO_PORT.search(authority):
        # Nor is what has no port behind its colon: a "/" stands raw in the password.
        userinfo, at, path = f"{authority}/{path}".rpartition("@")
        host, slash, path = path.partition("/")
    if at:
        secret("password", userinfo)
        secret("password", userinfo.partition(":")[2])
    head, *parts = re.split(r"([?#&;])", f"{host if at else authority}{slash}{path}")
    first = next((n for n, part in enumerate(parts) if part in ("?", "#")), len(parts))
    head += "".join(parts[:first])
    query = "".join(_mask_pair(part, secret) for part in parts[first:])
    return f"{scheme}{separator}{MASK + '@' if at else ''}{head}{query}"


def _mask_pair(part: str, secret: Callable[[str, str], None]) -> str:
    if part in ("", "?", "#", "&", ";"):
        return part
    name, equals, value = part.partition("=")
    secret(name, value if equals else name)
    return f"{name}={MASK}" if equals else MASK


def _cut_if_signed(match: re.Match[str]) -> str:
    text = match[0]
    end = max((found.end() for found in _SIGNATURE.finditer(text)), default=0)
    if not end:
        return text
    behind = _BEHIND_QUERY.search(text, end)
    return behind[0] if behind else ""


_UNIX_TIME = ("expiry", "expires")
_SIGNED = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"))
# A whole query takes ten times as long to read, and this is read for every file.
_OF_EXPIRY = re.compile(
    r"(?:\A|&)(expiry|expires|x-amz-date|x-amz-expires|x-goog-date|x-goog-expires|se|sig)=([^&]+)",
    re.IGNORECASE,
)
_BASIC_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def expires_at(url: str) -> datetime | None:
    """When a link ends (UTC), None where it does not say."""
    if "?" not in url:
        return None
    try:
        found = _OF_EXPIRY.findall(url.partition("#")[0].partition("?")[2])
        query = {name.lower(): unquote_plus(value) for name, value in found}
        for name in _UNIX_TIME:
            if query.get(name, "").isdecimal():
                return datetime.fromtimestamp(int(query[name]), UTC)
        for signed, seconds in _SIGNED:
            date = query.get(signed, "")
            if _BASIC_TIME.fullmatch(date) and query.get(seconds, "").isdecimal():
                return datetime.fromisoformat(date) + timedelta(seconds=int(query[seconds]))
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
