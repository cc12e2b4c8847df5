"""Secrets are masked before anything is written.

What goes: values of header fields, credentials and query strings of the request's URLs, the
signatures of artifact URLs wherever they stand, and every other place where one of those values
occurs again in the same answer. Names stay; ``***`` shows that something was there.
"""

import re
from collections.abc import Iterable, Iterator

from archiver.domain.json_text import JsonObject, JsonValue

MASK = "***"

_SHORTEST_KEY = 8

_HEADER_FIELDS = frozenset({"extra_http_headers", "cdp_connect_headers"})
_URL_FIELDS = frozenset(
    {
        "webhook_url",
        "webhook_callback_url",
        "totp_url",
        "totp_verification_url",
        "browser_address",
        "proxy",
        "proxy_url",
        "proxy_server",
        "proxy_location",
    }
)
_SECRET_FIELDS = frozenset({"password", "username", "secret", "token", "api_key", "bypass"})
"""Fields of a proxy given as an object."""
_ARTIFACT_URL_FIELDS = frozenset(
    {
        "recording_url",
        "screenshot_urls",
        "task_screenshots",
        "workflow_screenshots",
        "downloaded_file_urls",
    }
)

_IDENTITY_FIELDS = ("run_id", "status", "run_type", "created_at", "finished_at", "modified_at")
"""What must stay readable even where a header happens to repeat it."""

