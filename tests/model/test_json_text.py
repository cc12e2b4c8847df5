import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.document import decode_json, encode_json, text_holds
from tests.model.strategies import ANY_TEXT, JSON


def nested(depth: int, core: Any = 1) -> Any:
    for _ in range(depth):
        core = [core]
    return core


@given(JSON)
def test_what_is_encoded_decodes_to_the_same(value: Any) -> None:
    assert decode_json(encode_json(value).encode()) == value


@given(JSON)
def test_both_agree_with_the_standard_library(value: Any) -> None:
    assert decode_json(json.dumps(value).encode()) == value
    assert json.loads(encode_json(value)) == value


@given(JSON)
def test_the_text_is_always_utf_8(value: Any) -> None:
    encode_json(value).encode()


@given(st.integers() | st.integers(-(10**60), 10**60))
def test_integers_are_exact_however_big(number: int) -> None:
    assert decode_json(str(number).encode()) == number
    assert encode_json([number]) == f"[{number}]"


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ],
)
def test_integers_beyond_a_double_or_64_bits_keep_every_digit(text: str) -> None:
    assert encode_json(decode_json(text.encode())) == text


def test_an_integer_of_thousands_of_digits_is_json_too() -> None:
    text = "1" * 5_000
    assert text in encode_json(decode_json(f'{{"output":{text}}}'.encode()))


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1E+999", "123.5e9999"])
def test_a_number_beyond_a_double_stays_as_its_text(text: str) -> None:
    assert decode_json(f"[{text}]".encode()) == [text]


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "😀", "\x7f", "\x00", '"\\', "é", "e\u0301"])
def test_every_character_survives(text: str) -> None:
    assert decode_json(encode_json({text: text}).encode()) == {text: text}
    assert decode_json(json.dumps({text: text}).encode()) == {text: text}


@pytest.mark.parametrize("text", ["\ud800", "a\udc00b"])
def test_half_a_surrogate_pair_survives(text: str) -> None:
    assert decode_json(json.dumps({text: [text]}).encode()) == {text: [text]}
    assert decode_json(encode_json({text: [text]}).encode()) == {text: [text]}


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"{", b"[1,]", b"nul", b"'a'", b"{'a':1}", b"01", b"+1", b".5", b"1."),
        *(b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b'{"a":Infinity}', b"1 2", b'"\x01"'),
        *(b"<html></html>", b'"\xff"', b'"\xed\xa0\x80"', b"\x00", b'{"a":1}}', b'{"a" 1}'),
    ],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_json(data)


@pytest.mark.parametrize(
    ("data", "byte"),
    [
        (b'{"a":"cut \xed\xa0\xbd"}', 10),  # half a surrogate, as bytes
        (b'["\xff"]', 2),
        (b'[1e999,"\xc3"]', 8),
        ('{"a":"ä"}'.encode("latin-1"), 6),
    ],
)
def test_what_is_not_utf_8_is_refused_and_the_byte_named(data: bytes, byte: int) -> None:
    with pytest.raises(ValueError, match=f"not UTF-8 at byte {byte}"):
        decode_json(data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_json_in_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_json('{"a":1}'.encode(encoding))


@given(st.binary(max_size=50))
def test_arbitrary_bytes_decode_or_raise_value_error(data: bytes) -> None:
    try:
        decode_json(data)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017


@pytest.mark.parametrize("core", ["plain", "\ud800"])
def test_nesting_too_deep_is_a_value_error(core: Any) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        encode_json(nested(100_000, core))
    text = b"[" * 100_000 + b"1e999" + b"]" * 100_000
    with pytest.raises(ValueError, match="nested too deeply"):
        decode_json(text)


def test_the_text_is_compact() -> None:
    assert encode_json({"a": [1, None, True, "é"]}) == '{"a":[1,null,true,"é"]}'
    assert encode_json({"a": [1, "\ud800"]}) == '{"a":[1,"\\ud800"]}'


PARTS = ANY_TEXT | st.text(
    st.sampled_from('"\\/\x7f\x00\n\u2028aé😀\ud83d\ude00'), min_size=1, max_size=4
)


@given(JSON, PARTS, PARTS, PARTS, st.booleans())
def test_a_part_of_a_string_or_a_name_is_found_however_it_is_written(
    value: Any, before: str, part: str, behind: str, is_name: bool
) -> None:
    text = before + part + behind
    whole = {text: value} if is_name else {"a": [value, text]}
    assert text_holds(encode_json(whole), part)


@pytest.mark.parametrize("part", ["secret", 'sec"ret', "sécret", "sec\ud800ret"])
def test_a_part_that_stands_nowhere_is_not_found(part: str) -> None:
    assert not text_holds(encode_json({"a": ["sec", "ret", 1, "\ud800"]}), part)
