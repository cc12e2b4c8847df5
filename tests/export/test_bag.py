"""Bags: valid by the Library of Congress's tool, checkable by what any system has."""

import json
import re
import sys
import unicodedata
from pathlib import Path

import bagit
import pytest

from tests.cli.running import Command
from tests.export.conftest import FORMULA, NAMES, Known
from tests.export.reading import commands_of, files_in, python_of, shell, table

ALL = ("tsk_1", "tsk_2", "tsk_3", "wr_4")


@pytest.fixture
def packed(archiver: Command, tmp_path: Path) -> Path:
    archiver("export", *ALL, "--bagit", tmp_path / "bag", "--organization", "Acme\nInc.")
    return tmp_path / "bag"


def test_it_is_a_valid_bag(packed: Path, known: Known) -> None:
    bag = bagit.Bag(str(packed))
    bag.validate()
    assert bag.version_info == (1, 0)
    assert set(bag.algorithms) == {"sha256"}
    for sums in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        ended = shell(f"sha256sum -c --quiet --strict {sums}", packed)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    payload = [path for path in (packed / "data").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in payload)
    assert bag.info["Payload-Oxum"] == f"{size}.{len(payload)}"
    assert bag.info["Source-Organization"] == "Acme Inc."
    assert known.heads[1] in bag.info["Internal-Sender-Identifier"]
    assert set(bag.info) >= {"Bagging-Date", "Bag-Software-Agent", "External-Identifier"}
    (packed / "data/runs/tsk_2/run.json").write_text("{}")
    with pytest.raises(bagit.BagValidationError):
        bag.validate()


def test_it_has_what_the_archive_has_under_names_fit_for_every_platform(
    packed: Path, known: Known
) -> None:
    runs = {path.name for path in (packed / "data/runs").iterdir()}
    assert runs == {"tsk_1", "tsk_2", "tsk_3", "tsk_v2_4"}
    for run_id, revision in (("tsk_1", 1), ("tsk_2", 1), ("tsk_3", 2), ("tsk_v2_4", 1)):
        of_run = packed / "data/runs" / run_id
        lies = known.held.run(run_id)
        manifest = (of_run / "manifest.json").read_bytes()
        assert manifest == (lies / f"r{revision}/manifest.json").read_bytes()
        document = lies / known.held.document_path(run_id, revision)
        assert (of_run / "run.json").read_bytes() == document.read_bytes()
    rows = [row for row in table(packed / "data/artifacts.csv") if row["run_id"] == "tsk_1"]
    downloads = [row for row in rows if row["kind"] == "download"]
    for row, name in zip(downloads, NAMES, strict=True):
        data = (packed / "data" / row["file"]).read_bytes()
        assert data.decode().endswith(repr(name))
        assert row["filename"].removeprefix("'") == name
        assert (row["filename"] != name) is name.startswith(("=", "-"))
    places = [row["file"].rpartition("/")[2] for row in downloads]
    assert len({unicodedata.normalize("NFKC", place).casefold() for place in places}) == len(NAMES)
    assert not any(set(place) & set('%\n\r<>:"/\\|?*') for place in places)
    assert places[:3] == ["invoice.pdf", "Invoice-2.pdf", "100_.pdf"]
    assert (packed / "data/runs/tsk_1/recording.webm").exists()
    assert (packed / "data/runs/tsk_1/screenshots/02.png").exists()


def test_tables_are_of_these_runs_and_run_nothing_in_a_spreadsheet(
    archiver: Command, tmp_path: Path
) -> None:
    archiver("export", "tsk_2", "--bagit", tmp_path / "bag")
    (run,) = table(tmp_path / "bag/data/runs.csv")
    (error,) = table(tmp_path / "bag/data/errors.csv")
    assert (run["run_id"], run["status"], run["is_final"]) == ("tsk_2", "failed", "true")
    assert run["failure_reason"] == f"'{FORMULA}"
    assert run["created_at"] == "2026-03-01 23:30:00+00:00"
    assert json.loads(run["error_codes"]) == ["A, B"]
    assert (error["error_code"], error["reasoning"]) == ("A, B", "'+1\n2")
    assert table(tmp_path / "bag/data/artifacts.csv") == []
    info = (tmp_path / "bag/bag-info.txt").read_text()
    assert "External-Identifier: tsk_2\n" in info
    assert "Source-Organization" not in info


