"""The same clients over both transports: what holds for one is to hold for the other."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest

from tests.adapters.transports.authority import Authority
from tests.adapters.transports.clients import Clients

_NETWORK = re.compile(r"(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE)

Transport = Literal["sockets", "httpx"]


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> None:
    """An environment without proxies, and with an authority that is loaded at once."""
    for name in filter(_NETWORK.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))


@pytest.fixture(params=["sockets", "httpx"])
def transport(request: pytest.FixtureRequest) -> Transport:
    name: Transport = request.param
    return name


@pytest.fixture
def clients(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    if transport == "httpx":
        # As it is where httptools cannot be imported.
        monkeypatch.setitem(sys.modules, "archiver.fetch.http.transport", None)
    with ExitStack() as stack:
        yield Clients(stack)


@pytest.fixture
def fast_clients() -> Iterator[Clients]:
    """Of the project's own transport alone."""
    with ExitStack() as stack:
        yield Clients(stack)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl command")
    return Authority(tmp_path_factory.mktemp("authority"))
