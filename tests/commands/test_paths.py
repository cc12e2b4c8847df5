"""Folders may have any name that is text: each command works in them, or refuses at the start."""

import os
import shlex
from pathlib import Path

import pytest

from tests.cli.running import Command
from tests.lying_server import LyingServer, task_run, webm

LINES = (
    *("fetch --ids ids.csv", "fetch --ids ids.csv --refresh --config c.toml --json"),
    *("query 'FROM runs JOIN artifacts USING (run_id)'", "query 'FROM runs' --output o.csv"),
    *("query 'FROM runs' --output o.parquet", "query --param x=1 q.sql"),
    *("report overview --output r.md", "show tsk_1 --json", "hold --where true --reason x"),
    *("release tsk_1 --reason x", "prove tsk_1 --output p", "check-proof p", "export --csv csv"),
    *("export --parquet pq", "export tsk_1 --zip x.zip", "export tsk_1 --bagit bag"),
    *("verify --workers 1", "reindex", "keygen k", "fetch tsk_1 --refresh --sign-key k"),
    *("verify --public-key k.pub", "prune --older-than 1d", "erase tsk_1 --reason x --yes"),
)
OF_DUCKDB = ("export --duckdb x.duckdb", "query 'FROM x.runs' --attach x.duckdb=x")
FILES = (
    "ids.csv",
    "c.toml",
    "o.csv",
    "o.parquet",
    "q.sql",
    "r.md",
    "p",
    "csv",
    "pq",
    "x.zip",
    "bag",
)


@pytest.fixture(autouse=True)
def known(server: LyingServer, archiver: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add_run(task_run("tsk_1", recording=server.artifact(webm())))
    monkeypatch.delenv("ARCHIVER_ARCHIVE")


def filled(folder: Path) -> Path:
    """The folder, with what the commands read."""
    folder.mkdir()
    (folder / "ids.csv").write_text("run_id\ntsk_1\n")
    (folder / "c.toml").write_text("[fetch]\nsettle = '1m'\n")
    (folder / "q.sql").write_text("SELECT $x")
    return folder


def words(line: str, folder: Path) -> list[str]:
    """A command line with all files, and the archive, in the folder."""
    named = {*FILES, "k", "k.pub", "x.duckdb", "x.duckdb=x"}
    given = [str(folder / word) if word in named else word for word in shlex.split(line)]
    return (
        given
        if given[0] in ("keygen", "check-proof")
        else [*given, "--archive", f"{folder}/archive"]
    )


@pytest.mark.parametrize("name", ["[b]*?\\ 'q\" {b,c} %41", "\n\x1b[31m;"])
def test_every_command_works_whatever_a_folder_is_called(
    archiver: Command, tmp_path: Path, name: str
) -> None:
    folder = filled(tmp_path / name)
    for line in LINES:
        archiver(*words(line, folder))
    assert not list(tmp_path.glob("archive"))
    for line in OF_DUCKDB:
        ran = archiver(*words(line, folder), code=None)
        assert ran.code == (2 if "\\" in name else 0), ran.err
        if ran.code and line.startswith("export"):
            assert "?" in ran.err.rpartition("There must be")[2]
        assert not list(tmp_path.glob("*.wal*"))


def test_a_path_that_is_no_text_is_refused_before_anything_is_done(
    server: LyingServer, archiver: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff")))
    before = sorted(folder.iterdir())
    for line in (*LINES, *OF_DUCKDB):
        assert "UTF-8" in archiver(*words(line, folder), code=2).err
    monkeypatch.chdir(folder)
    assert "UTF-8" in archiver("fetch", "tsk_1", code=2).err
    assert (sorted(folder.iterdir()), server.requests) == (before, [])
    assert len(archiver("help").out) > 100
