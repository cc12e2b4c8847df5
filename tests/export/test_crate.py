"""Crates: what the profile asks for, and, where it is installed, what its validator says."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.cli.running import Command
from tests.export.conftest import FORMULA, Known
from tests.export.reading import commands_of, python_of, shell

HERE = Path(__file__).parent
VALIDATOR = os.environ.get("ARCHIVER_TEST_CRATE_VALIDATOR")
"""The Python of an environment that has roc-validator, which cannot be in one with rich 14."""


@pytest.fixture
def packed(archiver: Command, tmp_path: Path) -> Path:
    ids = ("tsk_1", "tsk_2", "tsk_3", "wr_4")
    archiver("export", *ids, "--ro-crate", tmp_path / "crate", "--organization", "Acme")
    return tmp_path / "crate"


def entities(folder: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((folder / "ro-crate-metadata.json").read_bytes())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def referred(value: Any) -> list[str]:
    """The ids in a property: of none, one or many references."""
    values = value if isinstance(value, list) else [value] if value else []
    return [reference["@id"] for reference in values]


def test_every_file_is_described_and_every_reference_leads_somewhere(packed: Path) -> None:
    found = entities(packed)
    files = {unquote(i): e for i, e in found.items() if e["@type"] == "File"}
    lie = {str(path.relative_to(packed)) for path in packed.rglob("*") if path.is_file()}
    assert set(files) == lie - {"ro-crate-metadata.json", "SHA256SUMS"}
    for name, entity in files.items():
        assert int(entity["contentSize"]) == (packed / name).stat().st_size
    for entity in found.values():
        for name, value in entity.items():
            if name not in ("@id", "@type") and isinstance(value, dict | list):
                known = (*found, "https://w3id.org/ro/crate/1.1")
                assert all(i in known for i in referred(value)), (entity["@id"], name)
    reachable = set(referred(found["./"]["hasPart"]))
    for folder in [i for i in reachable if i.endswith("/")]:
        reachable |= set(referred(found[folder]["hasPart"]))
    assert reachable >= {i for i, e in found.items() if e["@type"] == "File"}


def test_each_run_is_an_action_of_skyvern(packed: Path) -> None:
    found = entities(packed)
    root = found["./"]
    assert referred(root["conformsTo"]) == ["https://w3id.org/ro/wfrun/process/0.5"]
    assert referred(root["mentions"]) == ["#tsk_1", "#tsk_2", "#tsk_3", "#tsk_v2_4"]
    assert {"name", "description", "datePublished", "license", "publisher"} <= root.keys()
    for action in referred(root["mentions"]):
        assert found[action]["@type"] == "CreateAction"
        (instrument,) = referred(found[action]["instrument"])
        assert found[instrument]["@type"] == "SoftwareApplication"
        assert referred(found[action]["agent"]) == ["#organization"]
    good, bad = found["#tsk_1"], found["#tsk_2"]
    assert good["startTime"] == "2026-03-01T23:30:00.000+00:00"
    assert good["endTime"] == "2026-03-01T23:31:00.000+00:00"
    assert good["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert "error" not in good
    assert bad["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert bad["error"] == FORMULA
    results = referred(good["result"])
    assert {"runs/tsk_1/run.json", "runs/tsk_1/recording.webm"} < set(results)
    assert found["runs/tsk_1/recording.webm"]["encodingFormat"] == "video/webm"
    assert "runs/tsk_1/downloads/100_.pdf" in results
    assert found["runs/tsk_1/downloads/100_.pdf"]["name"] == "100%.pdf"


def test_of_a_run_that_has_not_ended_no_end_is_said(
    archiver: Command, known: Known, tmp_path: Path
) -> None:
    archiver("export", "tsk_3", "--ro-crate", tmp_path / "crate")
    found = entities(tmp_path / "crate")
    assert "actionStatus" in found["#tsk_3"]
    assert "agent" not in found["#tsk_3"]
    assert "publisher" not in found["./"]
    assert "#organization" not in found


def test_it_can_be_checked_like_a_bag(archiver: Command, packed: Path, known: Known) -> None:
    page = packed / "HOW-TO-CHECK.txt"
    (sums,) = [c for c in commands_of(page) if c.startswith("sha256sum")]
    assert shell(sums, packed).returncode == 0
    listed = (packed / "SHA256SUMS").read_text().splitlines()
    assert len(listed) == sum(path.is_file() for path in packed.rglob("*")) - 1
    assert all(
        "NOT" not in shell(f"python3 - <<'END'\n{program}END", packed).stdout
        for program in python_of(page)
    )
    for proof in packed.glob("runs/*/proof.json"):
        archiver("check-proof", proof, "--head", known.heads[1])


@pytest.mark.skipif(VALIDATOR is None, reason="ARCHIVER_TEST_CRATE_VALIDATOR names no Python")
def test_the_validator_of_the_profile_finds_nothing(packed: Path, tmp_path: Path) -> None:
    given = (HERE / "crate_validator.py", packed, HERE / "context.json", tmp_path / "cache")
    command = [VALIDATOR or "", *map(str, given)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [
        # What the organization hands over, it is not the author of.
        [
            "RECOMMENDED",
            "The Root Data Entity SHOULD have a link to a Contextual Entity representing the "
            "`author` of the RO-Crate",
        ],
        # An address of Skyvern's is known, none of whoever exports.
        ["RECOMMENDED", "The organization SHOULD have a URL."],
    ]
    metadata = packed / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"instrument"', '"agent"'))
    ended = subprocess.run(command, capture_output=True, text=True)
    assert any("instrument" in message for _, message in json.loads(ended.stdout))
