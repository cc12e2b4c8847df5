"""Of a run that was removed there is a tombstone to hand over, and what proves it."""

import json
import shutil
from pathlib import Path

import bagit

from tests.cli.running import Command
from tests.export.conftest import Known
from tests.export.reading import files_in, python_of, shell, table


def test_a_tombstone_goes_with_its_proof_and_nothing_else(
    archiver: Command, known: Known, tmp_path: Path
) -> None:
    shutil.copytree(known.held.root, tmp_path / "copy")
    here = ("--archive", tmp_path / "copy")
    archiver("erase", "tsk_1", "--reason", "asked for", "--yes", *here)
    archiver("export", "tsk_1", "tsk_2", "--bagit", tmp_path / "bag", *here)
    bagit.Bag(str(tmp_path / "bag")).validate()
    of_run = tmp_path / "bag/data/runs/tsk_1"
    assert set(files_in(of_run)) == {"manifest.json", "proof.json"}
    assert json.loads((of_run / "manifest.json").read_bytes())["removed"]["kind"] == "erased"
    archiver("check-proof", of_run / "proof.json")
    assert {row["run_id"] for row in table(tmp_path / "bag/data/runs.csv")} == {"tsk_1", "tsk_2"}
    assert not table(tmp_path / "bag/data/artifacts.csv")
    for program in python_of(tmp_path / "bag/HOW-TO-CHECK.txt"):
        shown = shell(f"python3 - <<'END'\n{program}END", tmp_path / "bag").stdout
        assert len(shown.splitlines()) == 2
        assert "NOT" not in shown

    archiver("export", "tsk_1", "--ro-crate", tmp_path / "crate", *here)
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_bytes())["@graph"]
    (action,) = [entity for entity in graph if entity["@type"] == "CreateAction"]
    assert action["result"] == {"@id": "runs/tsk_1/manifest.json"}
