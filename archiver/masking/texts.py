"""The texts of a document: all of them, and the document with others in their place."""

import re
from collections.abc import Callable, Iterable, Iterator

from archiver.masking.fields import Shape
from archiver.model.document import JsonObject, JsonValue

_WORDS = re.compile(r"[a-z_]*")


def every_text(value: JsonValue) -> Iterator[str]:
    """Every string and every name in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from every_text(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from every_text(entry)


def changed(
    value: JsonValue, shape: Shape, change: Callable[[str], str], keys: set[str]
) -> JsonValue:
    """A copy with ``change`` made to every text but what the archive cannot do without.

    Even that must not hold one of the ``keys``.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return with_names(
            (
                _renamed(name, change),
                entry
                if shape.requires(name, entry) and not any(key in str(entry) for key in keys)
                else changed(entry, shape.of(name), change, keys),
            )
            for name, entry in value.items()
        )
    if isinstance(value, list):
        return [changed(entry, shape, change, keys) for entry in value]
    return value


def _renamed(name: str, change: Callable[[str], str]) -> str:
    """Names stay: the API's own are words, which a secret that is worth its name is not."""
    return name if _WORDS.fullmatch(name) else change(name)


def with_names(pairs: Iterable[tuple[str, JsonValue]]) -> JsonObject:
    """An object of these fields; names that became the same when masked are told apart."""
    fields: JsonObject = {}
    for name, value in pairs:
        unique, number = name, 1
        while unique in fields:
            number += 1
            unique = f"{name} ({number})"
        fields[unique] = value
    return fields
