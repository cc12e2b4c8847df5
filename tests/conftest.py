"""What tests share: a server that can lie, an archive, and the command that goes between them."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck, Phase, settings

from archiver.system.stop import StopSwitch
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, point_to
from tests.lying_server import LyingServer

# Hypothesis draws the same examples each time: a failure is the same for everyone.
settings.register_profile(
    "archiver",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("archiver")


def pytest_configure() -> None:
    # As the command does: little of what is made is ever garbage of the kind that is looked for.
    gc.set_threshold(20_000)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, for some tests wait: for a retry, for a browser."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with LyingServer() as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> ArchiveFolder:
    """The archive that the command uses; it is made by the first fetch."""
    return ArchiveFolder(tmp_path / "archive")


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one authority: loading all of them takes longer than most tests."""
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    path.write_text(first + end)
    return path


@pytest.fixture
def archiver(
    server: LyingServer,
    archive: ArchiveFolder,
    tmp_path: Path,
    one_certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    """The command, in an environment that says only where server and archive are."""
    point_to(server, monkeypatch)
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(archive.root))
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
    here = tmp_path / "here"
    here.mkdir()
    # A config file where the tests happen to be started must not count.
    monkeypatch.chdir(here)
    return Command()


@pytest.fixture
def fetch(archiver: Command) -> Fetch:
    return Fetch(archiver)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries do not wait: for tests of what is asked again, and not of when."""
    monkeypatch.setattr(StopSwitch, "sleep", lambda switch, _seconds: switch.check())
