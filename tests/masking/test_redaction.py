"""Laws of redaction, with the expressions and paths that the command uses."""

import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.fetch.answer import read_answer
from archiver.masking.fields import ANSWER, Shape
from archiver.masking.redaction import Redaction, RedactionRules, unescape_once
from archiver.model.document import JsonValue, decode_json, encode_json
from tests.model.builders import AT, DIGEST, RUN_ID, document, to_bytes
from tests.model.strategies import ANY_TEXT, JSON

QUICK = settings(max_examples=60, deadline=None)
TEXTS = (
    st.text(st.sampled_from("aAbé e\u0301Ö1234 -_./:%*\\u&;=\ud83d😀\n"), max_size=30) | ANY_TEXT
)
PATTERNS = st.lists(
    st.sampled_from(
        (
            *(r"\d+", r"\d{3}", "a", "é", r"[aA][bB]", r"\Wb", "^.1", r"b$", r"[^a-z]1", "1|a"),
            *(r"(?:a|b)\d", r"\ba", r"(?s:b.*a)", r"%\d\d", r"\b", "(?:a?)*b"),
        )
    ),
    min_size=1,
    max_size=3,
)
VALUES = st.recursive(
    TEXTS
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
ANSWERS = st.fixed_dictionaries(
    {"run_id": st.just("tsk_a1"), "status": st.just("a1")},
    optional={
        "output": VALUES,
        "title": TEXTS,
        "created_at": st.just("2026-11-01T01:02:03") | TEXTS,
        "run_request": st.dictionaries(TEXTS | st.just("prompt"), VALUES, max_size=3),
        "errors": st.lists(
            st.dictionaries(TEXTS | st.just("reasoning"), VALUES, max_size=2), max_size=2
        ),
        "ab1": VALUES,
        "downloaded_files": st.lists(
            st.fixed_dictionaries(
                {"url": TEXTS, "filename": TEXTS, "file_size": st.integers(0, 10**6) | TEXTS,
                 "checksum": st.just(str(DIGEST)) | TEXTS, "artifact_id": st.just("a_1") | TEXTS}
            ),
            max_size=2,
        ),
    },
)  # fmt: skip


def ready(*patterns: str, paths: tuple[str, ...] = ()) -> Redaction:
    redaction = RedactionRules(tuple(patterns), paths).checked().redaction()
    assert redaction is not None
    return redaction


def free_texts(value: JsonValue, shape: Shape) -> Iterator[str]:
    """Every name and value that is nobody's structure, written as it is in the document."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if not shape.requires(name, entry):
                if name not in shape.names:
                    yield name
                yield from free_texts(entry, shape.of(name))
    elif isinstance(value, list):
        for entry in value:
            yield from free_texts(entry, shape)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield encode_json(value)


def flat(value: JsonValue, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Names by where they stand, and values."""
    if isinstance(value, dict):
        for number, (name, entry) in enumerate(value.items()):
            yield (*at, number, "name"), re.sub(r" [* ]+$", "", name)
            yield from flat(entry, (*at, number))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from flat(entry, (*at, number))
    else:
        yield at, value


def is_hidden(text: str) -> bool:
    return not text.strip("*\t\n\x0b\x0c\r \x1c\x1d\x1e\x1f\x85\xa0")


@QUICK
@given(ANSWERS, PATTERNS)
def test_nothing_that_matches_is_left_in_what_is_written(
    answer: dict[str, Any], patterns: list[str]
) -> None:
    redacted, _ = ready(*patterns).of(answer)
    written = decode_json(encode_json(redacted).encode())
    for text in free_texts(written, ANSWER):
        for pattern in patterns:
            # What RE2 calls a digit, a letter and an end.
            found = re.findall(f"({pattern.replace('$', chr(92) + 'Z')})", text, re.ASCII)
            found = [one[0] if isinstance(one, tuple) else one for one in found]
            assert all(is_hidden(one) for one in found), (text, pattern)


@QUICK
@given(ANSWERS, PATTERNS)
def test_to_redact_again_changes_nothing(answer: dict[str, Any], patterns: list[str]) -> None:
    redaction = ready(*patterns)
    once, _ = redaction.of(answer)
    assert redaction.of(once) == (once, 0)


@QUICK
@given(ANSWERS, PATTERNS)
def test_the_count_is_that_of_the_names_and_values_that_changed(
    answer: dict[str, Any], patterns: list[str]
) -> None:
    before = json.dumps(answer)
    redacted, count = ready(*patterns, paths=("$.output.*", "$..title")).of(answer)
    assert json.dumps(answer) == before
    if "*" not in before:
        was, now = dict(flat(answer)), dict(flat(redacted))
        # What a path masks is one place, whatever was in it.
        whole = [at for at, value in now.items() if value == "***" and at not in was]
        assert count == sum(was[at] != now[at] for at in was.keys() & now.keys()) + len(whole)


@QUICK
@given(ANSWERS)
def test_what_nothing_matches_stays_as_it_is(answer: dict[str, Any]) -> None:
    assert ready("nowhere to be found", paths=("$.nowhere", "$..[?@.nowhere]")).of(answer) == (
        answer,
        0,
    )


def test_without_rules_an_answer_is_read_as_ever() -> None:
    assert RedactionRules().redaction() is None
    body = to_bytes(document(output={"a": [1, "b"]}))
    plain = read_answer(body, DIGEST, RUN_ID, AT)
    assert (plain.document, plain.redacted) == (
        body.decode().replace(", ", ",").replace(": ", ":"),
        None,
    )


def output(value: Any, *patterns: str, paths: tuple[str, ...] = ()) -> Any:
    redacted, _ = ready(*patterns, paths=paths).of(document(output=value))
    return redacted["output"]


@pytest.mark.parametrize(
    ("text", "patterns", "left"),
    [
        ("Jane 47 Doe", (r"\d+", r"Jane \d+ Doe"), "***"),
        ("Jane 47 Doe", (r"Jane \d+", r"\d+ Doe"), "***"),
        ("abab", ("ab",), "***"),
        ("ab ab", ("ab",), "*** ***"),
        ("aaaa", (r"\Wa", "^a"), "*********"),
        ("x" * 30, (r"[^\w]x", "^x"), "***"),
        ("one two", (r"\b",), "one two"),
        ("so *** what", (r"\* |nobody",), "so *** what"),
        ("a\ufdd0b\ufdd1", ("b",), "a\ufffd***\ufffd"),
        ("half \ud83d of 7", ("7",), "half � of ***"),
        ("half \ud83d", ("7",), "half \ud83d"),
        ("e\u0301t\u00e9", ("été",), "***"),
        (quote("https://x/été?q=1"), ("été",), "https://x/***?q=1"),
        ("https://x/a%20b?q=7", ("7",), "https://x/a%20b?q=***"),
        ("https://x/?q=a+b", ("a b",), "https://x/?q=***"),
        ("1 + 2", ("1   2",), "1 + 2"),
        (r"{\"a\": \"\u00e9\ud83d\ude00\"}", ("é😀",), r"{\"a\": \"***\"}"),
        ("&eacute;&amp;&#116;", ("é&t",), "***"),
        ("a%20b, 20", (r"\d+",), "a b, ***"),
        ("%25C3%25A9", ("é",), "***"),
    ],
)
def test_texts(text: str, patterns: tuple[str, ...], left: str) -> None:
    found = output(text, *patterns)
    assert found == left
    assert output(found, *patterns) == found


@pytest.mark.parametrize(
    ("number", "pattern", "left"),
    [
        (4711_0815, "^4711", "***0815"),
        (-5, r"^-5$", "***"),
        (10**40 + 1, r"^1\d{40}$", "***"),
        (12.5, r"^12\.5$", "***"),
        (1e22, r"^1e22$", "***"),
        (True, "(?i)true", True),
        (None, "null", None),
    ],
)
def test_numbers_match_as_they_are_written(number: Any, pattern: str, left: Any) -> None:
    assert output([number], pattern) == [left]


def test_a_number_of_thousands_of_digits_costs_nothing_else() -> None:
    body = b'{"run_id": "tsk_123", "status": "completed", "output": [%s, 7]}' % (b"9" * 5000)
    answer = read_answer(body, DIGEST, RUN_ID, AT, redaction=ready("9{1000}", "^7$"))
    assert json.loads(answer.document)["output"] == ["***", "***"]


def test_names_that_become_the_same_are_told_apart_by_asterisks() -> None:
    names = output({f"Jane {n}": n for n in range(20)}, r"Jane \d+")
    assert list(names.values()) == list(range(20))
    assert list(names)[:5] == ["***", "*** *", "*** **", "*** * *", "*** * **"]
    many = output({f"Jane {n}": None for n in range(30_000)}, r"Jane \d+")
    assert len(many) == 30_000
    assert max(map(len, many)) < 50


def test_fields_are_those_of_the_schema() -> None:
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_bytes())
    shapes = {
        "downloaded_files": "downloaded_file",
        "errors": "run_error",
        "run_request": "run_request",
        "script_run": "script_run",
        "attempts": "workflow_run_attempt",
        "browser_settings_receipt": "browser_settings_receipt",
    }
    assert ANSWER.names == {*schema["properties"], "title"}
    for name, of in shapes.items():
        assert ANSWER.of(name).names == schema["$defs"][of]["properties"].keys(), name
    check = schema["$defs"]["credential_check"]["properties"].keys()
    assert ANSWER.of("errors").of("credential_check").names == check
    for shape in (ANSWER, *map(ANSWER.of, shapes)):
        assert shape.required.keys() <= shape.names


