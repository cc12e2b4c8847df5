"""Which runs: by id, from files, or by a condition that can read nothing but the tables."""

from pathlib import Path

import pytest

from tests.cli.running import Command
from tests.export.conftest import Known


def packed(folder: Path) -> set[str]:
    return {path.name for path in (folder / "data/runs").iterdir()}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("status = 'failed'", {"tsk_2"}),
        ("status = 'failed' -- and so on", {"tsk_2"}),
        ("created_at > '2026-03-01' AND run_id LIKE 'tsk\\_v2%' ESCAPE '\\'", {"tsk_v2_4"}),
        ("EXISTS (FROM artifacts a WHERE a.run_id = runs.run_id)", {"tsk_1", "tsk_3"}),
        ("run_id IN (SELECT run_id FROM failures)", {"tsk_2"}),
        ("revision > 1 OR title = 'a;b'", {"tsk_3"}),
    ],
)
def test_a_condition_chooses(
    archiver: Command, tmp_path: Path, where: str, expected: set[str]
) -> None:
    archiver("export", "--where", where, "--bagit", tmp_path / "bag")
    assert packed(tmp_path / "bag") == expected
    assert "chosen where" in (tmp_path / "bag/bag-info.txt").read_text()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "no condition"),
        ("nonsense = 1", "nonsense"),
        ("status = ", "syntax"),
        ("'abc'", "Could not convert"),
        ("1=1; DROP TABLE runs", "more than one statement"),
        ("1=1) UNION ALL (SELECT 'tsk_1', 1, '../../..'", "syntax"),
        ("true UNION SELECT true", "set operation"),
        ("true LIMIT 1", "modifier"),
        ("(SELECT count(*) FROM read_csv('/etc/passwd')) > 0", "/etc/passwd"),
        ("(SELECT count(*) FROM '/etc/passwd') > 0", "/etc/passwd"),
        ("(SELECT content FROM read_text('/etc/passwd')) LIKE 'root%'", "/etc/passwd"),
        ("$status = 'failed'", "status"),
        ("status = 'unheard of'", "no run"),
        ("status = 'unheard of'", "status completed, failed"),
    ],
)
def test_what_is_no_condition_is_told_in_duckdbs_words(
    archiver: Command, tmp_path: Path, where: str, said: str
) -> None:
    ran = archiver("export", "--where", where, "--bagit", tmp_path / "bag", code=2)
    assert said in ran.err
    assert "LINE " not in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_ids_come_from_files_and_stand_for_one_run_once(archiver: Command, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("run\ntsk_2\nwr_4\ntsk_v2_4\n")
    given = ("tsk_2", "--ids", ids, "--column", "run")
    archiver("export", *given, "--bagit", tmp_path / "bag")
    assert packed(tmp_path / "bag") == {"tsk_2", "tsk_v2_4"}
    archiver("export", "-", "--bagit", tmp_path / "two", stdin="tsk_1 # one\n")
    assert packed(tmp_path / "two") == {"tsk_1"}


def test_runs_that_are_not_held_are_named_before_anything_is_written(
    archiver: Command, tmp_path: Path
) -> None:
    ids = ("tsk_1", "tsk_77", "wr_78")
    ran = archiver("export", *ids, "--bagit", tmp_path / "bag", code=2)
    assert "2 of 3 runs: tsk_77, wr_78" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["tsk_1"],
        ["--where", "true"],
        ["--bagit", "{tmp}/x"],
        ["../x", "--bagit", "{tmp}/x"],
        ["tsk_1", "--where", "true", "--bagit", "{tmp}/x"],
        ["tsk_1", "--bagit", "{tmp}/x", "--csv", "{tmp}/y"],
        ["tsk_1", "--bagit", "{tmp}/x", "--ro-crate", "{tmp}/x"],
        ["tsk_1", "--bagit", "{archive}/x"],
        ["tsk_1", "--bagit", "{tmp}/missing/x"],
        ["tsk_1", "--bagit", "{tmp}/file"],
        ["tsk_1", "--bagit", "{tmp}"],
        ["tsk_1", "--bagit", "{tmp}", "--overwrite"],
        ["tsk_1", "--zip", "{tmp}"],
        ["tsk_1", "--zip", "{tmp}/file"],
    ],
)
def test_what_cannot_be_done_is_wrong_usage(
    archiver: Command, known: Known, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    filled = [argument.format(tmp=tmp_path, archive=known.held.root) for argument in arguments]
    assert "Error: " in archiver("export", *filled, code=2).err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "here"]
    assert (tmp_path / "file").read_text() == "mine"
