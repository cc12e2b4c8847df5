from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.document import FieldReader, JsonValue, encode_json, readable_json
from tests.model.strategies import JSON

METHODS: dict[str, Callable[[FieldReader, str], Any]] = {
    "text": FieldReader.text,
    "boolean": FieldReader.boolean,
    "integer": FieldReader.integer,
    "size": FieldReader.size,
    "number": FieldReader.number,
    "timestamp": FieldReader.timestamp,
    "checksum": FieldReader.checksum,
    "json": FieldReader.json,
    "text_or_json": FieldReader.text_or_json,
    "object": FieldReader.object,
    "entries": FieldReader.entries,
}


@pytest.mark.parametrize("method", METHODS)
@given(value=JSON)
def test_any_value_costs_at_most_itself(method: str, value: Any) -> None:
    problems: list[str] = []
    read = FieldReader({"field": value, "other": "intact"}, problems, "at[0]")
    result = METHODS[method](read, "field")
    assert len(problems) <= 1
    assert all(line.startswith("at[0].field: ") for line in problems)
    if problems and method not in ("text", "text_or_json", "object", "entries"):
        assert result is None
    if value is None:
        assert not problems
    assert read.text("other") == "intact"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fields", [{}, {"field": None}])
def test_a_missing_or_null_field_is_no_problem(method: str, fields: dict[str, Any]) -> None:
    problems: list[str] = []
    result = METHODS[method](FieldReader(fields, problems), "field")
    assert not problems
    if method == "entries":
        assert result == []
    elif method != "object":
        assert result is None


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("text", "", ""),
        ("text", "a\u2028b", "a\u2028b"),
        ("boolean", False, False),
        ("integer", 0, 0),
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", -(2**63), -(2**63)),
        ("size", 0, 0),
        ("number", 1, 1.0),
        ("number", 0.25, 0.25),
        ("json", {"a": 9007199254740993}, '{"a":9007199254740993}'),
        ("json", "text", '"text"'),
        ("json", False, "false"),
        ("json", [], "[]"),
        ("text_or_json", "RESIDENTIAL", "RESIDENTIAL"),
        ("text_or_json", {"country": "US"}, '{"country":"US"}'),
        ("checksum", "SHA256:" + "AB" * 32, "ab" * 32),
        ("entries", [1, None], [1, None]),
    ],
)
def test_values_that_fit_are_read(method: str, value: Any, expected: Any) -> None:
    problems: list[str] = []
    result = METHODS[method](FieldReader({"field": value}, problems), "field")
    assert result == expected
    assert type(result) is type(expected) or isinstance(result, str)
    assert not problems


@pytest.mark.parametrize(
    ("method", "value", "problem"),
    [
        ("text", 1, "expected a string, found an integer"),
        ("text", True, "expected a string, found a boolean"),
        ("boolean", 1, "expected a boolean, found an integer"),
        ("boolean", "true", "expected a boolean, found a string"),
        ("integer", True, "expected an integer, found a boolean"),
        ("integer", 1.5, "expected an integer, found a number"),
        ("integer", "1", "expected an integer, found a string"),
        ("integer", 2**63, "an integer beyond 64 bits"),
        ("integer", -(2**63) - 1, "an integer beyond 64 bits"),
        ("size", -1, "a negative size"),
        ("number", True, "expected a number, found a boolean"),
        ("number", "0.5", "expected a number, found a string"),
        ("timestamp", 1795462322, "expected a timestamp, found an integer"),
        ("timestamp", "yesterday", "not a timestamp"),
        ("timestamp", "0001-01-01T00:00:00+12:00", "not a timestamp"),
        ("checksum", "md5:d41d8cd98f00b204e9800998ecf8427e", "not a SHA-256"),
        ("checksum", "", "not a SHA-256"),
        ("checksum", {}, "expected a string, found an object"),
        ("object", [], "expected an object, found a list"),
        ("entries", {}, "expected a list, found an object"),
    ],
)
def test_values_that_do_not_fit_are_noted(method: str, value: Any, problem: str) -> None:
    problems: list[str] = []
    result = METHODS[method](FieldReader({"field": value}, problems), "field")
    assert problems == [f"field: {problem}"]
    assert result in (None, []) or isinstance(result, FieldReader)


def test_half_a_surrogate_pair_in_a_text_is_replaced_and_noted() -> None:
    problems: list[str] = []
    assert FieldReader({"title": "a\ud800é"}, problems).text("title") == "a\ufffdé"
    assert problems == ["title: half a surrogate pair, replaced"]


@given(st.text(st.characters()))
def test_a_text_can_always_be_written(value: str) -> None:
    read = FieldReader({"field": value}, []).text("field")
    assert read is not None
    read.encode()


def test_places_inside_of_objects_are_named() -> None:
    problems: list[str] = []
    FieldReader({"a": {"b": {"c": 1}}}, problems).object("a").object("b").text("c")
    assert problems == ["a.b.c: expected a string, found an integer"]


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        (r'"a\ud83d"', r'"a\ufffd"'),
        (r'"\udc00\ud83d"', r'"\ufffd\ufffd"'),
        (r'"\ud83d\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
        (r'"\UD83D \uDE00"', r'"\UD83D \ufffd"'),
        (r'"\\ud83d \\\ud83d"', r'"\\ud83d \\\ufffd"'),
        (r'{"\ud83d":"\ud83d\ude00"}', r'{"\ufffd":"\ud83d\ude00"}'),
        ('"\ud7ff \\ud7ff"', '"\ud7ff \\ud7ff"'),
    ],
)
def test_halves_of_surrogate_pairs_in_json_are_replaced(text: str, readable: str) -> None:
    assert readable_json(text) == readable
    assert (readable_json(text) is text) == (text == readable)


@given(JSON)
def test_json_is_readable_by_duckdb_whatever_it_says(value: JsonValue) -> None:
    text = encode_json(value)
    readable = readable_json(text)
    assert duckdb.execute("SELECT json_valid(?::VARCHAR)", [readable]).fetchone() == (True,)
    problems: list[str] = []
    assert FieldReader({"output": value}, problems).json("output") in (readable, None)
    assert problems == ([] if readable == text else ["output: half a surrogate pair, replaced"])