# Header fields whose values say nothing secret and occur elsewhere by chance.
_PLAIN_HEADER = re.compile(
    r"accept.*|content-.*|user-agent|cache-control|connection|host|origin|referer|pragma",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[a-z_]*")
_USERINFO = re.compile(r"(?<=://)[^/\s?#@]+(?:@[^/\s?#@]+)*@")
_QUERY = re.compile(r"(?:[?#]|%3[Ff])[^\s\"'<>]*")
_SIGNED = re.compile(
    r"(?:[?&#;]|%3f|%26|\\u0026)(?:amp;)?"
    r"(?:sig|signature|expiry|expires|x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid"
    r"|googleaccessid|key-pair-id|policy|token|access_token|auth|hmac|se|sv)(?:=|%3d)",
    re.IGNORECASE,
)


def mask_document(document: JsonObject, secrets: Iterable[str] = ()) -> JsonObject:
    """A copy of the API's answer without secrets. Pure; the given document is not changed.

    ``secrets`` are texts that must not occur anywhere in it (the API key); those of less than
    8 characters are words that occur by chance, not keys.
    """
    found: set[str] = set()
    masked = _mask_fields(document, found)
    identity = "\n".join(str(masked.get(name)) for name in _IDENTITY_FIELDS)
    again = {secret for secret in found if secret not in identity}
    given = {secret for secret in secrets if len(secret) >= _SHORTEST_KEY}
    if again or given:
        texts = "\n".join(_every_text(masked))
        again = {secret for secret in again | given if secret in texts}
    if again:
        # Longest first: a secret that holds another must not leave its rest behind.
        pattern = re.compile("|".join(map(re.escape, sorted(again, key=len, reverse=True))))
        masked = {
            _renamed(name, pattern): _replace(value, pattern) for name, value in masked.items()
        }
    return masked


def hide(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every one of ``secrets`` masked."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_KEY and secret in text:
            text = text.replace(secret, MASK)
    return text


def mask_text(text: str) -> str:
    """``text`` without signatures and credentials of the URLs in it."""
    if "?" in text or "#" in text or "%3" in text:
        text = _QUERY.sub(_cut_if_signed, text)
    if "@" in text and "://" in text:
        text = _USERINFO.sub(MASK + "@", text)
    return text


def without_query(url: str) -> str:
    """A URL without query, fragment and credentials, fit for tables and messages.

    ``file`` URLs carry no signature, and a raw ``?`` or ``#`` in one belongs to the file's name.
    """
    if url[:5].lower() == "file:":
        return url
    return _USERINFO.sub(MASK + "@", re.split(r"[?#]", url, maxsplit=1)[0])


def _mask(value: JsonValue, name: str, found: set[str]) -> JsonValue:
    if name in _HEADER_FIELDS:
        return _mask_headers(value, name, found)
    if isinstance(value, str):
        if name in _ARTIFACT_URL_FIELDS:
            return without_query(value)
        return _mask_url(value, found) if name in _URL_FIELDS else mask_text(value)
    if isinstance(value, dict):
        if name in _URL_FIELDS:
            return {key: _mask_proxy(key, entry, found) for key, entry in value.items()}
        masked = _mask_fields(value, found)
        if name == "downloaded_files" and isinstance(url := value.get("url"), str):
            masked["url"] = without_query(url)
        return masked
    if isinstance(value, list):
        return [_mask(entry, name, found) for entry in value]
    return value


def _mask_fields(fields: JsonObject, found: set[str]) -> JsonObject:
    return {mask_text(name): _mask(value, name, found) for name, value in fields.items()}


def _mask_headers(value: JsonValue, name: str, found: set[str]) -> JsonValue:
    if isinstance(value, dict):
        return {key: _mask_header(key, entry, found) for key, entry in value.items()}
    if isinstance(value, list):
        return [_mask_headers(entry, name, found) for entry in value]
    return _mask_header(name, value, found)


def _mask_header(name: str, value: JsonValue, found: set[str]) -> JsonValue:
    if value is None:
        return None
    for text in _every_text(value):
        if not _PLAIN_HEADER.fullmatch(name):
            _remember(text, found)
            _remember(text.rsplit(" ", 1)[-1], found)  # "Bearer …": the credential by itself
    return MASK


def _mask_proxy(name: str, value: JsonValue, found: set[str]) -> JsonValue:
    """A value inside an address that was given as an object: its fields, at any depth."""
    if name.lower() in _SECRET_FIELDS and value is not None:
        for text in _every_text(value):
            _remember(text, found)
        return MASK
    if isinstance(value, str):
        return _mask_url(value, found)
    if isinstance(value, dict):
        return {key: _mask_proxy(key, entry, found) for key, entry in value.items()}
    if isinstance(value, list):
        return [_mask_proxy(name, entry, found) for entry in value]
    return value


def _mask_url(url: str, found: set[str]) -> str:
    """A URL of the request: credentials and the query's values masked, names kept."""
    scheme, separator, rest = url.partition("//")
    if scheme and not scheme.endswith(":"):
        scheme, separator, rest = "", "", url
    authority, slash, path = rest.partition("/")
    # A password may hold "?" and "#", raw: whatever stands before the last "@" is no host.
    userinfo, at, host = authority.rpartition("@")
    if at:
        _remember(userinfo, found)
        _remember(userinfo.partition(":")[2], found)
        authority = f"{MASK}@{host}"
    head, *parts = re.split(r"([?#&;])", f"{host if at else authority}{slash}{path}")
    if "?" not in parts and "#" not in parts:
        return f"{scheme}{separator}{authority}{slash}{path}"
    first = next(n for n, part in enumerate(parts) if part in ("?", "#"))
    head += "".join(parts[:first])
    query = "".join(_mask_pair(part, found) for part in parts[first:])
    return f"{scheme}{separator}{MASK + '@' if at else ''}{head}{query}"


def _mask_pair(part: str, found: set[str]) -> str:
    if part in ("", "?", "#", "&", ";"):
        return part
    name, equals, value = part.partition("=")
    _remember(value if equals else name, found)
    return f"{name}={MASK}" if equals else MASK


def _remember(text: str, found: set[str]) -> None:
    """Take note of a secret, to mask it elsewhere too; words and small numbers are no secrets."""
    mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    if len(text) >= 16 or (len(text) >= 8 and mixed):
        found.add(text)


def _cut_if_signed(match: re.Match[str]) -> str:
    return "" if _SIGNED.search(match[0]) else match[0]


def _every_text(value: JsonValue) -> Iterator[str]:
    """Every string and every name in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from _every_text(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _every_text(entry)


def _replace(value: JsonValue, pattern: re.Pattern[str]) -> JsonValue:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, dict):
        return {_renamed(key, pattern): _replace(entry, pattern) for key, entry in value.items()}
    if isinstance(value, list):
        return [_replace(entry, pattern) for entry in value]
    return value


def _renamed(name: str, pattern: re.Pattern[str]) -> str:
    """Names stay: the API's own are words, which a secret that is worth its name is not."""
    return name if _WORDS.fullmatch(name) else pattern.sub(MASK, name)