@pytest.mark.parametrize(
    ("path", "left", "count"),
    [
        ("$.output.a", {"a": "***", "b": [{"c": 2, "a": 3}, 4]}, 1),
        ("$.output..a", {"a": "***", "b": [{"c": 2, "a": "***"}, 4]}, 2),
        ("$.output.b[0]", {"a": {"x": 1}, "b": ["***", 4]}, 1),
        ("$.output.b[-1]", {"a": {"x": 1}, "b": [{"c": 2, "a": 3}, "***"]}, 1),
        ("$.output[*]", {"a": "***", "b": "***"}, 2),
        ("$.output.b[?@.c == 2].a", {"a": {"x": 1}, "b": [{"c": 2, "a": "***"}, 4]}, 1),
        ("$.output", "***", 1),
        ("$.*", "***", 1),
        ("$..*", "***", 1),
        ("$", "***", 1),
    ],
)
def test_places(path: str, left: Any, count: int) -> None:
    value = {"a": {"x": 1}, "b": [{"c": 2, "a": 3}, 4]}
    redacted, places = ready(paths=(path, path)).of(document(output=value, title=None))
    assert (redacted["output"], places, redacted["title"]) == (left, count, None)


def test_a_filter_sees_what_an_expression_masks() -> None:
    value = [{"name": "Doe", "born": 1}, {"name": "Roe", "born": 2}]
    found = output(value, "Doe", paths=("$.output[?search(@.name, '^D.e')].born",))
    assert found == [{"name": "***", "born": "***"}, {"name": "Roe", "born": 2}]
    assert output(["Doe", "Does"], "x", paths=("$.output[?match(@, 'D.*e')]",)) == ["***", "Does"]


def test_neither_expressions_nor_paths_can_be_kept_busy() -> None:
    text = "a" * 200_000
    assert output([text], "(a+)+$x", "(a|aa)+b") == [text]
    assert output([text], "x", paths=("$.output[?search(@, '(a+)+b')]",)) == [text]
    deep: Any = "secret"
    for _ in range(150):
        deep = [{"a": deep}]
    assert "secret" not in encode_json(output(deep, paths=("$..a[0]..a",)))
    wide = [{"name": f"n{n}", "x": n} for n in range(20_000)]
    assert {entry["name"] for entry in output(wide, paths=("$..name",))} == {"***"}


@given(ANY_TEXT)
def test_plain_texts_have_no_other_spelling(text: str) -> None:
    if text.isascii() and not set(text) & set("%\\&+"):
        assert unescape_once(text) is text
    assert normalize("NFC", unescape_once(text)) == unescape_once(text)


def test_rules_go_to_other_processes_as_they_are() -> None:
    rules = RedactionRules(("a",), ("$.output.b",))
    redaction = pickle.loads(pickle.dumps(rules)).redaction()
    assert redaction.of({"output": {"b": 1, "c": "a"}}) == ({"output": {"b": "***", "c": "***"}}, 2)
