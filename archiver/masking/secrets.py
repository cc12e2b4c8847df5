"""Secrets are masked before anything is written.

What goes: values whose names say that they are secrets, values of header fields, credentials and
query strings of the request's URLs, what lies deeper in the path of addresses that are called back,
the signatures of artifact URLs wherever they stand, ``Bearer …`` and ``Basic …``, and every other
place where one of those secrets occurs again in the same answer. Names stay; ``***`` shows that
something was there.
"""

import contextlib
import re
from collections.abc import Iterable
from enum import IntEnum
from functools import partial
from urllib.parse import unquote

from archiver.masking.fields import ANSWER, FREE
from archiver.masking.names import NameKind, kind_of, words_of
from archiver.masking.texts import changed, every_text, with_names
from archiver.model.document import JsonObject, JsonValue, decode_json, encode_json, text_holds
from archiver.model.urls import (
    MASK,
    mask_credentials,
    mask_request_url,
    mask_urls,
    without_query,
)

_SHORTEST_KEY = 8
_OUTPUT = "output"
_PROXY_SECRETS = frozenset({"username", "bypass"})
"""Fields of a proxy given as an object, besides those whose names say it."""
_LABELS = ("name", "key", "header", "label", "id", "field", "parameter_key")
_CAPITALS = ("Name", "Key", "Header", "Label", "Id", "ID", "Field", "NAME", "KEY")
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
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_ID = r"(?:tsk_v2|tsk|tr|wr|wrb|wfb|wpid|w|wp|pbs|bp|o|oat|cred|cp|op|stp|act|a|s|totp)_[0-9]+"
"""Ids of the service: they name a secret that it keeps (``cred_123``) and are none."""
_ANSWER = (
    r"(?i:yes|no|true|false|approved|denied|pending|granted|rejected|required|not required"
    r"|optional)"
)
"""Answers to whether there is a secret, or what became of an authorization."""
_HARMLESS = re.compile(f"{_TIME}|{_ID}|{_ANSWER}")
"""What stays even where a name says that it is a secret."""
_NUMBER = re.compile(r"[0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,3}")
_HEADER_LINE = re.compile(
    r"^([ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*)(\S.*)$", re.MULTILINE
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_JSON_TEXT = re.compile(r'"(?:[ \ufeff]|\\[nrt]|\\+")*[{\[]')
"""Where a text in a document's JSON begins as JSON does. Elsewhere no quote stands before these."""
_JSON_BEGINS = frozenset('{[" \t\r\n\ufeff')
_JSON_LEVELS = 4
"""How many texts within texts are read as JSON."""


class _Reading(IntEnum):
    """Which names are believed where they say that their value is a secret."""

    NONE = 0
    """None: these are names of what is described."""
    ENDS = 1
    """Those that end in a secret's name: a page may have any text under any heading."""
    ALL = 2
    """All that have one in them: what people hand over goes by names of their own."""


def mask_document(
    document: JsonObject, secrets: Iterable[str] = (), unmask: Iterable[str] = ()
) -> JsonObject:
    """A copy of the API's answer without secrets. Pure; the given document is not changed.

    ``secrets`` are texts that must not occur anywhere in it (the API key); those of less than
    8 characters are words that occur by chance, not keys. ``unmask`` are names of fields whose
    values stay although their names say that they are secrets, in any spelling.
    """
    return mask_and_encode(document, secrets, unmask)[0]


def mask_and_encode(
    document: JsonObject, secrets: Iterable[str] = (), unmask: Iterable[str] = ()
) -> tuple[JsonObject, str]:
    """The same, and its JSON text. Raises ValueError when it nests too deeply."""
    masker = _Masker(unmask)
    masked = masker.fields(document, _Reading.ALL, freer=_OUTPUT)
    text = encode_json(masked)
    if '\\"' in text and _JSON_TEXT.search(text):
        masked = changed(masked, FREE, masker.json_text, set())  # type: ignore[assignment] # an object stays one
        text = encode_json(masked)
    keys = {secret for secret in secrets if len(secret) >= _SHORTEST_KEY}
    again = {secret for secret in masker.secrets | keys if text_holds(text, secret)}
    has_credentials = mask_credentials(text) != text
    if not again and not has_credentials:
        return masked, text
    # Longest first: a secret that holds another must not leave its rest behind.
    known = re.compile("|".join(map(re.escape, sorted(again, key=len, reverse=True))) or r"(?!)")

    def change(text: str) -> str:
        text = known.sub(MASK, text)
        return mask_credentials(text) if has_credentials else text

    masked = changed(masked, ANSWER, change, keys & again)  # type: ignore[assignment] # an object stays one
    return masked, encode_json(masked)


_UNMASKED = {
    NameKind.SECRET: None,
    NameKind.TOKENS: None,
    NameKind.ABOUT_SECRET: None,
    NameKind.MAYBE_SECRET: None,
    NameKind.CALLBACK: NameKind.ADDRESS,
}
"""What a name says when its value is to stay: credentials in URLs go even so."""


class _Kinds(dict[str, NameKind | None]):
    """What the names of a document say of their values, each looked at once; but those ``kept``."""

    def __init__(self, kept: frozenset[tuple[str, ...]]) -> None:
        self._kept = kept

    def __missing__(self, name: str) -> NameKind | None:
        kind = kind_of(name)
        if kind is not None and self._kept and words_of(name) in self._kept:
            kind = _UNMASKED.get(kind, kind)
        self[name] = kind
        return kind


class _Masker:
    """Masks values where they are expected, and keeps those that are to be masked elsewhere too."""

    def __init__(self, unmask: Iterable[str]) -> None:
        self.secrets: set[str] = set()
        self._kinds = _Kinds(frozenset(map(words_of, unmask)))

    def fields(self, fields: JsonObject, reading: _Reading, *, freer: str = "") -> JsonObject:
        """A copy of an object. In the field ``freer`` fewer names are believed."""
        masked = fields.copy()
        kinds = self._kinds
        for name, value in fields.items():
            if value is None:
                continue
            kind = kinds[name]
            if kind is not None:
                masked[name] = self._named(value, name, kind, reading, fields)
            elif type(value) is str:
                # Nearly all of the time goes into these lines; a call costs more than looking.
                if "=" in value or "%" in value or "@" in value:
                    masked[name] = mask_urls(value)
            elif type(value) is dict:
                masked[name] = self.fields(value, _Reading.ENDS if name == freer else reading)
            elif type(value) is list:
                inner = _Reading.ENDS if name == freer else reading
                masked[name] = [self.value(entry, inner) for entry in value]
        # Names are words nearly everywhere, and words stay as they are.
        if not "".join(fields).isidentifier():
            return with_names((mask_urls(name), value) for name, value in masked.items())
        return masked

    def value(self, value: JsonValue, reading: _Reading) -> JsonValue:
        """A value whose place says nothing of it."""
        if type(value) is str:
            return mask_urls(value)
        if type(value) is dict:
            return self.fields(value, reading)
        if type(value) is list:
            return [self.value(entry, reading) for entry in value]
        return value

    def _named(
        self,
        value: JsonValue,
        name: str,
        kind: NameKind,
        reading: _Reading,
        fields: JsonObject,
    ) -> JsonValue:
        """A value of a field whose name says what it holds, alone or in lists, among ``fields``."""
        if _is_secret(kind, reading):
            is_day = kind is NameKind.ABOUT_SECRET and isinstance(value, str)
            if is_day and _DATE.fullmatch(value):  # type: ignore[arg-type] # a text
                return value
            is_count = kind is NameKind.TOKENS and isinstance(value, str)
            if is_count and _NUMBER.fullmatch(value):  # type: ignore[arg-type] # a text
                return value
            return self._hidden(value)
        match kind:
            case NameKind.LABELED:
                return self._labeled(value, fields, reading)
            case NameKind.REQUEST_HEADERS:
                return self._request_headers(value, name)
            case NameKind.HEADERS if reading:
                return self._headers(value)
            case NameKind.ADDRESS | NameKind.CALLBACK:
                return self._address(value, name, is_callback=kind is NameKind.CALLBACK)
            case NameKind.ARTIFACT_LINKS | NameKind.DOWNLOADS:
                return self._links(value, kind, reading)
            case NameKind.DESCRIPTION:
                return self.value(value, _Reading.NONE)
            case _:
                return self.value(value, reading)

    def json_text(self, text: str, levels: int = _JSON_LEVELS) -> str:
        """A text that is JSON itself, as bodies of requests are, without what its names give away.

        So is a text within it. It is written anew only where something was masked.
        """
        if levels and text[:1] in _JSON_BEGINS:
            bare = text.strip("\ufeff \t\r\n")
            if bare[:1] in ("{", "[", '"'):
                with contextlib.suppress(ValueError, RecursionError):
                    value = decode_json(bare.encode())
                    within = partial(self.json_text, levels=levels - 1)
                    masked = changed(self.value(value, _Reading.ENDS), FREE, within, set())
                    if masked != value:
                        return encode_json(masked)
        return text

    def _labeled(self, value: JsonValue, fields: JsonObject, reading: _Reading) -> JsonValue:
        """A value in an object that may say its name in another field."""
        for label in (*_LABELS, *_CAPITALS):
            name = fields.get(label)
            if isinstance(name, str):
                kind = self._kinds[name]
                if kind is not None and kind is not NameKind.LABELED:
                    return self._named(value, name, kind, reading, {})
        return self.value(value, reading)

    def _hidden(self, value: JsonValue, *, is_noted: bool = True) -> JsonValue:
        """What a secret's name stands for: its texts at any depth, but for times.

        Where not ``is_noted`` they may be ordinary words, and are not masked elsewhere.
        """
        if isinstance(value, str):
            if value == MASK or _HARMLESS.fullmatch(value):
                return value
            if is_noted and "://" not in value:
                self._note_parts("secret", value)
            return MASK
        if isinstance(value, dict):
            return {
                name: self._hidden(
                    entry,
                    is_noted=self._kinds[name] is NameKind.LABELED or self._is_secret_name(name),
                )
                for name, entry in value.items()
            }
        if isinstance(value, list):
            return [self._hidden(entry, is_noted=is_noted) for entry in value]
        return value

    def _request_headers(self, value: JsonValue, name: str) -> JsonValue:
        if isinstance(value, dict):
            return {key: self._request_header(key, entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._request_headers(entry, name) for entry in value]
        return self._request_header(name, value)

    def _request_header(self, name: str, value: JsonValue) -> JsonValue:
        if value is None:
            return None
        if not _PLAIN_HEADER.fullmatch(name):
            for text in every_text(value):
                self._note_parts(name, text)
        return MASK

    def _headers(self, value: JsonValue) -> JsonValue:
        """Headers in whatever form: an object, pairs, lines."""
        if isinstance(value, dict):
            return self.fields(value, _Reading.ALL)
        if isinstance(value, list):
            return [self._header_pair(entry) for entry in value]
        if isinstance(value, str):
            return mask_urls(_HEADER_LINE.sub(self._header_line, value))
        return value

    def _header_pair(self, value: JsonValue) -> JsonValue:
        match value:
            case [str(name), text] if self._is_secret_name(name):
                return [name, self._hidden(text)]
        return self._headers(value)

    def _header_line(self, match: re.Match[str]) -> str:
        if not self._is_secret_name(match[2]):
            return match[0]
        self._note_parts(match[2], match[3])
        return f"{match[1]}{MASK}"

    def _is_secret_name(self, name: str) -> bool:
        kind = self._kinds[name]
        return kind is not None and _is_secret(kind, _Reading.ALL)

    def _address(self, value: JsonValue, name: str, *, is_callback: bool) -> JsonValue:
        """An address, alone, in lists, or given as an object with fields, at any depth."""
        if isinstance(value, str):
            if is_callback and len(value.split()) > 1:  # what is said of it
                return _URL.sub(lambda url: self._callback(url[0]), value)
            return mask_request_url(value, self._note, is_callback=is_callback)
        if isinstance(value, dict):
            return {
                key: self._address_part(key, entry, is_callback=is_callback)
                for key, entry in value.items()
            }
        if isinstance(value, list):
            return [self._address(entry, name, is_callback=is_callback) for entry in value]
        return value

    def _callback(self, url: str) -> str:
        return mask_request_url(url, self._note, is_callback=True)

    def _address_part(self, name: str, value: JsonValue, *, is_callback: bool) -> JsonValue:
        if value is not None and (name.lower() in _PROXY_SECRETS or self._is_secret_name(name)):
            for text in every_text(value):
                self._note("password", text)
            return MASK
        if self._kinds[name] is NameKind.HEADERS:
            return self._headers(value)
        return self._address(value, name, is_callback=is_callback)

    def _links(self, value: JsonValue, kind: NameKind, reading: _Reading) -> JsonValue:
        """Links to artifacts, which lose their queries."""
        if isinstance(value, list):
            return [self._links(entry, kind, reading) for entry in value]
        if isinstance(value, str) and kind is NameKind.ARTIFACT_LINKS:
            return without_query(value)
        if isinstance(value, dict) and isinstance(url := value.get("url"), str):
            bare: JsonObject = {"url": without_query(url)}
            return self.fields(value | bare, reading) | bare
        return self.value(value, reading)

    def _note_parts(self, name: str, text: str) -> None:
        """Take note of a header's value, and of what in it is a secret by itself."""
        self._note(name, text)
        self._note(name, text.rsplit(" ", 1)[-1])  # "Bearer …": the credential by itself
        for pair in text.split("; "):  # the cookies of a header, one by one
            self._note(name, pair.partition("=")[2])

    def _note(self, name: str, text: str) -> None:
        """Take note of the value of ``name``; words, small numbers and ids are no secrets."""
        mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
        long_enough = len(text) >= 16 or (len(text) >= 8 and mixed)
        is_random = len(text) >= 20 and mixed and " " not in text
        if long_enough and (is_random or _SECRET_NAME.search(name)):
            if not _API_VALUE.fullmatch(text):
                self.secrets.add(text)
            if (plain := unquote(text)) != text:
                self._note(name, plain)


def _is_secret(kind: NameKind, reading: _Reading) -> bool:
    if kind is NameKind.SECRET or kind is NameKind.TOKENS:
        return reading is not _Reading.NONE
    is_near = kind is NameKind.ABOUT_SECRET or kind is NameKind.MAYBE_SECRET
    return is_near and reading is _Reading.ALL
