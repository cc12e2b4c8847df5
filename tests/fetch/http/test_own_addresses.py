"""Links lead to this machine, or to its own link, only where the API is there too."""

import socket
from typing import Any

import pytest

from archiver.fetch.http.client import Timeouts, new_client
from archiver.fetch.http.connection import AddressRefused
from archiver.fetch.http.proxies import read_proxies
from archiver.fetch.http.target import OwnAddresses
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import FOREVER, LyingServer, Redirect, task_run, webm

ELSEWHERE = "https://192.0.2.1"
LOOPBACK = [
    *("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "0.0.0.0", "0.1.2.3", "::"),
    *("localhost", "localhost.", "a.localhost", "127.1", "2130706433", "0x7f000001"),
]
LINK = ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254"]
OTHERS = [
    *("192.0.2.7", "10.0.0.1", "192.168.1.1", "100.64.0.1", "2001:db8::1", "fd00::1", "8.8.8.8"),
    *("storage.example", "notlocalhost.example", "a.b", "128.0.0.1", "169.253.1.1"),
]


@pytest.mark.parametrize("host", [*LOOPBACK, *LINK])
def test_own_addresses_are_refused_where_the_api_is_elsewhere(host: str) -> None:
    assert OwnAddresses(ELSEWHERE).refuses(host)


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize("api", [ELSEWHERE, "http://127.0.0.1:8000"])
def test_other_addresses_never_are(host: str, api: str) -> None:
    assert not OwnAddresses(api).refuses(host)


@pytest.mark.parametrize("api", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:1/x"])
def test_what_is_where_the_api_is_may_be_asked(api: str) -> None:
    assert not any(OwnAddresses(api).refuses(host) for host in LOOPBACK)
    assert all(OwnAddresses(api).refuses(host) for host in LINK)


def test_an_api_on_the_link_is_no_api_on_this_machine() -> None:
    own = OwnAddresses("http://169.254.10.10:8000")
    assert not any(own.refuses(host) for host in LINK)
    assert all(own.refuses(host) for host in LOOPBACK)


@pytest.mark.parametrize("api", ["", "what", "http://", "http://no-such-name.invalid"])
def test_an_api_that_cannot_be_found_is_nowhere(api: str) -> None:
    assert OwnAddresses(api).refuses("127.0.0.1")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Addresses of names that only this test knows."""
    known: dict[str, str] = {}
    resolve = socket.getaddrinfo

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        return resolve(known.get(host, host), *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return known


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "storage.example"])
def test_the_address_that_would_be_connected_to_counts(
    server: LyingServer, names: dict[str, str], name: str
) -> None:
    names["storage.example"] = "127.0.0.1"
    url = server.base_url.replace("127.0.0.1", name)
    refuses = OwnAddresses(ELSEWHERE).refuses
    with new_client(Timeouts(), 1, refuses=refuses) as client, pytest.raises(AddressRefused):
        client.get(url, client.headers({}))
    assert server.requests == []
    with new_client(Timeouts(), 1, refuses=OwnAddresses(server.base_url).refuses) as client:
        client.get(url, client.headers({})).close()


def test_a_proxy_may_be_on_this_machine_and_is_not_asked_for_it(server: LyingServer) -> None:
    proxies = read_proxies({"http_proxy": server.base_url})
    refuses = OwnAddresses(ELSEWHERE).refuses
    with new_client(Timeouts(), 1, proxies=proxies, refuses=refuses) as client:
        client.get("http://storage.example/x", client.headers({})).close()
        for host in ("127.0.0.1", "localhost", "169.254.169.254", "[::1]", "127.1"):
            with pytest.raises(AddressRefused):
                client.get(f"http://{host}/x", client.headers({}))
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://metadata.example/x"])
@pytest.mark.parametrize("redirected", [False, True])
def test_a_link_to_what_only_this_machine_reaches_has_failed(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    names: dict[str, str],
    url: str,
    redirected: bool,
) -> None:
    names["metadata.example"] = "169.254.169.254"
    made = server.artifact(webm())
    server.add_run(task_run("tsk_1", recording=made if redirected else url))
    server.lie(made, Redirect(url), times=FOREVER)
    assert fetch("tsk_1", "--attempts", "3", code=3).states == {"failed": 1}
    reason = archive.artifact("tsk_1", "recording 1")["reason"]
    assert "169.254.169.254" in reason
    assert "where the API is not" in reason
