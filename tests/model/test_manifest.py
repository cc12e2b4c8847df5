import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ArchiveDamaged, ExitCode, NotAnArchive
from archiver.model.artifact import ArtifactState
from archiver.model.ids import RunId
from archiver.model.manifest import (
    FORMAT,
    FileEntry,
    Manifest,
    decode_manifest,
    encode_manifest,
    is_complete,
    sha256sums,
)
from tests.model.builders import (
    DIGEST,
    DOWNLOAD,
    OTHER_DIGEST,
    RECORDING,
    absent,
    digest,
    entry,
    manifest,
)
from tests.model.strategies import JSON, manifests


def as_json(of: Manifest) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(encode_manifest(of))
    return value


@given(manifests())
def test_what_is_encoded_decodes_to_the_same(written: Manifest) -> None:
    assert decode_manifest(encode_manifest(written), "here") == written


@given(manifests())
def test_encoding_is_stable_and_one_field_a_line(written: Manifest) -> None:
    data = encode_manifest(written)
    assert encode_manifest(decode_manifest(data, "here")) == data
    assert data.endswith(b"}\n")
    assert data.count(b"\n") > len(Manifest.__struct_fields__)


def test_checked_texts_are_encoded_as_plain_ones() -> None:
    of = manifest(entry(sha256=DIGEST), run_id=RunId("tsk_1"))
    assert as_json(of)["run_id"] == "tsk_1"
    assert as_json(of)["artifacts"][0]["sha256"] == str(DIGEST)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_damage(data: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match=r"r1/manifest\.json"):
        decode_manifest(data, "r1/manifest.json")


@given(manifests(), st.data())
def test_a_manifest_with_any_value_in_any_field_is_read_or_damage(
    written: Manifest, data: st.DataObject
) -> None:
    value = as_json(written)
    value[data.draw(st.sampled_from(sorted(value)))] = data.draw(JSON)
    try:
        decode_manifest(json.dumps(value).encode(), "here")
    except (ArchiveDamaged, NotAnArchive) as refused:
        assert "here" in str(refused)  # noqa: PT017


@pytest.mark.parametrize("missing", ["format", "run_id", "revision", "document", "artifacts"])
def test_a_manifest_without_a_field_is_damage(missing: str) -> None:
    value = as_json(manifest())
    del value[missing]
    with pytest.raises(ArchiveDamaged):
        decode_manifest(json.dumps(value).encode(), "here")


def test_a_newer_format_is_no_damage_but_needs_a_newer_tool() -> None:
    for value in ({"format": FORMAT + 1}, as_json(manifest()) | {"format": 99, "run_id": 5}):
        with pytest.raises(NotAnArchive, match="Install a newer version") as refused:
            decode_manifest(json.dumps(value).encode(), "here")
        assert refused.value.exit_code is ExitCode.NOT_AN_ARCHIVE


def test_fields_of_later_minor_versions_are_ignored() -> None:
    value = as_json(manifest(entry())) | {"added_later": 1}
    value["artifacts"][0]["added_later"] = 1
    assert decode_manifest(json.dumps(value).encode(), "here") == manifest(entry())


@pytest.mark.parametrize("state", [s for s in ArtifactState if not s.has_bytes])
def test_no_path_without_bytes(state: ArtifactState) -> None:
    with pytest.raises(ValueError, match="path"):
        entry(state=state)


@pytest.mark.parametrize("state", [s for s in ArtifactState if s.has_bytes])
@pytest.mark.parametrize("missing", ["path", "size", "sha256"])
def test_no_bytes_without_path_size_and_digest(state: ArtifactState, missing: str) -> None:
    fields: dict[str, Any] = {missing: None}
    with pytest.raises(ValueError, match=r".+"):
        entry(DOWNLOAD, 1, **({"state": state, "expected_sha256": DIGEST} | fields))


@pytest.mark.parametrize("expected", [None, OTHER_DIGEST])
def test_nothing_is_verified_without_the_digest_expected(expected: str | None) -> None:
    with pytest.raises(ValueError, match="verified"):
        entry(state=ArtifactState.VERIFIED, expected_sha256=expected)


@pytest.mark.parametrize(
    "path", ["", "recording.webm", "../r1/x", "r1/../x", "/r1/x", "r0/x", "r1//x", "r1/."]
)
def test_no_path_outside_of_a_revision(path: str) -> None:
    with pytest.raises(ValueError, match="not a path of a revision"):
        entry(path=path)
    with pytest.raises(ValueError, match="not a path of a revision"):
        FileEntry(path=path, size=1, sha256=DIGEST)


@pytest.mark.parametrize("name", ["run_id", "asked_id"])
def test_no_manifest_without_proper_ids(name: str) -> None:
    with pytest.raises(ValueError, match="no run id"):
        manifest(**{name: "../x"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("revision",), 0),
        (("revision",), "1"),
        (("format",), 0),
        (("is_final",), None),
        (("fetched_at",), "2026-11-13T18:03:12"),
        (("document_sha256",), "AB" * 32),
        (("document_sha256",), "ab" * 32 + "\n"),
        (("document", "size"), -1),
        (("document", "path"), "../run.json"),
        (("artifacts",), None),
        (("artifacts", 0, "kind"), 7),
        (("artifacts", 0, "state"), "fine"),
        (("artifacts", 0, "ordinal"), 0),
        (("artifacts", 0, "sha256"), "ab"),
        (("artifacts", 0, "modified_at"), "2026-11-13T18:03:12"),
        (("artifacts", 0, "path"), "r1/../../x"),
        (("artifacts", 0, "path"), None),
        (("artifacts", 0, "attempts"), -1),
        (("artifacts", 0, "session"), None),
    ],
)
def test_values_out_of_their_range_are_damage(path: tuple[Any, ...], value: Any) -> None:
    whole = as_json(manifest(entry()))
    part = whole
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(ArchiveDamaged):
        decode_manifest(json.dumps(whole).encode(), "here")


@pytest.mark.parametrize("state", ArtifactState)
@pytest.mark.parametrize("settled", [True, False])
def test_complete_is_settled_with_no_artifact_left_to_be_had(
    state: ArtifactState, settled: bool
) -> None:
    of = entry(state=state, expected_sha256=DIGEST) if state.has_bytes else absent(state)
    closed = state not in (ArtifactState.FAILED, ArtifactState.MISMATCH)
    assert is_complete(settled, (of,)) is (settled and closed)
    assert is_complete(settled, ()) is settled


@given(manifests())
def test_the_files_are_the_document_and_what_has_bytes(of: Manifest) -> None:
    held = [a for a in of.artifacts if a.state.has_bytes]
    assert of.files[0] == of.document
    assert [(f.path, f.size, f.sha256) for f in of.files[1:]] == [
        (a.path, a.size, a.sha256) for a in held
    ]


def test_sha256sums_lists_every_file_as_sha256sum_takes_it() -> None:
    of = manifest(
        entry(RECORDING, path="r1/recording.webm", sha256=digest("a")),
        absent(ArtifactState.FAILED, DOWNLOAD, 1),
        entry(DOWNLOAD, 2, path="r2/downloads/a b é.pdf", sha256=digest("b")),
        revision=2,
    )
    assert of.document is not None
    assert sha256sums(of.files) == (
        f"{of.document.sha256}  r1/run.json\n"
        f"{digest('a')}  r1/recording.webm\n"
        f"{digest('b')}  r2/downloads/a b é.pdf\n"
    )
