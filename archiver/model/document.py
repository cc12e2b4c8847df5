"""JSON in and out: big integers exact, nothing that JSON can say refused.

msgspec does the work; what it refuses although it is JSON (lone surrogates, numbers beyond a
double) goes through the standard library, which is slower and takes both.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias, TypeVar

import msgspec

from archiver.model.ids import Sha256, parse_checksum, parse_timestamp
from archiver.model.urls import MASK

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"


_ANY = msgspec.json.Decoder()


def decode_json(data: bytes | bytearray) -> JsonValue:
    """The value of a JSON text in UTF-8. Raises ValueError when it is none, or nests too deeply."""
    try:
        return _ANY.decode(data)  # type: ignore[no-any-return]  # untyped decode: Any
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as refused:
        return _decode_slowly(data, refused)


def encode_json(value: object) -> str:
    """The JSON text of ``value``, compact. Raises ValueError when it nests too deeply."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:  # a lone surrogate: only an escape can carry it
        return json.dumps(value, separators=(",", ":"), allow_nan=False)


HALF = "half a surrogate pair, replaced"
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
"""A whole pair, half of one, or any other escape."""


def readable_json(text: str) -> str:
    """A JSON text with U+FFFD in place of each half of a surrogate pair.

    Python reads such a half, but DuckDB refuses the whole text, and with it the query. The very
    text comes back where it has none.
    """
    if "\\ud" not in text and "\\uD" not in text:
        return text
    replaced = _ESCAPES.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    return text if replaced == text else replaced


def text_holds(text: str, part: str) -> bool:
    """Whether ``part`` stands in a string or a name of ``text``, written by :func:`encode_json`.

    May say yes where it stands elsewhere in the text, as in a number; never no where it is there.
    """
    # Both encoders write character by character, so that a part is written as it is in the whole.
    return encode_json(part)[1:-1] in text or json.dumps(part)[1:-1] in text


def _decode_slowly(data: bytes | bytearray, refused: Exception) -> JsonValue:
    try:
        # Not left to json.loads, which takes bytes of half a surrogate and other encodings.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    try:
        value: JsonValue = json.loads(
            text, parse_float=_float, parse_int=_integer, parse_constant=_constant
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError(str(refused)) from None
    return value


def _float(text: str) -> float | str:
    """A number beyond a double stays as its text: better a string than an infinity."""
    value = float(text)
    return value if math.isfinite(value) else text


def _integer(text: str) -> int | str:
    """Python converts integers of some thousand digits only; a longer one stays as its text."""
    try:
        return int(text)
    except ValueError:
        return text


def _constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


_INT64 = range(-(2**63), 2**63)
_T = TypeVar("_T")

_TYPE_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class FieldReader:
    """Reads fields of one JSON object and notes what could not be read, and where.

    Every method returns None for a field that is missing or null, and None with a line in
    ``problems`` for one of a wrong type. ``at`` is the object's place in the answer.
    """

    __slots__ = ("_at", "_fields", "problems")

    def __init__(self, fields: Mapping[str, JsonValue], problems: list[str], at: str = "") -> None:
        self._fields = fields
        self._at = f"{at}." if at else ""
        self.problems = problems

    def note(self, name: str, problem: str) -> None:
        self.problems.append(f"{self._at}{name}: {problem}")

    def text(self, name: str) -> str | None:
        value = self._fields.get(name)
        return None if value is None else self.text_of(name, value)

    def text_of(self, name: str, value: JsonValue) -> str | None:
        """``value`` as a text; ``name`` says where it stands."""
        if type(value) is not str:
            self._note_type(name, value, "a string")
            return None
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                self.note(name, HALF)
                value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value

    def boolean(self, name: str) -> bool | None:
        return self._get(name, bool)

    def integer(self, name: str) -> int | None:
        value = self._get(name, int)
        if value is not None and value not in _INT64:
            self.note(name, "an integer beyond 64 bits")
            return None
        return value

    def size(self, name: str) -> int | None:
        """A number of bytes."""
        value = self.integer(name)
        if value is not None and value < 0:
            self.note(name, "a negative size")
            return None
        return value

    def number(self, name: str) -> float | None:
        value = self._fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
            return float(value)
        return self._get(name, float)

    def timestamp(self, name: str) -> datetime | None:
        value = self._get(name, str, "a timestamp")
        if value is None:
            return None
        try:
            return parse_timestamp(value)
        except ValueError:
            self.note(name, "not a timestamp")
            return None

    def checksum(self, name: str) -> Sha256 | None:
        value = self._get(name, str)
        if value is None:
            return None
        try:
            return parse_checksum(value)
        except ValueError:
            self.note(name, "not a SHA-256")
            return None

    def json(self, name: str) -> str | None:
        """A free-form value as JSON text."""
        value = self._fields.get(name)
        return None if value is None else self.json_of(name, value)

    def json_of(self, name: str, value: JsonValue) -> str:
        """``value`` as JSON text that DuckDB can read; ``name`` says where it stands."""
        text = encode_json(value)
        readable = readable_json(text)
        if readable is not text:
            self.note(name, HALF)
        return readable

    def text_or_json(self, name: str) -> str | None:
        """A string as it is, anything else as JSON text."""
        return self.text(name) if isinstance(self._fields.get(name), str) else self.json(name)

    def object(self, name: str) -> "FieldReader":
        """A reader of the object in field ``name``; of an empty one where there is none."""
        value = self._get(name, dict)
        return FieldReader(value or {}, self.problems, f"{self._at}{name}")

    def entries(self, name: str) -> list[JsonValue]:
        return self._get(name, list) or []

    def _get(self, name: str, kind: type[_T], wanted: str | None = None) -> _T | None:
        value = self._fields.get(name)
        # A boolean is an int to Python, not to JSON; the exact type tells them apart.
        if value is None or type(value) is kind:
            return value
        if value == MASK:  # there was something that is not to be known
            return None
        self._note_type(name, value, wanted or _TYPE_NAMES[kind])
        return None

    def _note_type(self, name: str, value: JsonValue, wanted: str) -> None:
        self.note(name, f"expected {wanted}, found {_TYPE_NAMES[type(value)]}")
