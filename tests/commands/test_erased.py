"""Runs that are erased while they are packed, or shown."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import ArchiveDamaged, ExitCode, RunsRemoved
from archiver.export.package import Destination, Form, PackageOptions, export_runs
from archiver.model.ids import RunId
from archiver.store.archive_file import open_archive
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run


@pytest.fixture
def runs(server: LyingServer, fetch: Fetch) -> list[RunId]:
    for n in (1, 2):
        download = server.artifact(b"bytes", "download", "a.bin")
        fetch(server.add_run(task_run(f"tsk_{n}", downloads=[download])))
    return [RunId("tsk_1"), RunId("tsk_2")]


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("form", Form)
def test_a_run_that_is_erased_while_it_is_packed_is_no_damage(
    archive: ArchiveFolder,
    archiver: Command,
    runs: list[RunId],
    tmp_path: Path,
    form: Form,
    is_zip: bool,
) -> None:
    def erase(*_: object) -> None:
        archiver("erase", "tsk_2", "--reason", "asked", "--yes")

    storage, target = open_archive(archive.root), tmp_path / "package"
    options = PackageOptions(begins=erase, progress=lambda _: None)
    with pytest.raises(RunsRemoved, match=r"tsk_2 was erased on \d{4}") as raised:
        export_runs(storage, runs, [Destination(form, target, is_zip)], options, datetime.now(UTC))
    assert raised.value.exit_code == ExitCode.INCOMPLETE
    assert not target.exists()
    archiver("export", "tsk_1", "--bagit", target)


def test_a_run_that_is_damaged_is_damage(
    archive: ArchiveFolder, runs: list[RunId], tmp_path: Path
) -> None:
    (archive.run("tsk_2") / "r1/downloads/a.bin").unlink()
    options = PackageOptions(begins=lambda *_: None, progress=lambda _: None)
    with pytest.raises(ArchiveDamaged):
        export_runs(
            open_archive(archive.root),
            runs,
            [Destination(Form.BAG, tmp_path / "package")],
            options,
            datetime.now(UTC),
        )
