"""An archive to ask, the same for every test."""

import shutil
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, point_to
from tests.lying_server import LyingServer, png, task_run, webm, workflow_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ArchiveFolder:
    """An archive of a few runs, with a file beside it that no query may see."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "secret.csv").write_text("secret\n4711\n")
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        shot = server.artifact(png(), "screenshot")
        server.add_run(task_run("tsk_1", recording=server.artifact(webm()), screenshots=[shot]))
        server.add_run(workflow_run("wr_1", "failed", failure_reason="Page 12 of 'x' did not load"))
        server.add_run(
            workflow_run("wr_2", "timed_out", failure_reason="Page 7 of 'y' did  not load")
        )
        server.add_run(task_run("tsk_2", "running"))
        Fetch(Command())(
            *("tsk_1", "tsk_2", "wr_1", "wr_2", "--archive", folder / "archive"),
        )
    return ArchiveFolder(folder / "archive")


@pytest.fixture
def asked(made: ArchiveFolder, tmp_path: Path) -> ArchiveFolder:
    """A copy for each test: what one query breaks must not hide what another does."""
    shutil.copytree(made.root.parent, tmp_path / "copy")
    return ArchiveFolder(tmp_path / "copy" / "archive")
