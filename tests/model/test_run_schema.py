"""Every value of the API lands where the schema of its run says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from archiver.fetch.revision import entry_for
from archiver.model.artifact import ArtifactState
from archiver.model.ids import parse_timestamp
from archiver.model.schema import RUNS, TABLES, ColumnType
from archiver.model.urls import MASK
from tests.model.builders import (
    SAMPLE_NAMES,
    SESSION,
    document,
    named,
    read,
    rows_of,
    sample,
)

SCHEMA = Path(__file__).parents[2] / "schemas" / "run.schema.json"
RUN: dict[str, Any] = json.loads(SCHEMA.read_bytes())


def validate(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_real_answers_are_valid(name: str) -> None:
    validate(RUN, json.loads(sample(name)))


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_every_field_of_a_real_answer_is_named(name: str) -> None:
    real = json.loads(sample(name))
    of_request = RUN["$defs"]["run_request"]["properties"]
    assert set(real) <= set(RUN["properties"])
    assert set(real["run_request"]) <= set(of_request)
    for part, of in (
        ("downloaded_files", "downloaded_file"),
        ("errors", "run_error"),
        ("attempts", "workflow_run_attempt"),
    ):
        for found in real.get(part) or ():
            assert set(found) <= set(RUN["$defs"][of]["properties"])


Place = tuple[str, ...]


def properties(schema: Any, at: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every property of the run's schema with its place; ``[]`` stands for entries of a list."""
    for part in (schema, *schema.get("anyOf", ())):
        if "$ref" in part:
            yield from properties(RUN["$defs"][part["$ref"].rpartition("/")[2]], at)
        if "items" in part:
            yield from properties(part["items"], (*at, "[]"))
        for name, of in part.get("properties", {}).items():
            yield (*at, name), of
            yield from properties(of, (*at, name))


PROPERTIES = dict(properties(RUN))
IDS = [".".join(place) for place in PROPERTIES]
LINK = "https://h.example/probe"


def probe(place: Place, of: dict[str, Any]) -> Any:
    """A value that a field may have and that stands nowhere else."""
    name = place[-1]
    kinds = of.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "string":
        if name.endswith("_at"):
            return "2026-01-02T03:04:05.678901"
        fixed = {"run_id": "tsk_probe", "checksum": "5" * 64}
        return fixed.get(name, LINK if "url" in name or "address" in name else f"probe {name}")
    if kind == "array":
        is_text = of["items"].get("type") == "string"
        return [LINK if "url" in name else "probe" if is_text else {"probe": "here"}]
    return {"object": {"probe": "here"}, "integer": 4711, "number": 0.25, "boolean": True}[kind]


def answer_with(place: Place, value: Any) -> dict[str, Any]:
    for step in reversed(place):
        value = [value] if step == "[]" else {step: value}
    return document(**value) if "run_id" not in value else document() | value


def at_place(value: Any, place: Place) -> Any:
    for step in place:
        value = value[0] if step == "[]" else value[step]
    return value


def contains(value: Any, wanted: Any) -> bool:
    if value == wanted and type(value) is type(wanted):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(contains(part, wanted) for part in inner)


def test_every_property_names_a_column_that_there_is() -> None:
    columns = {f"{table.name}.{name}" for table in TABLES for name in table.column_names}
    assert {of.get("x-column") for of in PROPERTIES.values()} <= columns


@pytest.mark.parametrize("place", PROPERTIES, ids=IDS)
def test_a_value_arrives_in_the_column_that_the_schema_names(place: Place) -> None:
    of = PROPERTIES[place]
    value = probe(place, of)
    whole = answer_with(place, value)
    validate(RUN, whole)
    answer = read(whole)
    assert not answer.run.problems
    artifacts = [entry_for(s, ArtifactState.FAILED, SESSION) for s in answer.sources]
    rows = rows_of(answer, *artifacts)
    if place[-1] in ("extra_http_headers", "cdp_connect_headers"):
        value = dict.fromkeys(value, MASK)
    assert rows.document is not None
    assert at_place(json.loads(rows.document[3]), place) == value  # type: ignore[arg-type]

    name, _, column = of["x-column"].partition(".")
    (table, found) = next((t, r) for t, r in rows.by_table() if t.name == name)
    (shown,) = [named(table, row)[column] for row in found]
    (kind,) = [c.type for c in table.columns if c.name == column]
    if kind is ColumnType.JSON:
        assert contains(json.loads(shown), value)
    elif kind is ColumnType.TIMESTAMP:
        assert shown == parse_timestamp(value)
    elif isinstance(value, list):
        assert [shown] == value
    elif isinstance(value, dict):
        assert json.loads(shown) == value
    else:
        assert shown == value
        assert isinstance(shown, type(value))


DERIVED = {
    *("revision", "is_final", "is_settled", "is_complete", "error_codes", "queue_seconds"),
    *("run_seconds", "total_seconds", "downloaded_file_count", "screenshot_count"),
    *(
        "has_recording",
        "problems",
        "session",
        "fetched_at",
        "document_sha256",
        "path",
        "redacted",
        "removed",
    ),
}


def test_every_column_of_runs_comes_from_a_field_or_is_derived() -> None:
    of_fields = [
        of["x-column"].removeprefix("runs.")
        for of in PROPERTIES.values()
        if of["x-column"].startswith("runs.")
    ]
    assert set(of_fields).isdisjoint(DERIVED)
    assert set(of_fields) | DERIVED == set(RUNS.column_names)
