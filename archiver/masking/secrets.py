"""Secrets are masked before anything is written.

What goes: values of header fields, credentials and query strings of the request's URLs, the
signatures of artifact URLs wherever they stand, and every other place where one of those secrets
occurs again in the same answer. Names stay; ``***`` shows that something was there.
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from archiver.model.document import JsonObject, JsonValue, encode_json, text_holds
from archiver.model.urls import MASK, mask_request_url, mask_text, without_query

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
_DOWNLOADS_FIELD = "downloaded_files"
_MASKED_BY_NAME = _HEADER_FIELDS | _URL_FIELDS | _ARTIFACT_URL_FIELDS | {_DOWNLOADS_FIELD}

# Header fields whose values say nothing secret and occur elsewhere by chance.
_PLAIN_HEADER = re.compile(
    r"accept.*|content-.*|user-agent|cache-control|connection|host|origin|referer|pragma",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"auth|bearer|code|cookie|credential|csrf|hmac|jwt|key|otp|passw|pwd|secret|session|sig|token"
    r"|xsrf",
    re.IGNORECASE,
)
_API_VALUE = re.compile(
    r"(?:tsk_v2|tsk|wr|wpid|pbs)_[A-Za-z0-9]+|[a-z]{1,5}_[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}.*",
    re.DOTALL,
)
"""Ids and timestamps of Skyvern's own: a request may name them, and they must stay readable."""
_WORDS = re.compile(r"[a-z_]*")


def mask_document(document: JsonObject, secrets: Iterable[str] = ()) -> JsonObject:
    """A copy of the API's answer without secrets. Pure; the given document is not changed.

    ``secrets`` are texts that must not occur anywhere in it (the API key); those of less than
    8 characters are words that occur by chance, not keys.
    """
    return mask_and_encode(document, secrets)[0]


def mask_and_encode(document: JsonObject, secrets: Iterable[str] = ()) -> tuple[JsonObject, str]:
    """The same, and its JSON text. Raises ValueError when it nests too deeply."""
    found = _Found()
    masked = _mask_fields(document, found)
    text = encode_json(masked)
    again = found.secrets | {secret for secret in secrets if len(secret) >= _SHORTEST_KEY}
    again = {secret for secret in again if text_holds(text, secret)}
    if not again:
        return masked, text
    # Longest first: a secret that holds another must not leave its rest behind.
    pattern = re.compile("|".join(map(re.escape, sorted(again, key=len, reverse=True))))
    masked = _with_names((_renamed(k, pattern), _replace(v, pattern)) for k, v in masked.items())
    return masked, encode_json(masked)


class _Found:
    """Secrets that were masked where they are expected, to be masked elsewhere too."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()

    def add(self, name: str, text: str) -> None:
        """Take note of the value of ``name``; words, small numbers and ids are no secrets."""
        mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
        long_enough = len(text) >= 16 or (len(text) >= 8 and mixed)
        is_random = len(text) >= 20 and mixed and " " not in text
        if long_enough and (is_random or _SECRET_NAME.search(name)):
            if not _API_VALUE.fullmatch(text):
                self.secrets.add(text)
            if (plain := unquote(text)) != text:
                self.add(name, plain)


def _mask_fields(fields: JsonObject, found: _Found) -> JsonObject:
    masked = fields.copy()
    for name, value in fields.items():
        if value is None:
            continue
        if name in _MASKED_BY_NAME:
            masked[name] = _mask_by_name(value, name, found)
        elif type(value) is str:
            masked[name] = mask_text(value)
        elif type(value) is dict:
            masked[name] = _mask_fields(value, found)
        elif type(value) is list:
            masked[name] = [_mask(entry, found) for entry in value]
    # Names are words nearly everywhere, and words stay as they are.
    if not "".join(fields).isidentifier():
        return _with_names((mask_text(name), value) for name, value in masked.items())
    return masked


def _mask(value: JsonValue, found: _Found) -> JsonValue:
    """A value whose place says nothing of it."""
    if type(value) is str:
        return mask_text(value)
    if type(value) is dict:
        return _mask_fields(value, found)
    if type(value) is list:
        return [_mask(entry, found) for entry in value]
    return value


def _mask_by_name(value: JsonValue, name: str, found: _Found) -> JsonValue:
    """A value of a field whose name says what it holds, alone or in lists."""
    if name in _HEADER_FIELDS:
        return _mask_headers(value, name, found)
    if isinstance(value, list):
        return [_mask_by_name(entry, name, found) for entry in value]
    if isinstance(value, str):
        if name in _ARTIFACT_URL_FIELDS:
            return without_query(value)
        return mask_request_url(value, found.add) if name in _URL_FIELDS else mask_text(value)
    if isinstance(value, dict):
        if name in _URL_FIELDS:
            return {key: _mask_proxy(key, entry, found) for key, entry in value.items()}
        if name == _DOWNLOADS_FIELD and isinstance(url := value.get("url"), str):
            bare: JsonObject = {"url": without_query(url)}
            return _mask_fields(value | bare, found) | bare
        return _mask_fields(value, found)
    return value


def _mask_headers(value: JsonValue, name: str, found: _Found) -> JsonValue:
    if isinstance(value, dict):
        return {key: _mask_header(key, entry, found) for key, entry in value.items()}
    if isinstance(value, list):
        return [_mask_headers(entry, name, found) for entry in value]
    return _mask_header(name, value, found)


def _mask_header(name: str, value: JsonValue, found: _Found) -> JsonValue:
    if value is None:
        return None
    if not _PLAIN_HEADER.fullmatch(name):
        for text in _every_text(value):
            found.add(name, text)
            found.add(name, text.rsplit(" ", 1)[-1])  # "Bearer …": the credential by itself
            for pair in text.split("; "):  # the cookies of a header, one by one
                found.add(name, pair.partition("=")[2])
    return MASK


def _mask_proxy(name: str, value: JsonValue, found: _Found) -> JsonValue:
    """A value inside an address that was given as an object: its fields, at any depth."""
    if name.lower() in _SECRET_FIELDS and value is not None:
        for text in _every_text(value):
            found.add("password", text)
        return MASK
    if isinstance(value, str):
        return mask_request_url(value, found.add)
    if isinstance(value, dict):
        return {key: _mask_proxy(key, entry, found) for key, entry in value.items()}
    if isinstance(value, list):
        return [_mask_proxy(name, entry, found) for entry in value]
    return value


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
        return _with_names((_renamed(k, pattern), _replace(v, pattern)) for k, v in value.items())
    if isinstance(value, list):
        return [_replace(entry, pattern) for entry in value]
    return value


def _renamed(name: str, pattern: re.Pattern[str]) -> str:
    """Names stay: the API's own are words, which a secret that is worth its name is not."""
    return name if _WORDS.fullmatch(name) else pattern.sub(MASK, name)


def _with_names(pairs: Iterable[tuple[str, JsonValue]]) -> JsonObject:
    """An object of these fields; names that became the same when masked are told apart."""
    fields: JsonObject = {}
    for name, value in pairs:
        unique, number = name, 1
        while unique in fields:
            number += 1
            unique = f"{name} ({number})"
        fields[unique] = value
    return fields
