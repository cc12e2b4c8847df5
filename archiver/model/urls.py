"""URLs and texts that hold some, without credentials and signatures.

An artifact's URL loses its query. In any other text a query is cut off where it carries a
signature, as S3, Google, Azure, CloudFront and Skyvern itself write them; values of parameters that
are named as secrets are masked, and what else an ordinary site puts into a query stays.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from urllib.parse import unquote, unquote_plus, urlsplit

from archiver.errors import InvalidRunId
from archiver.model.ids import RunId

MASK = "***"

_APP_URL = re.compile(r"https?://", re.IGNORECASE)
_PAGES = frozenset({"tasks", "workflows", "runs"})
"""What stands before an id in the addresses of the app's pages."""
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
_SENSITIVE = (
    r"(?:[\w.-]{0,60}(?:token|passw(?:or)?d|pwd|passphrase|passcode|secret|authorization|credentials?"
    r"|cookie|jwt|signature|connection[_.-]?string|totp|[_.-]otp"
    r"|(?:api|access|private|secret|auth|signing|shared|master|subscription)[_.-]?key)"
    r"|key|code|sig|otp|pass|auth(?!(?:=|%3d)[a-z]{1,15}(?:\W|\Z))|sid|j?sessionid|phpsessid|ticket|assertion|samlresponse)"
)
"""What is nearly always the key to something. What the signature of a whole URL is, see above."""
_PARAMETER = rf"(?:\A(?=[^\s&]*&)|[?&#;]|%3[Ff]|%26|\\u0026)(?:amp;)?{_SENSITIVE}(?:=|%3[Dd])"
_SECRET_PARAMETER = re.compile(rf"({_PARAMETER})[^&#;,)\]}}|\s\"'<>]+", re.IGNORECASE)
_PARAMETER_NAME = re.compile(r"(?:\A|[?&#;])([\w.%\[\]-]{1,120})=")
_ESCAPED_PARAMETER = re.compile(
    r"(\A|[?&#;]|%(?:25)*(?:3[Ff]|26|23)|\\u0026)(?:amp;)?"
    r"((?:[\w.\[\]-]|%(?!(?:25)*(?:3[DdFf]|26|23|2[Ff]))(?:25)*[0-9A-Fa-f]{2}){1,120})"
    r"(?:=|%(?:25)*3[Dd])"
)
"""A parameter whose name may have escapes, or brackets as forms have them (``user[password]``)."""
_ALONE = re.compile(r"([\w.\[\]%-]{1,120}=)\S+")
"""A text that is one parameter and nothing else."""
_ORDINARY = frozenset({"key", "code", "auth", "ticket", "assertion"})
"""Names of parameters that are words of other things too, in brackets or outside of a URL."""
_UNQUOTINGS = 3
"""How often a name may be escaped."""
_IN_URL_ALONE = re.compile(rf"({_PARAMETER})[^&#]+", re.IGNORECASE)
_VALUE, _VALUE_ALONE = re.compile(r"[^&#;,)\]}|\s\"'<>]+"), re.compile(r"[^&#]+")
_URL_ALONE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_BEHIND_SCHEME = r"((?:[\s:+]|%20|\\[nrt])+(?:tokens?[\s:=]+)?(?:\\*[\"'])?)([A-Za-z0-9+/._~-]+=*)"
_IN_HEADER = (
    r"((?:\\*[\"'])?\s*[:=]\s*(?:\\*[\"'])?(?:Bearer|Basic|Token|ApiKey|JWT|OAuth|Negotiate|NTLM)\s+)"
    r"([^\s\"'\\,;]+)"
)
# Each begins with letters as they are: so a long text is looked through ten times as fast.
_BEARER, _BASIC, _AUTHORIZATION = (
    {end: re.compile(rf"{end}(?<=[{begin}]{end}){behind}") for end in (rest, rest.upper())}
    for begin, rest, behind in (
        ("Bb", "earer", _BEHIND_SCHEME),
        ("Bb", "asic", _BEHIND_SCHEME),
        ("Aa", "uthorization", _IN_HEADER),
    )
)
_WORD = re.compile(r"[A-Za-z]{1,15}(?:-[a-z]{1,15})*[./-]*|(?:realm|scope|error|charset)=")
"""What may follow the word bearer in a text that is about one."""
_PROPER_WORD = re.compile(r"(?:[A-Z]?[a-z]{1,15}|[A-Z]{1,15})(?:-[A-Z]?[a-z]{1,15})*[./-]*")
"""A word or a name: a token has digits, or capitals within, or is long."""
_WITHIN_WORD = re.compile(
    r"(?<!\\[nrtbf])(?<!%[0-9A-Fa-f]{2})(?<!\\u[0-9A-Fa-f]{4})(?<=[^\W\d_])\Z"
)
"""What "bearer" is the rest of a word behind; escapes end in letters too."""
_LONG_TOKEN = 16
_OF_SCHEME = re.compile(
    r"(?:tokens?|auth|authentication|authorization|schemes?|headers?|credentials?|formats?|values?"
    r"|strings?|prefix|types?|based|access|keys?|of|is|in|or|and|for|the|to|with|was|has|must|may"
    r"|only|not|required|missing|invalid|expired|errors?|shares?|bonds?|instruments?|token-based)"
    r"[./-]*|(?:realm|scope|error|charset)=",
    re.IGNORECASE,
)
"""What follows the scheme's name, with a capital, where it is spoken of."""
_BEHIND_QUERY = re.compile(r"[,)\]}|].*", re.DOTALL)
"""What may follow a URL without a space: the rest of a list, of Markdown, of a table."""


