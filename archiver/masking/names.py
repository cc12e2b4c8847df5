"""Names of fields that say that their value is a secret: whole words of them, in any spelling.

A name is split at everything that is no letter or digit, and at capitals: ``X-Api-Key``,
``clientSecretValue``, ``APIKey``, ``db.password``. What a value itself looks like does not count.
"""

import re
import unicodedata
from enum import Enum, auto
from functools import lru_cache


class NameKind(Enum):
    """What the name of a field says of its value."""

    SECRET = auto()
    """It is one: the name ends in a secret's (``user_password``)."""
    TOKENS = auto()
    """They are secrets unless they are a number: pieces of a text, counted (``input_tokens``)."""
    ABOUT_SECRET = auto()
    """It may be one: the name has a secret's in it (``password_value``, ``cookie_policy``)."""
    MAYBE_SECRET = auto()
    """It is one where people hand things over, and an ordinary word elsewhere (``pin``)."""
    ADDRESS = auto()
    """It is where a browser or a proxy is."""
    CALLBACK = auto()
    """It is an address that hears of a run's end, or gives codes: its path may be the key to it."""
    REQUEST_HEADERS = auto()
    """It is what is sent with each request: all of it may be a secret."""
    HEADERS = auto()
    """It is headers of some other request or answer."""
    ARTIFACT_LINKS = auto()
    """It is a link to an artifact, or several."""
    DOWNLOADS = auto()
    """It is the list of the files that a run downloaded."""
    LABELED = auto()
    """``{"name": "password", "value": "…"}`` says the same as ``{"password": "…"}``."""
    DESCRIPTION = auto()
    """In it, names are those of things that are described, and values say what they mean."""


_SECRETS = """
    password|passwd|passcode|passphrase|pass word|pass code|pass phrase|pwd|secret|token|jwt|bearer
    |authorization|cookie|totp|otp|credential|csrf|xsrf|hmac|cvv|cvc|storage state
    |api key|access key|private key|secret key|signing key|encryption key|ssh key|auth key
    |master key|shared key|session key|subscription key|client secret|set cookie
    |one time code|verification code|recovery code|backup code|mfa code|2fa code|auth code
    |refresh token|access token|id token|auth token|session token|bearer token
    |connection string|seed phrase|security code|pin code|sms code|two factor code|passkey
    |pass key|llm key|php sess id|phpsessid
"""
_SECRET = "|".join(
    spelling
    for name in "".join(_SECRETS.split("\n")).split("|")
    for spelling in dict.fromkeys((" ".join(name.split()), "".join(name.split())))
)
_ENDS_IN_SECRET = re.compile(f" (?:{_SECRET}) $")
_HAS_SECRET = re.compile(f" (?:{_SECRET}) ")
_ENDS_IN_ORDINARY = re.compile(" (?:auth|authentication|cred|pass|pin|mfa|2fa|2 fa) $")
_TOKEN = re.compile(" token ")
_COUNTED = re.compile(
    " (?:count|limit|max|maximum|min|minimum|total|number|num|used|usage|budget|cost|price|quota"
    "|length|size|remaining|per|type) "
)
"""Beside ``token`` these make it a piece of a text that a model reads, which is counted and paid
(``max_tokens``, ``token_limit``), or name its kind; no other secret is counted."""
_TOKENS = re.compile(r"(?:\A|[\W_])tokens\Z|[a-z]Tokens\Z", re.IGNORECASE)
_HARMLESS = (
    *("status", "required", "enabled", "supported"),  # an answer to a question
    *("type", "kind", "symbol", "name", "method", "format", "provider"),  # which one it is
    *("count", "length", "attempts"),  # how many, how long
    *("expires", "expiry", "expiration", "expired", "lifetime", "ttl"),  # until when
    *("expires at", "expires in", "expires on", "expiry date", "expiration date"),
)
"""Last words of names that speak of a secret and do not say it (``authorization_status``).

Not among them: url (of a password's reset: who knows it may set one), id (of an access key, which
goes with it), hint, value, number.
"""
_CODES = re.compile(" t?otp ")
_ADDRESS = re.compile(" (?:url|uri|address|endpoint) ")
_WEBHOOK = re.compile(" (?:webhook|web hook) ")
_HEADERS = re.compile(" header ")
_OWN = {
    "extra_http_headers": NameKind.REQUEST_HEADERS,
    "cdp_connect_headers": NameKind.REQUEST_HEADERS,
    "browser_address": NameKind.ADDRESS,
    "proxy": NameKind.ADDRESS,
    "proxy_url": NameKind.ADDRESS,
    "proxy_server": NameKind.ADDRESS,
    "proxy_location": NameKind.ADDRESS,
    "recording_url": NameKind.ARTIFACT_LINKS,
    "screenshot_urls": NameKind.ARTIFACT_LINKS,
    "task_screenshots": NameKind.ARTIFACT_LINKS,
    "workflow_screenshots": NameKind.ARTIFACT_LINKS,
    "downloaded_file_urls": NameKind.ARTIFACT_LINKS,
    "downloaded_files": NameKind.DOWNLOADS,
    "value": NameKind.LABELED,
    "Value": NameKind.LABELED,
    "VALUE": NameKind.LABELED,
    "values": NameKind.LABELED,
    "default_value": NameKind.LABELED,
    "default": NameKind.LABELED,
    "totp_identifier": None,  # whom codes are sent to: an id
    "credential_id": None,
    "credential_ids": None,
    "credential_check": None,  # what a login was found to be: its fields are texts
    "data_extraction_schema": NameKind.DESCRIPTION,
    "error_code_mapping": NameKind.DESCRIPTION,
}
"""The service's own fields, whose names say something else than their words, or more."""

