"""The published schemas and the code say the same."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from archiver.errors import ArchiveDamaged, NotAnArchive
from archiver.fetch.events import Problem, Summary
from archiver.model.artifact import ArtifactKind, ArtifactState
from archiver.model.ids import sha256_of
from archiver.model.ledger import FORMAT as LEDGER_FORMAT
from archiver.model.ledger import (
    UPGRADE,
    Actor,
    LedgerRecord,
    decode_list,
    decode_record,
    encode_record,
    upgrade_details,
)
from archiver.model.manifest import (
    FORMAT,
    ArtifactEntry,
    FileEntry,
    Manifest,
    PrunedFile,
    Pruning,
    Removal,
    RemovalKind,
    RemovedFile,
    RemovedRevision,
    decode_manifest,
    encode_manifest,
)
from archiver.model.merkle import InclusionPaths
from archiver.model.proof import FORMAT as PROOF_FORMAT
from archiver.model.proof import Proof, encode_proof, make_proof
from archiver.model.rows import Outcome
from archiver.model.schema import DERIVED, TABLES, Column, Table
from archiver.store.tombstones import (
    Order,
    StoredRevision,
    removed_run,
    tombstone,
    without_artifacts,
)
from archiver.tables.write import arrow_schema
from tests.model.builders import (
    AT,
    RECORDING,
    SESSION,
    entry,
    manifest,
)
from tests.model.strategies import TEXT, manifests

SCHEMAS = Path(__file__).parents[1] / "schemas"
QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def load(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((SCHEMAS / name).read_bytes())
    return value


RUN = load("run.schema.json")
MANIFEST = load("manifest.schema.json")
SUMMARY = load("fetch-summary.schema.json")
RECORD = load("ledger-record.schema.json")
PROOF = load("proof.schema.json")
TABLE_FILES = {path.stem: load(f"tables/{path.name}") for path in SCHEMAS.glob("tables/*")}


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


def validate(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    "schema", [RUN, MANIFEST, SUMMARY, RECORD, PROOF], ids=lambda schema: schema["title"]
)
def test_schemas_are_schemas_and_every_property_is_described(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    pending: list[Any] = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if part.get("type") == "object":
                for name, of in part.get("properties", {}).items():
                    assert of["description"], name
            pending += part.values()
        elif isinstance(part, list):
            pending += part


# Tables


def described(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type.value,
            "unit": column.unit,
            "nullable": column.nullable,
            "meaning": column.meaning,
        }
        for column in columns
    ]


def test_every_table_is_described_as_it_is_and_no_other() -> None:
    assert {
        table.name: {
            "table": table.name,
            "row": table.row,
            "sorted_by": list(table.sorted_by),
            "columns": described(table.columns),
        }
        for table in TABLES
    } == TABLE_FILES


def test_every_derived_view_is_described_as_it_is_and_no_other() -> None:
    assert {path.stem: load(f"views/{path.name}") for path in SCHEMAS.glob("views/*")} == {
        view.name: {"view": view.name, "row": view.row, "columns": described(view.columns)}
        for view in DERIVED
    }


ARROW_TYPES = {
    "text": pa.string(),
    "json": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp[us, UTC]": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "list<text>": pa.list_(pa.string()),
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_parquet_files_have_the_columns_described(table: Table) -> None:
    columns = TABLE_FILES[table.name]["columns"]
    assert arrow_schema(table) == pa.schema(
        [pa.field(c["name"], ARROW_TYPES[c["type"]], nullable=c["nullable"]) for c in columns]
    )


# The manifest


def as_json(of: Manifest) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(encode_manifest(of))
    return value


@pytest.mark.parametrize(
    ("schema", "struct"),
    [
        (MANIFEST, Manifest),
        (MANIFEST["$defs"]["file"], FileEntry),
        (MANIFEST["$defs"]["artifact"], ArtifactEntry),
        (MANIFEST["$defs"]["removal"], Removal),
        (MANIFEST["$defs"]["removed_revision"], RemovedRevision),
        (MANIFEST["$defs"]["removed_file"], RemovedFile),
        (MANIFEST["$defs"]["pruning"], Pruning),
        (MANIFEST["$defs"]["pruned_file"], PrunedFile),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_manifest_has_the_fields_of_its_schema(
    schema: dict[str, Any], struct: type[msgspec.Struct]
) -> None:
    fields = msgspec.structs.fields(struct)
    assert list(schema["properties"]) == [field.name for field in fields]
    required = {field.name for field in fields if field.required or field.name == "format"}
    assert set(schema["required"]) == required
    assert schema["additionalProperties"] is False


def test_the_manifest_has_the_kinds_states_and_format_of_its_schema() -> None:
    artifact = MANIFEST["$defs"]["artifact"]["properties"]
    assert artifact["kind"]["examples"] == list(ArtifactKind)
    assert "enum" not in artifact["kind"], "others may come"
    assert artifact["state"]["enum"] == list(ArtifactState)
    assert MANIFEST["properties"]["format"]["const"] == FORMAT


@QUICK
@given(manifests())
def test_manifests_that_the_code_can_build_are_valid(of: Manifest) -> None:
    validate(MANIFEST, as_json(of))


GONE = "left out"
ODD_VALUES: list[Any] = [
    *(GONE, None, True, 0, 1, -1, 1.5, "", "x", [], {}, [1], 2**64),
    *("r1/a", "r2/b/c.pdf", "r1/../a", "../r1/a", "r1", "r0/a", "r1/a/.", "r1//a"),
    *("a" * 64, "A" * 64, "a" * 63, "tsk_1", "wr_1", "../x", "tsk_", "failed", "verified"),
    *("unverified", "mismatch", "gone", "excluded", "recording", "download", "video"),
    *("2026-11-24T01:02:03Z", "2026-11-24T01:02:03.5+02:00", "2026-11-24T01:02:03", "now"),
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from places(inner, (*at, key))


def put(value: Any, at: tuple[Any, ...], new: Any) -> None:
    for step in at[:-1]:
        value = value[step]
    if new != GONE:
        value[at[-1]] = new
    else:
        del value[at[-1]]


def is_read(value: Any) -> bool:
    try:
        decode_manifest(json.dumps(value).encode(), "here")
    except (ArchiveDamaged, NotAnArchive):
        return False
    return True


def is_falsely_verified(value: Any) -> bool:
    """The one rule that a schema cannot say: the digest of a verified artifact is the expected."""
    return any(
        a["state"] == "verified" and a["sha256"] != a["expected_sha256"] for a in value["artifacts"]
    )


@settings(QUICK, max_examples=150)
@given(manifests(), st.data())
def test_what_the_schema_allows_is_read_and_what_it_forbids_is_not(
    of: Manifest, data: st.DataObject
) -> None:
    value = as_json(of)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(list(places(value))))
        put(value, at, copy.deepcopy(data.draw(st.sampled_from(ODD_VALUES))))
    valid = is_valid(MANIFEST, value)
    assert is_read(value) is (valid and not is_falsely_verified(value))


def test_every_odd_value_in_every_field_is_judged_alike() -> None:
    _judge_alike(as_json(manifest(entry(filename="a.pdf", reason="why"), entry(ordinal=2))))


def test_every_odd_value_in_a_tombstone_is_judged_alike() -> None:
    held = manifest(entry(filename="a.pdf", reason="why"))
    order = Order(RemovalKind.ERASED, AT, "root", "archive-1", "asked for", SESSION, "tool")
    revision = StoredRevision("runs/undated/tsk_1/r1/manifest.json", sha256_of(b""), held)
    _judge_alike(as_json(tombstone(order, held, removed_run(held), [revision], 2)))


def test_every_odd_value_in_a_revision_that_was_pruned_is_judged_alike() -> None:
    held = manifest(entry(filename="a.pdf"), entry(RECORDING))
    order = Order(RemovalKind.PRUNED, AT, "root", "archive-1", "old", SESSION, "tool")
    pruned = without_artifacts(order, [held], frozenset({RECORDING}))
    assert pruned is not None
    whole = as_json(pruned)
    (gone,) = (n for n, one in enumerate(whole["artifacts"]) if one["kind"] == RECORDING)
    _judge_alike(whole, ("pruned",), ("artifacts", gone))


def _judge_alike(whole: Any, *within: tuple[Any, ...]) -> None:
    """Put every odd value into every place, or into those below the places that are named."""
    for at in list(places(whole)):
        if within and not any(at[: len(part)] == part for part in within):
            continue
        for odd in ODD_VALUES:
            value = copy.deepcopy(whole)
            put(value, at, odd)
            valid = is_valid(MANIFEST, value) and not is_falsely_verified(value)
            assert is_read(value) is valid, (at, odd)


# The summary


def test_the_summary_has_the_fields_of_its_schema() -> None:
    shown: Any = Summary(SESSION, 1, problems=[Problem("tsk_1", None, None, "why")]).to_json()
    properties = SUMMARY["properties"]
    assert list(shown) == list(properties) == SUMMARY["required"]
    for name in ("runs", "artifacts", "bytes"):
        assert list(shown[name]) == list(properties[name]["properties"])
        assert properties[name]["required"] == list(properties[name]["properties"])
    problem = properties["problems"]["items"]
    assert list(shown["problems"][0]) == list(problem["properties"]) == problem["required"]
    assert problem["properties"]["kind"]["type"] == ["string", "null"]


PROBLEMS = st.builds(
    Problem,
    st.just("tsk_1"),
    st.none() | st.sampled_from(ArtifactKind),
    st.none() | st.integers(1, 9),
    TEXT,
)


@QUICK
@given(
    st.integers(0, 10**7),
    st.dictionaries(st.sampled_from(Outcome), st.integers(0, 10**7)),
    st.dictionaries(st.sampled_from(ArtifactState), st.integers(0, 10**7)),
    st.integers(0, 10**15),
    st.floats(0, 10**7),
    st.lists(PROBLEMS, max_size=3),
)
def test_any_summary_is_valid(
    held: int,
    outcomes: dict[Outcome, int],
    states: dict[ArtifactState, int],
    received: int,
    seconds: float,
    problems: list[Problem],
) -> None:
    summary = Summary(
        SESSION, held, held, Counter(outcomes), Counter(states), received, seconds, problems
    )
    validate(SUMMARY, json.loads(json.dumps(summary.to_json())))


# The ledger


@pytest.mark.parametrize(
    ("schema", "struct"),
    [(RECORD, LedgerRecord), (RECORD["$defs"]["actor"], Actor), (PROOF, Proof)],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_records_and_proofs_have_the_fields_of_their_schemas(
    schema: dict[str, Any], struct: type[msgspec.Struct]
) -> None:
    fields = msgspec.structs.fields(struct)
    assert list(schema["properties"]) == [field.name for field in fields]
    required = {field.name for field in fields if field.required or field.name == "format"}
    assert set(schema["required"]) == required


def test_the_schemas_of_ledger_and_proof_have_the_formats_of_the_code() -> None:
    assert RECORD["properties"]["format"]["maximum"] == LEDGER_FORMAT
    assert PROOF["properties"]["format"]["const"] == PROOF_FORMAT


ARCHIVES = Path(__file__).parent / "data/archives"


def test_records_of_real_archives_are_as_their_schema_says() -> None:
    validator = Draft202012Validator(RECORD)
    paths = sorted(ARCHIVES.glob("*/*/ledger/*.json"))
    for path in paths:
        validator.validate(json.loads(path.read_bytes()))
        assert encode_record(decode_record(path.read_bytes(), "it")) == path.read_bytes()
    assert len(paths) > 30
    record = json.loads(paths[0].read_bytes())
    for name, wrong in (
        *((name, None) for name in RECORD["required"]),
        *(("manifests", -1), ("manifests_root", "00"), ("files", {"x": "y"}), ("runs", {"a": "b"})),
        *(("by", {"user": "x"}), ("started_at", "today"), ("recovered", ["x"]), ("details", [])),
    ):
        assert not validator.is_valid({**record, name: wrong}), name


COUNTS = st.dictionaries(TEXT, st.integers(0, 2**53 - 1), max_size=3)
DIGESTS = st.none() | st.binary(max_size=4).map(sha256_of)
RECORDS = st.builds(
    LedgerRecord,
    format=st.sampled_from((1, 2)),
    kind=TEXT,
    session=st.just(SESSION),
    tool=TEXT,
    by=st.none() | st.builds(Actor, TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=2)),
    started_at=st.just(AT),
    finished_at=st.just(AT),
    interrupted=st.booleans(),
    ids_sha256=DIGESTS,
    runs=COUNTS,
    artifacts=COUNTS,
    manifests=st.integers(0, 2**53 - 1),
    manifests_root=DIGESTS,
    recovered=st.lists(st.just(SESSION), max_size=2).map(tuple),
    files=st.dictionaries(TEXT, st.just(sha256_of(b"")), max_size=2),
    details=st.dictionaries(TEXT, st.none() | st.integers(0, 9) | TEXT, max_size=2),
)


@QUICK
@given(record=RECORDS, is_first=st.booleans())
def test_every_record_is_as_its_schema_says(record: LedgerRecord, is_first: bool) -> None:
    if not is_first:
        record = msgspec.structs.replace(
            record, previous_session=SESSION, previous_sha256=sha256_of(b"")
        )
    validate(RECORD, json.loads(encode_record(record)))


def test_an_upgrade_says_what_became_of_the_first_file() -> None:
    upgrade = LedgerRecord(
        kind=UPGRADE,
        session=SESSION,
        tool="x",
        started_at=AT,
        finished_at=AT,
        details=upgrade_details(b"1", b"2"),
    )
    shown = json.loads(encode_record(upgrade))
    validate(RECORD, shown)
    del shown["details"]["archive.json"]["after"]
    assert not is_valid(RECORD, shown)


@pytest.mark.parametrize("signature", [None, bytes(64)])
def test_a_proof_is_as_its_schema_says(signature: bytes | None) -> None:
    archive = ARCHIVES / "format-1/plain"
    session = min(archive.glob("ledger/*.sha256")).stem
    committed = decode_list((archive / f"ledger/{session}.sha256").read_bytes(), "it")
    records = [(archive / f"ledger/{session}.json").read_bytes()]
    data = (archive / committed[1].path).read_bytes()
    paths = InclusionPaths([one.leaf for one in committed])
    shown = json.loads(encode_proof(make_proof(committed, paths, 1, data, records, signature)))
    validate(PROOF, shown)
    for name, wrong in (
        *((name, None) for name in PROOF["required"]),
        *(("format", 2), ("siblings", ["x"]), ("records", []), ("manifest_path", "x")),
        *(("index", -1), ("size", 0), ("signature", "%")),
    ):
        assert not is_valid(PROOF, {**shown, name: wrong}), name
