"""Redaction: what the user does not want kept is masked in the API's answer, and counted.

Patterns are for every text, at whatever depth, and for numbers as they are written; places are
JSON paths, whose values are masked whatever they are. What the archive itself lives by stays: the
run's id and status, times, checksums and sizes of files, and the API's own names of fields.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archiver.domain.json_text import JsonObject, JsonValue
from archiver.domain.url_masking import MASK

MaskTexts: TypeAlias = Callable[[list[str]], tuple[list[str], int]]
"""Masks what the patterns match in many texts; how many places that were comes with them."""
FindPlaces: TypeAlias = Callable[[JsonObject], Iterable[Sequence[str | int]]]
"""Where the JSON paths lead to in a document: the names and indices from its root."""

_STRUCTURE = frozenset(
    {"run_id", "status", "run_type", "checksum", "file_size", "artifact_id", "modified_at"}
    | {"created_at", "queued_at", "started_at", "finished_at"}
)
"""Fields of the answer, and of its downloaded files, that the archive lives by."""
_FILES = "downloaded_files"
_LISTS_OF_FILES = frozenset({_FILES, "screenshot_urls"})
_OWN_OBJECTS = frozenset({"run_request", _FILES})
"""Fields whose objects have names of the API's own."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is to be masked, ready to be used."""

    mask_texts: MaskTexts
    find_places: FindPlaces

    def of(self, document: JsonObject) -> tuple[JsonObject, int]:
        """A copy of an answer without what is to be masked, and how many places that were."""
        copy, by_place = _without_places(document, self.find_places(document))
        texts = _Texts()
        _visit(copy, (), texts.take)
        masked, by_pattern = self.mask_texts(texts.found)
        if not by_pattern:
            return copy, by_place
        replaced = dict(zip(texts.found, masked, strict=True))

        def mask(text: str) -> str:
            return replaced.get(text, text)

        return _rebuilt(copy, (), mask), by_place + by_pattern  # type: ignore[return-value] # an object stays one

    def text(self, text: str) -> str:
        """A message of a server's own words, without what the patterns match."""
        return self.mask_texts([text])[0][0]


class _Texts:
    """Texts of a document, in order; a text that occurs again is taken again: places count."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def take(self, text: str) -> None:
        self.found.append(text)


def _visit(value: JsonValue, path: tuple[str, ...], take: Callable[[str], None]) -> None:
    """Give every text that may be masked to ``take``: names, strings, numbers as written."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if _is_structure(path, name):
                continue
            if not _is_own_name(path, name):
                take(name)
            _visit(entry, (*path, name), take)
    elif isinstance(value, list):
        for entry in value:
            _visit(entry, path, take)
    elif (text := _text_of(value)) is not None:
        take(text)


def _rebuilt(value: JsonValue, path: tuple[str, ...], mask: Callable[[str], str]) -> JsonValue:
    if isinstance(value, dict):
        fields: JsonObject = {}
        for name, entry in value.items():
            if _is_structure(path, name):
                fields[name] = entry
                continue
            shown = name if _is_own_name(path, name) else mask(name)
            fields[_distinct(shown, fields)] = _rebuilt(entry, (*path, name), mask)
        return fields
    if isinstance(value, list):
        return [_rebuilt(entry, path, mask) for entry in value]
    text = _text_of(value)
    if text is None or (masked := mask(text)) == text:
        return value
    return masked


def _text_of(value: JsonValue) -> str | None:
    """A string, or a number as it is written; None of what has no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _is_structure(path: tuple[str, ...], name: str) -> bool:
    return path in ((), (_FILES,)) and name in _STRUCTURE


def _is_own_name(path: tuple[str, ...], name: str) -> bool:
    if path and not (len(path) == 1 and path[0] in _OWN_OBJECTS):
        return False
    return name.replace("_", "").isalnum() and name.islower() and name.isascii()


def _distinct(name: str, fields: JsonObject) -> str:
    unique, number = name, 1
    while unique in fields:
        number += 1
        unique = f"{name} ({number})"
    return unique


def _without_places(
    document: JsonObject, places: Iterable[Sequence[str | int]]
) -> tuple[JsonObject, int]:
    """A copy with the values at these places masked. What is null, or masked already, is none."""
    copy: JsonObject = document
    count = 0
    for place in places:
        if not place or _is_structural_place(place):
            continue
        value = _value_at(copy, place)
        if value is None or value == MASK:
            continue
        new, places_in_it = _masked(value, place)
        copy = _with_value(copy, place, new)  # type: ignore[assignment] # an object stays one
        count += places_in_it
    return copy, count


def _masked(value: JsonValue, place: Sequence[str | int]) -> tuple[JsonValue, int]:
    """A masked value. Of lists that name files the entries stay, with nothing in them."""
    if place[0] not in _LISTS_OF_FILES or not isinstance(value, dict | list):
        return MASK, 1
    count = 0

    def mask(text: str) -> str:
        nonlocal count
        count += text != MASK
        return MASK

    return _rebuilt(value, (_FILES,), mask), count


def _is_structural_place(place: Sequence[str | int]) -> bool:
    *before, last = place
    path = tuple(str(part) for part in before if not isinstance(part, int))
    # Whole lists and objects that the archive reads stay, but not what is in them.
    return (isinstance(last, str) and _is_structure(path, last)) or place[0] in _STRUCTURE


def _value_at(value: JsonValue, place: Sequence[str | int]) -> JsonValue:
    for part in place:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _with_value(value: JsonValue, place: Sequence[str | int], new: JsonValue) -> JsonValue:
    if not place:
        return new
    part, *rest = place
    if isinstance(value, dict) and isinstance(part, str):
        return {**value, part: _with_value(value[part], rest, new)}
    if isinstance(value, list) and isinstance(part, int):
        return [*value[:part], _with_value(value[part], rest, new), *value[part + 1 :]]
    return value
