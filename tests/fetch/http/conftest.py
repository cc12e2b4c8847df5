"""The same client in both ways it is asked: what holds for one is to hold for the other."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fetch.http.authority import Authority
from tests.fetch.http.clients import Clients

_NETWORK = re.compile(r"(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> None:
    """An environment without proxies, and with an authority that is loaded at once."""
    for name in filter(_NETWORK.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))


@pytest.fixture(params=["directly", "by httpx"])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(stack, by_httpx=request.param == "by httpx")


@pytest.fixture
def fast_clients() -> Iterator[Clients]:
    """Asked directly."""
    with ExitStack() as stack:
        yield Clients(stack)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl command")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def full_backlog() -> Iterator[str]:
    """The origin of a listener that takes no further connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(8):  # how many it takes to fill it is the system's to decide
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            waiting.append(client)
        yield f"http://127.0.0.1:{address[1]}"
        for client in waiting:
            client.close()