# Nearly no name has one of these: most need no closer look.
_STEMS = re.compile(
    r"pass|pwd|secret|token|jwt|bearer|authori|cookie|otp|credential|srf|hmac|cv[vc]|storage|key"
    r"|code|auth|cred|php|pin|mfa|2fa|2.fa|web.?hook|header|connection|seed",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[^\W_]+")
_CAPITALS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]+")


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name, in small letters and in the singular."""
    return tuple(_split(name)[0].split())


@lru_cache(maxsize=2_048)
def kind_of(name: str) -> NameKind | None:
    """Return what a name says of its value; None where it says nothing."""
    if not name.isascii():
        name = _plain(name)
    if name in _OWN:
        return _OWN[name]
    if not _STEMS.search(name):
        return None
    # The second spelling is for what has capitals within a word: PassWord, TOTPs.
    kind = _kind(_split(name))
    return NameKind.TOKENS if kind is NameKind.SECRET and _TOKENS.search(name) else kind


def _kind(spellings: tuple[str, str]) -> NameKind | None:
    if any(map(_WEBHOOK.search, spellings)):
        bare: tuple[str, ...] = spellings
        kind = NameKind.CALLBACK
    elif any(map(_CODES.search, spellings)) and any(map(_ADDRESS.search, spellings)):
        bare = tuple(_CODES.sub(" ", spelling) for spelling in spellings)
        kind = NameKind.CALLBACK
    elif any(map(_HEADERS.search, spellings)):
        bare, kind = spellings, NameKind.HEADERS
    else:
        bare, kind = spellings, None
    if any(map(_TOKEN.search, bare)) and any(map(_COUNTED.search, bare)):
        bare = tuple(_TOKEN.sub(" ", spelling) for spelling in bare)
    if any(map(_ENDS_IN_SECRET.search, bare)):
        return NameKind.SECRET
    if any(map(_HAS_SECRET.search, bare)):
        is_harmless = kind is None and any(map(_ENDS_HARMLESSLY.search, bare))
        return None if is_harmless else NameKind.ABOUT_SECRET
    if kind is None and any(map(_ENDS_IN_ORDINARY.search, bare)):
        return NameKind.MAYBE_SECRET
    return kind


def _split(name: str) -> tuple[str, str]:
    """The words, each between spaces: split at capitals too, and not."""
    parts = _PARTS.findall(name if name.isascii() else _plain(name))
    words = [word for part in parts for word in _CAPITALS.findall(part)]
    return _joined(words), _joined(parts)


def _joined(words: list[str]) -> str:
    return f" {' '.join(_singular(word.lower()) for word in words)} "


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _plain(name: str) -> str:
    """Full-width letters as ordinary ones; without what is not seen."""
    plain = unicodedata.normalize("NFKC", name)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")


_ENDS_HARMLESSLY = re.compile(
    f" (?:{'|'.join(_joined(last.split())[1:-1] for last in _HARMLESS)}) $"
)
