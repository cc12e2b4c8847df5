"""A server with three runs, and whoever runs commands against it and kills them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.killer import Killer
from tests.lying_server import Blob, LyingServer, png, task_run, webm


@pytest.fixture(scope="module")
def server() -> Iterator[LyingServer]:
    with LyingServer() as running:
        running.add_run(
            task_run(
                "tsk_1",
                recording=running.artifact(webm(3_000), "recording"),
                screenshots=[running.artifact(png(1), "screenshot")],
                downloads=[running.artifact(Blob(5_000, 1), "download", "a.bin")],
            )
        )
        running.add_run(
            task_run("tsk_2", downloads=[running.artifact(Blob(50, 2), "download", "b.bin")])
        )
        running.add_run(task_run("tsk_3", status="running"))
        yield running


@pytest.fixture(scope="module")
def killer(
    server: LyingServer, tmp_path_factory: pytest.TempPathFactory, one_certificate: Path
) -> Iterator[Killer]:
    environment = {
        "SKYVERN_API_KEY": server.key,
        "SKYVERN_BASE_URL": server.base_url,
        "SSL_CERT_FILE": str(one_certificate),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        output = tmp_path_factory.mktemp("killer") / "output"
        yield Killer(process, environment, output)
        assert process.stdin is not None
        process.stdin.close()
