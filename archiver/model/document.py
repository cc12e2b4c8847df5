"""JSON in and out: big integers exact, nothing that JSON can say refused.

msgspec does the work; what it refuses although it is JSON (lone surrogates, numbers beyond a
double) goes through the standard library, which is slower and takes both.
"""

import json
import math
from typing import TypeAlias

import msgspec

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"


_ANY = msgspec.json.Decoder()


def decode_json(data: bytes | bytearray) -> JsonValue:
    """The value of a JSON text in UTF-8. Raises ValueError when it is none, or nests too deeply."""
    try:
        return _ANY.decode(data)  # type: ignore[no-any-return]  # untyped decode: Any
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except msgspec.MsgspecError as refused:
        return _decode_slowly(data, refused)


def encode_json(value: object) -> str:
    """The JSON text of ``value``, compact. Raises ValueError when it nests too deeply."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:  # a lone surrogate: only an escape can carry it
        return json.dumps(value, separators=(",", ":"), allow_nan=False)


def text_holds(text: str, part: str) -> bool:
    """Whether ``part`` stands in a string or a name of ``text``, written by :func:`encode_json`.

    May say yes where it stands elsewhere in the text, as in a number; never no where it is there.
    """
    # Both encoders write character by character, so that a part is written as it is in the whole.
    return encode_json(part)[1:-1] in text or json.dumps(part)[1:-1] in text


def _decode_slowly(data: bytes | bytearray, refused: msgspec.MsgspecError) -> JsonValue:
    try:
        value: JsonValue = json.loads(
            data, parse_float=_float, parse_int=_integer, parse_constant=_constant
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