def read_id(text: str) -> RunId:
    """The id that a text is, or that the address of a run's page in Skyvern's app has in it.

    Raises InvalidRunId.
    """
    if "://" not in text or not _APP_URL.match(text):
        return RunId(text)
    try:
        parts = urlsplit(text).path.split("/")
    except ValueError:
        parts = []
    ids = {part for n, part in enumerate(parts) if is_id(part) and _PAGES & set(parts[:n])}
    if len(ids) != 1:
        found = f"names {' and '.join(sorted(ids))}" if ids else "is no address of a run's page"
        raise InvalidRunId(f"{without_query(text)[:200]!r} {found}")
    return RunId(ids.pop())


def is_id(text: str) -> bool:
    """Whether a text is a run's id, or the address of its page."""
    try:
        read_id(text)
    except InvalidRunId:
        return False
    return True


def mask_text(text: str) -> str:
    """``text`` without secrets of the URLs in it, and without ``Bearer …`` and ``Basic …``."""
    return mask_credentials(mask_urls(text))


def mask_urls(text: str) -> str:
    """``text`` without signatures, credentials and secret parameters of the URLs in it."""
    # Most texts have neither "=" nor its escape, and so no parameters: looking costs least.
    if ("=" in text or "%3" in text or "%253" in text or "%25253" in text) and _may_be_sensitive(
        text
    ):
        text = _without_parameters(text)
    if "@" in text and "://" in text:
        text = _USERINFO.sub(MASK + "@", text)
    return text


def _without_parameters(text: str) -> str:
    if _SIGNATURE.search(text):
        text = _QUERY.sub(_cut_if_signed, text)
    is_alone = _URL_ALONE.fullmatch(text) is not None
    text = (_IN_URL_ALONE if is_alone else _SECRET_PARAMETER).sub(rf"\1{MASK}", text)
    if "%" in text or "[" in text:
        text = _without_escaped(text, _VALUE_ALONE if is_alone else _VALUE)
    if (alone := _ALONE.fullmatch(text)) and _is_sensitive_alone(alone[1][:-1]):
        return alone[1] + MASK
    return text


def _may_be_sensitive(text: str) -> bool:
    """Whether a parameter has a name that is looked for; True where that cannot be told at once."""
    if "%3" in text or "%26" in text or "%25" in text or "\\u0026" in text:
        return True
    return any(map(_is_sensitive, _PARAMETER_NAME.findall(text)))


@lru_cache(maxsize=1_024)
def _is_sensitive(name: str) -> bool:
    if _SIGNATURE.match(f"?{name}={'x' * 16}") is not None:
        return True
    return _is_secret_name(_unquoted(name)) or _is_sensitive_alone(name)


def _is_secret_name(name: str) -> bool:
    return re.fullmatch(_SENSITIVE, name, re.IGNORECASE) is not None


@lru_cache(maxsize=1_024)
def _is_sensitive_alone(name: str) -> bool:
    """Whether a name is a secret's without its escapes and brackets, and in whatever place."""
    parts = [
        part for part in re.split(r"[\[\]]+", _unquoted(name)) if part and not part.isdecimal()
    ]
    return bool(parts) and parts[-1].lower() not in _ORDINARY and _is_secret_name(parts[-1])


