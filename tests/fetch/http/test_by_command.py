"""What goes wrong on the wire, and what the user is told of it, through the command."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import PACKAGE_HOME, Command, Fetch, child_environment, run_child
from tests.fetch.http.proxy import proxying
from tests.fetch.http.wire_server import WireServer
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


def test_a_proxy_that_cannot_be_read_is_passed_over_and_said(
    server: LyingServer, archiver: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://user:hidden@[::1")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/99")
    ran = archiver("fetch", a_run(server))
    assert ran.err.count("warning: https_proxy in the environment is passed over") == 1
    assert ran.err.count("warning: the entry '10.0.0.0/99' of NO_PROXY") == 1
    assert "hidden" not in ran.err


def test_the_key_goes_to_no_proxy_that_the_rules_exclude(
    server: LyingServer, archiver: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer(proxying) as proxy:
        for name in ("http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.0/8,[::1],localhost")
        archiver("fetch", a_run(server))
        assert proxy.opened == 0


def test_an_insecure_fetch_says_what_that_means(server: LyingServer, archiver: Command) -> None:
    ran = archiver("fetch", a_run(server), "--insecure")
    (warning,) = (line for line in ran.err.splitlines() if line.startswith("warning: "))
    assert "whoever is on the way can read the API key" in warning


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_certificate_that_is_not_there_is_said_before_anything_begins(
    server: LyingServer,
    archive: ArchiveFolder,
    archiver: Command,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    options = ["--client-cert", "none.pem"] if how == "option" else []
    if how == "variable":
        monkeypatch.setenv("ARCHIVER_CLIENT_CERT", "none.pem")
    ran = archiver("fetch", a_run(server), *options, code=2)
    assert "none.pem (--client-cert) cannot be read: No such file or directory" in ran.err
    assert not server.requests
    assert not archive.root.exists()
