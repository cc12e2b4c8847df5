"""Redaction: what the user does not want kept is masked in the API's answer, and counted.

Patterns are for every text, at whatever depth, also in another spelling, and for numbers as they
are written; places are JSON paths, whose values are masked whatever they are. What the archive
itself lives by stays: the run's id and status, times, checksums and sizes of files, and the API's
own names of fields.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias
from urllib.parse import unquote, unquote_plus

from archiver.errors import UsageError
from archiver.masking.fields import ANSWER, Shape
from archiver.masking.matching import check_paths, is_match, mask_matches, places_in, why_no_pattern
from archiver.model.document import JsonObject, JsonValue, encode_json
from archiver.model.urls import MASK

_ESCAPES = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")


def unescape_once(text: str) -> str:
    """``text`` with one layer of escapes undone: ``%C3%AB``, ``\\u00eb``, ``&euml;``, and in
    Unicode's composed form. The same where there is none."""
    if "\\" in text:
        text = _ESCAPES.sub(_unescaped, text)
    if "%" in text or ("+" in text and "://" in text):
        text = unquote_plus(text) if "://" in text else unquote(text)
    if "&" in text:
        text = html.unescape(text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unescaped(match: re.Match[str]) -> str:
    units = bytes.fromhex(match[0].replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


MaskTexts: TypeAlias = Callable[[list[str]], list[str]]
"""Masks what the patterns match in many texts. What has no match comes back as it was."""
FindPlaces: TypeAlias = Callable[[JsonObject], Iterable[Sequence[str | int]]]
"""Where the JSON paths lead to in a document: the names and indices from its root."""

_LAYERS = 3
"""Spellings upon spellings that are looked behind."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is to be masked, ready to be used."""

    mask_texts: MaskTexts
    find_places: FindPlaces

    def of(self, document: JsonObject) -> tuple[JsonObject, int]:
        """A copy of an answer without what is to be masked, and how many places that were.

        A place is a value, or a name of a field, of which something was masked.
        """
        places = _MaskPlace.tree(self.find_places(document))
        copy = _Hider(lambda text: text)
        if places is not None:
            document = copy.placed(document, places, ANSWER)  # type: ignore[assignment] # the root stays an object
        texts: dict[str, None] = {}
        _gather(document, ANSWER, texts)
        changed = self._changed(texts)
        if not changed:
            return document, copy.count
        masked = _Hider(lambda text: changed.get(text, text))
        return masked.visited(document, ANSWER), copy.count + masked.count  # type: ignore[return-value] # as above

    def text(self, text: str) -> str:
        """A message of a server's own words, without what the patterns match."""
        return self._changed([text]).get(text, text)

    def _changed(self, texts: Iterable[str]) -> dict[str, str]:
        """What the texts become of which something is to be masked, in whatever spelling."""
        chains = {text: _spellings(text) for text in texts}
        spellings = list(dict.fromkeys(chain.from_iterable(chains.values())))
        masked = dict(zip(spellings, self.mask_texts(spellings), strict=True))
        changed = {}
        for text, (*escaped, plainest) in chains.items():
            shown = masked[plainest]
            for spelling in reversed(escaped):
                # Escapes stay where the plain text would show no less.
                if unescape_once(masked[spelling]) == shown:
                    shown = masked[spelling]
            if shown != text:
                changed[text] = shown
        return changed


def _spellings(text: str) -> list[str]:
    """The text, and what is behind its escapes, one layer after the other."""
    found = [text]
    while len(found) <= _LAYERS and (plain := unescape_once(found[-1])) != found[-1]:
        found.append(plain)
    return found


def _gather(value: JsonValue, shape: Shape, texts: dict[str, None]) -> None:
    """Every text that may be masked: names, strings, numbers as they are written."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if shape.requires(name, entry):
                continue
            if name not in shape.names:
                texts[name] = None
            _gather(entry, shape.of(name), texts)
    elif isinstance(value, list):
        for entry in value:
            _gather(entry, shape, texts)
    elif (text := _text_of(value)) is not None:
        texts[text] = None


def _text_of(value: JsonValue) -> str | None:
    """A string, or a number as it is written; None of what has no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return encode_json(value)
    return None


@dataclass(slots=True)
class _MaskPlace:
    """A place in a document, and those below it."""

    is_masked: bool = False
    below: "dict[str | int, _MaskPlace]" = field(default_factory=dict)

    @classmethod
    def tree(cls, places: Iterable[Sequence[str | int]]) -> "_MaskPlace | None":
        """All the places as one tree; None where there are none."""
        root = cls()
        for parts in places:
            target = root
            for part in parts:
                target = target.below.setdefault(part, cls())
            target.is_masked = True
        return root if root.below or root.is_masked else None


class _Hider:
    """Copies values without what is to be masked, and counts the places."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self.count = 0

    def visited(self, value: JsonValue, shape: Shape) -> JsonValue:
        """A copy with every text in it masked as ``mask`` says."""
        if isinstance(value, dict):
            names = _Names()
            return {
                names.add(name if name in shape.names else self._masked(name)): (
                    entry if shape.requires(name, entry) else self.visited(entry, shape.of(name))
                )
                for name, entry in value.items()
            }
        if isinstance(value, list):
            return [self.visited(entry, shape) for entry in value]
        text = _text_of(value)
        masked = None if text is None else self._masked(text)
        return value if masked == text else masked

    def placed(self, value: JsonValue, target: _MaskPlace, shape: Shape) -> JsonValue:
        """A copy with the values at the places masked."""
        if target.is_masked:
            return self._hidden(value, shape)
        if isinstance(value, dict):
            copy = value.copy()
            for name, below in target.below.items():
                # Names of objects are strings, so that the place was found under one.
                if isinstance(name, str) and not shape.requires(name, value[name]):
                    copy[name] = self.placed(value[name], below, shape.of(name))
            return copy
        if isinstance(value, list):
            entries = value.copy()
            for index, below in target.below.items():
                if isinstance(index, int):
                    entries[index] = self.placed(value[index], below, shape)
            return entries
        return value

    def _hidden(self, value: JsonValue, shape: Shape) -> JsonValue:
        """A masked value: of what has to stay, everything in it. Where nothing is, nothing is
        masked."""
        if value is None or value == MASK:
            return value
        if shape.is_kept and isinstance(value, dict):
            names = _Names()
            return {
                names.add(name if name in shape.names else self._hidden_name()): (
                    entry if shape.requires(name, entry) else self._hidden(entry, shape.of(name))
                )
                for name, entry in value.items()
            }
        if shape.is_kept and isinstance(value, list):
            return [self._hidden(entry, shape) for entry in value]
        self.count += 1
        return MASK

    def _hidden_name(self) -> str:
        self.count += 1
        return MASK

    def _masked(self, text: str) -> str:
        masked = self._mask(text)
        self.count += masked != text
        return masked


class _Names:
    """Names of one object; those that became the same when masked are told apart.

    By asterisks, which no pattern takes for what it looks for: ``***``, ``*** *``, ``*** **``.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def add(self, name: str) -> str:
        unique = name
        while unique in self._last:
            self._last[name] += 1
            bits = f"{self._last[name]:b}"[1:]
            unique = f"{name} {' '.join('**' if bit == '1' else '*' for bit in bits)}"
        self._last[unique] = 1
        return unique


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What the user wants masked: regular expressions in RE2's syntax, JSON paths (RFC 9535)."""

    patterns: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.patterns or self.paths)

    def checked(self) -> "RedactionRules":
        """The same. Raises UsageError where a pattern or a path cannot be used."""
        for pattern in self.patterns:
            _check_pattern(pattern)
        check_paths(self.paths)
        return self

    def redaction(self) -> Redaction | None:
        """Ready to be used; None where nothing is to be masked."""
        if not self:
            return None
        return Redaction(
            lambda texts: mask_matches(texts, self.patterns),
            lambda document: places_in(document, self.paths),
        )


def _check_pattern(pattern: str) -> None:
    if (reason := why_no_pattern(pattern)) is not None:
        raise UsageError(
            f"--redact {pattern!r} is no regular expression of RE2: {reason}",
            hint="RE2 knows no look-around and no back-references",
        )
    if is_match("", pattern) or is_match(MASK, pattern):
        raise UsageError(
            f"--redact {pattern!r} matches the empty text, or {MASK} itself",
            hint="It would mask everything; ask for one character at least",
        )