def _without_escaped(text: str, value: re.Pattern[str]) -> str:
    """``text`` without values of parameters that have escapes or brackets in their names."""
    parts: list[str] = []
    end = 0
    for found in _ESCAPED_PARAMETER.finditer(text):
        is_secret = found.start() >= end and _is_sensitive_escaped(found[1], found[2])
        if is_secret and (masked := value.match(text, found.end())):
            parts += [text[end : found.end()], MASK]
            end = masked.end()
    return "".join([*parts, text[end:]])


def _is_sensitive_escaped(separator: str, name: str) -> bool:
    plain = _unquoted(name)
    if "[" in plain:
        return _is_sensitive_alone(plain)
    return (plain != name or "%25" in separator) and _is_secret_name(plain)


def _unquoted(name: str) -> str:
    for _ in range(_UNQUOTINGS):
        name = unquote(name)
    return name


def mask_credentials(text: str) -> str:
    """``text`` without what follows ``Bearer`` and ``Basic`` (RFC 6750, RFC 7617), in any place."""
    for is_secret, schemes in (
        (_is_of_header, _AUTHORIZATION),
        (_is_bearer, _BEARER),
        (_is_basic, _BASIC),
    ):
        for end, pattern in schemes.items():
            if end in text:
                text = pattern.sub(partial(_without_token, end, is_secret), text)
    return text


def _without_token(
    end: str, is_secret: Callable[[re.Match[str]], bool], found: re.Match[str]
) -> str:
    return f"{end}{found[1]}{MASK}" if is_secret(found) else found[0]


def _is_of_header(found: re.Match[str]) -> bool:
    return _OF_SCHEME.fullmatch(found[2]) is None


def _is_bearer(found: re.Match[str]) -> bool:
    """Whether it can be a token: names and words follow "bearer" in any text, even with a capital.

    Where "bearer" ends another word (pallbearer), only what cannot be a word or a number.
    """
    text, token, start = found.string, found[2], found.start() - 1
    if _WITHIN_WORD.search(text, max(start - 6, 0), start):
        return len(token) >= _LONG_TOKEN and not token.isalpha()
    if (_OF_SCHEME if text[start] == "B" else _WORD).fullmatch(token):
        return False
    return _PROPER_WORD.fullmatch(token) is None


def _is_basic(found: re.Match[str]) -> bool:
    """Whether it is a name and a password in base64: words follow "basic" in any text."""
    token = found[2].rstrip("=").replace("-", "+").replace("_", "/")
    if token.isalpha() and token.islower():
        return False
    # One character more than groups of four is what is left of a token that was cut off.
    token = token[:-1] if len(token) % 4 == 1 else token
    try:
        text = b64decode(token + "=" * (-len(token) % 4), validate=True).decode("latin-1")
    except ValueError:
        return False
    return ":" in text and all(character >= " " for character in text)


def without_query(url: str) -> str:
    """A URL without query, fragment and credentials, fit for tables and messages.

    In a ``file`` URL a raw ``?`` or ``#`` belongs to the file's name, unless a signature follows.
    """
    if url[:5].lower() == "file:":
        return mask_text(url)
    url = url.partition("?")[0].partition("#")[0]
    return _USERINFO.sub(MASK + "@", url) if "@" in url else url


def mask_request_url(
    url: str, secret: Callable[[str, str], None], *, is_callback: bool = False
) -> str:
    """A URL of the request: credentials and the query's values masked, names kept.

    Of a callback's the path is masked too, beyond its first part: whoever knows it may call.
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
    if is_callback and (deep := _DEEP_PATH.fullmatch(head)) and deep[2].strip("/"):
        if deep[2] != MASK:
            secret("key", deep[2])
            for part in deep[2].split("/"):
                is_random = len(part) >= _RANDOM_FROM and any(map(str.isdigit, part))
                secret("key" if is_random else "path", part)
        head = deep[1] + MASK
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


_DEEP_PATH = re.compile(
    r"([^/\\]*(?:[/\\]|%2f)+(?:(?!%2f)[^/\\])+(?:[/\\]|%2f))(.+)", re.DOTALL | re.IGNORECASE
)
_RANDOM_FROM = 12
"""Characters from which a part of a path that has digits is taken for no word."""
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
