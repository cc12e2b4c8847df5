"""What is made is its owner's alone, unless somebody says otherwise or a folder already does."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.ledger.signing import new_key
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_environment, run_child
from tests.lying_server import LyingServer, png, task_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such rights there")


@pytest.fixture(params=[0o022, 0o000, 0o077], ids=oct, autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Whatever the shell's umask is: it neither opens nor closes anything."""
    mask: int = request.param
    before = os.umask(mask)
    yield mask
    assert os.umask(before) == mask


@pytest.fixture
def run_id(server: LyingServer) -> str:
    shot = server.artifact(png(), "screenshot")
    return server.add_run(task_run("tsk_1", screenshots=[shot]))


def modes(root: Path) -> tuple[set[int], set[int]]:
    """Modes of files, and of folders, the root among them."""
    below = [root, *root.rglob("*")]
    return (
        {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_file()},
        {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_dir()},
    )


def test_an_archive_is_its_owners_alone(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str
) -> None:
    fetch(run_id)
    archiver("verify")
    archiver("hold", run_id, "--reason", "case 7")
    archiver("reindex")
    assert modes(archive.root) == ({0o600}, {0o700})


@pytest.mark.parametrize(("mode", "folders"), [("0640", 0o750), ("644", 0o755), ("0660", 0o770)])
def test_an_archive_can_be_shared(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str, mode: str, folders: int
) -> None:
    fetch(run_id, "--mode", mode)
    assert modes(archive.root) == ({int(mode, 8)}, {folders})
    archiver("hold", run_id, "--reason", "case 7")
    archiver("verify")
    fetch(run_id, "--refresh")
    assert modes(archive.root) == ({int(mode, 8)}, {folders})


@pytest.mark.parametrize(
    ("own", "files", "folders"),
    [
        (0o755, 0o644, 0o755),
        (0o750, 0o640, 0o750),
        (0o700, 0o600, 0o700),
        (0o770, 0o660, 0o770),
        (0o777, 0o644, 0o755),  # who may write to a volume is no reason to let him change a run
    ],
)
def test_an_archive_that_is_there_keeps_its_rights(
    fetch: Fetch, archive: ArchiveFolder, run_id: str, own: int, files: int, folders: int
) -> None:
    archive.root.mkdir()
    archive.root.chmod(own)
    fetch(run_id)
    assert stat.S_IMODE(archive.root.stat().st_mode) == own
    found = modes(archive.root)
    assert (found[0], found[1] - {own}) == ({files}, {folders} - {own})


def test_the_group_of_a_folder_that_gives_it_on_stays(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    archive.root.mkdir()
    archive.root.chmod(0o2750)
    fetch(run_id)
    assert modes(archive.root) == ({0o640}, {0o2750})


def test_what_is_written_elsewhere_is_its_owners_alone(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str, tmp_path: Path
) -> None:
    fetch(run_id, "--mode", "0644")
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o700)
    written = [
        ("query", "FROM runs", "--output", out / "runs.csv"),
        ("query", "FROM runs", "--output", out / "runs.parquet", "--format", "parquet"),
        ("report", "failures", "--output", out / "failures.md"),
        ("report", "--html", out / "report.html"),
        ("prove", run_id, "--output", out / "proof"),
        ("export", "--duckdb", out / "runs.duckdb"),
        ("export", "--csv", out / "csv"),
        ("export", "--parquet", out / "parquet"),
        ("export", run_id, "--bagit", out / "bag"),
        ("export", run_id, "--zip", out / "runs.zip"),
    ]
    for command in written:
        archiver(*command)
    assert modes(out) == ({0o600}, {0o700})
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    for command in written:
        elsewhere = [shared / part.name if isinstance(part, Path) else part for part in command]
        archiver(*elsewhere, "--mode", "0640")
    assert modes(shared) == ({0o640}, {0o750})


@pytest.mark.parametrize("mode", ["0700", "0666x", "0400", "rw", "0602", "02640", "0o640", ""])
def test_a_mode_that_is_none_is_refused(fetch: Fetch, run_id: str, mode: str) -> None:
    assert "no mode of files" in fetch(run_id, "--mode", mode, code=2).err


def test_a_mode_in_the_config_file_is_written_as_chmod_has_it(
    fetch: Fetch, archive: ArchiveFolder, run_id: str, tmp_path: Path
) -> None:
    config = tmp_path / "night.toml"
    config.write_text("[fetch]\nmode = 416\n")
    assert "mode" in fetch(run_id, "--config", config, code=2).err
    config.write_text('[fetch]\nmode = "0640"\n')
    fetch(run_id, "--config", config)
    assert modes(archive.root) == ({0o640}, {0o750})


def test_a_signing_key_that_others_can_read_is_refused(
    fetch: Fetch, run_id: str, tmp_path: Path
) -> None:
    key = tmp_path / "my night.key"
    public = new_key(key, None)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    for mode in (0o640, 0o604, 0o620, 0o644, 0o610):
        key.chmod(mode)
        error = fetch(run_id, "--sign-key", key, code=2).err
        assert f"its mode is {mode:04o}" in error
        assert f"chmod 600 '{key}'" in error
    for mode in (0o600, 0o400, 0o700):
        key.chmod(mode)
        fetch(run_id, "--sign-key", key)


def test_no_query_sets_anything_aside_in_the_current_folder(
    fetch: Fetch,
    archive: ArchiveFolder,
    run_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetch(run_id)
    spill = tmp_path / "aside"
    spill.mkdir()
    here = tmp_path / "current"
    here.mkdir()
    monkeypatch.chdir(here)
    ran = run_child(
        *("query", "--json", "--archive", archive.root),
        "SELECT current_setting('temp_directory') AS folder",
        environment=child_environment(TMPDIR=str(spill)),
    )
    assert Path(ran.json[0]["folder"]).parent == spill
    assert list(spill.iterdir()) == list(here.iterdir()) == []