def test_proofs_hold_with_the_bags_files_alone(
    archiver: Command, packed: Path, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(packed / "no"))
    for proof in packed.glob("data/runs/*/proof.json"):
        key = ("--public-key", known.public_key)
        shown = archiver("check-proof", proof, "--head", known.heads[1], *key, "--json").json
        assert (shown["run_id"], shown["signature"]) == (proof.parent.name, "valid")
    assert len(list(packed.glob("data/runs/*/proof.json"))) == 4
    archiver("check-proof", packed / "data/runs/tsk_1/proof.json", "--head", known.heads[0])
    names = {path.name for path in (packed / "data/ledger").iterdir()}
    first, second = known.sessions
    assert names == {f"{first}.json", *(f"{second}{end}" for end in (".json", ".sig", ".tsr"))}


def test_the_ledger_begins_with_the_first_session_of_the_runs(
    archiver: Command, tmp_path: Path, known: Known
) -> None:
    archiver("export", "tsk_3", "--bagit", tmp_path / "bag")
    names = {path.stem for path in (tmp_path / "bag/data/ledger").iterdir()}
    assert names == {known.sessions[1]}
    # Lists name runs that were not handed over.
    assert not any("tsk_1" in path.read_text(errors="replace") for path in tmp_path.rglob("*.json"))


def test_what_the_page_tells_to_do_is_so(packed: Path, known: Known) -> None:
    page = packed / "HOW-TO-CHECK.txt"
    commands = commands_of(page)
    run = [c for c in commands if c.startswith(("sha256sum", "openssl p", "openssl ts", "python"))]
    assert len(run) == 5
    for command in run:
        filled = command.replace("KEY.pub", str(known.public_key)).replace(
            "ROOT.pem", str(known.root)
        )
        filled = filled.partition(" (")[0].replace("python3", sys.executable)
        ended = shell(filled, packed)
        assert ended.returncode == 0, (command, ended.stderr)
    (check,) = [c for c in commands if c.startswith("archiver")]
    filled = check.replace("RUN_ID", "tsk_1").replace("archiver", f"{sys.executable} -m archiver")
    assert shell(filled, packed).returncode == 0
    complete, proven = (shell(f"{sys.executable} - <<'END'\n{p}END", packed).stdout.splitlines()
                        for p in python_of(page))  # fmt: skip
    assert complete == [f"complete {run}" for run in ("tsk_1", "tsk_2", "tsk_3", "tsk_v2_4")]
    assert [line.split()[:2] for line in proven] == [["proven", line[9:]] for line in complete]
    assert all(line.endswith(f"head {known.heads[1]}") for line in proven)
    assert known.heads[1] in page.read_text()


def test_the_programs_on_the_page_find_what_was_changed(packed: Path, known: Known) -> None:
    complete, proven = python_of(packed / "HOW-TO-CHECK.txt")
    (packed / "data/runs/tsk_1/recording.webm").write_bytes(b"other")
    manifest = packed / "data/runs/tsk_2/manifest.json"
    manifest.write_text(manifest.read_text().replace('"failed"', '"completed"'))
    proof = packed / "data/runs/tsk_3/proof.json"
    swapped = re.sub(r'"index": ([01])', lambda m: f'"index": {1 - int(m[1])}', proof.read_text())
    proof.write_text(swapped)
    proof = packed / "data/runs/tsk_v2_4/proof.json"
    other = json.loads(proof.read_bytes())
    *_, last = other["records"]
    other["records"][-1] = last.replace("skyvern-archiver", "another archiver")
    proof.write_text(json.dumps(other))
    found = shell(f"{sys.executable} - <<'END'\n{complete}END", packed).stdout.splitlines()
    assert found[0] == "NOT COMPLETE tsk_1"
    found = shell(f"{sys.executable} - <<'END'\n{proven}END", packed).stdout.splitlines()
    assert [line.partition(" head")[0] for line in found] == [
        *("proven tsk_1", "NOT PROVEN tsk_2", "NOT PROVEN tsk_3", "proven tsk_v2_4"),
    ]
    assert [known.heads[1] in line for line in found] == [True, True, True, False]


def test_the_same_runs_make_the_same_payload(
    archiver: Command, packed: Path, tmp_path: Path
) -> None:
    archiver("export", "--where", "true", "--bagit", tmp_path / "again")
    assert files_in(packed / "data") == files_in(tmp_path / "again/data")
