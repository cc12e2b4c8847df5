"""What goes wrong on the wire, and what the user is told of it, through the command."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import PACKAGE_HOME, Command, Fetch, child_environment, run_child
from tests.lying_server import (
    Blob,
    Cut,
    Framed,
    HangUp,
    Lie,
    LyingServer,
    Redirect,
    Reset,
    png,
    read,
    task_run,
    webm,
)
from tests.workflows.held import ArchiveFolder


def a_run(server: LyingServer) -> str:
    return server.add_run(
        task_run(
            "tsk_1",
            recording=server.artifact(webm(), in_storage=True),
            screenshots=[server.artifact(png(), "screenshot") for _ in range(3)],
            downloads=[server.artifact(Blob(3_000_000), "download", "a.bin")],
        )
    )


@pytest.fixture(params=["missing", "broken"])
def without_httptools(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment in which httptools is not installed, or its compiled part does not load."""
    code = "raise ModuleNotFoundError(\"No module named 'httptools'\", name='httptools')"
    if request.param == "broken":
        code = "raise ImportError('parser.so: undefined symbol: llhttp_execute')"
    package = tmp_path / "path" / "httptools"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    return child_environment(PYTHONPATH=os.pathsep.join([str(package.parent), str(PACKAGE_HOME)]))


def test_without_httptools_nothing_begins_and_it_is_said(
    server: LyingServer, archive: ArchiveFolder, without_httptools: dict[str, str]
) -> None:
    ran = run_child("fetch", a_run(server), environment=without_httptools)
    assert ran.code == 2
    assert ran.err.startswith("Error: httptools cannot be imported: ")
    assert "Install archiver again" in ran.err
    assert "Traceback" not in ran.err
    assert not archive.root.exists()


@pytest.mark.parametrize(
    ("lies", "requests"),
    [
        pytest.param([], 1, id="the truth"),
        pytest.param([Framed("chunked")], 1, id="chunked"),
        pytest.param([Framed("close")], 1, id="until the end"),
        pytest.param([Cut(100_000)], 2, id="cut"),
        pytest.param([HangUp()], 2, id="no answer"),
        pytest.param([HangUp(answered=True)], 1, id="ended while idle"),
        pytest.param([Reset(200_000)], 2, id="reset in the body"),
        pytest.param([Redirect()], 2, id="redirected"),
    ],
)
def test_what_goes_wrong_is_mended_the_same(
    server: LyingServer,
    archiver: Command,
    archive: ArchiveFolder,
    lies: list[Lie],
    requests: int,
) -> None:
    run_id = a_run(server)
    file = server.artifact(Blob(500_000), "download")
    server.add_run(task_run("tsk_2", downloads=[file, server.artifact(b"next", "download")]))
    if lies:
        server.lie(file, *lies)
    ran = archiver("fetch", run_id, "tsk_2", "--json", "--download-concurrency", "1")
    assert ran.states == {"unverified": 4, "verified": 3}
    assert archive.read("tsk_2", "download 1") == read(Blob(500_000))
    assert server.count(f"/v1/artifacts/{file.id}") == requests


def test_the_key_goes_to_the_api_alone(server: LyingServer, fetch: Fetch) -> None:
    fetch(a_run(server))
    with_key = [asked.path for asked in server.requests if "x-api-key" in asked.headers]
    assert with_key == ["/v1/runs/tsk_1"]
    everything: list[Any] = [asked.headers for asked in server.requests if asked.origin != "api"]
    assert everything
    assert server.key not in repr(everything)
