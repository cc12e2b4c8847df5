"""Proxies are those of the environment, whichever transport takes what needs none."""

from collections.abc import Iterator

import httpx
import pytest

from archiver.errors import UsageError
from archiver.fetch.http.client import Timeouts, new_client
from archiver.fetch.http.wire import TRICKLES
from tests.adapters.transports.authority import Authority
from tests.adapters.transports.clients import Clients
from tests.adapters.transports.proxy import THROUGH, proxying, refusing
from tests.adapters.transports.test_timeouts import trickling
from tests.adapters.transports.wire_server import WireServer, always, head, reply

DIRECTLY = always(reply(b"directly"))
ELSEWHERE = "http://elsewhere.example/x?q=1"
"""A host that only a proxy could reach."""


@pytest.fixture
def proxy() -> Iterator[WireServer]:
    with WireServer(proxying) as proxy:
        yield proxy


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_http_goes_through_its_proxy(
    clients: Clients, proxy: WireServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, proxy.origin)
    client = clients(2)
    assert client.get(ELSEWHERE, {"X-One": "1"}) == client.get(ELSEWHERE) == THROUGH
    assert proxy.asked[0].path == ELSEWHERE
    assert proxy.asked[0].header("Host") == "elsewhere.example"
    assert proxy.asked[0].header("X-One") == "1"
    assert proxy.opened == 1


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_goes_through_a_tunnel(
    clients: Clients,
    proxy: WireServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv(name, proxy.origin)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with WireServer(DIRECTLY, tls=authority.context()) as server:
        client = clients(2)
        assert client.get(server.origin, {"x-api-key": "secret"}) == b"directly"
        assert client.get(server.origin) == b"directly"
        (asked,) = proxy.asked
        assert asked.head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1".encode())
        assert asked.header("x-api-key") is None
        assert server.asked[0].header("x-api-key") == "secret"
        assert server.opened == 1


def test_a_certificate_is_checked_through_a_tunnel_too(
    clients: Clients, proxy: WireServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
    with WireServer(DIRECTLY, tls=authority.context()) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
            clients(1).get(server.origin)
        assert not server.asked
        assert clients(1, verify=False).get(server.origin) == b"directly"


def test_each_scheme_has_its_own_proxy(
    clients: Clients, proxy: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
    with WireServer(DIRECTLY) as server:
        assert clients(1).get(server.origin) == b"directly"
    assert not proxy.asked


@pytest.mark.parametrize("hosts", ["127.0.0.1", "elsewhere.example,127.0.0.1", "*"])
def test_hosts_that_need_no_proxy_get_none(
    clients: Clients, proxy: WireServer, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy.origin)
    monkeypatch.setenv("NO_PROXY", hosts)
    with WireServer(DIRECTLY) as server:
        assert clients(1).get(server.origin) == b"directly"
    assert not proxy.asked


def test_other_hosts_go_through_the_proxy(
    clients: Clients, proxy: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert clients(1).get(ELSEWHERE) == THROUGH


def test_a_proxys_credentials_are_for_the_proxy(
    clients: Clients, proxy: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = proxy.origin.replace("http://", "http://user:pass%20word@")
    monkeypatch.setenv("HTTP_PROXY", address)
    assert clients(1).get(ELSEWHERE) == THROUGH
    (asked,) = proxy.asked
    assert asked.header("Proxy-Authorization") == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert asked.header("Authorization") is None


def test_a_proxy_that_opens_no_tunnel_is_said_to_refuse(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer(refusing("407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        with pytest.raises(httpx.ProxyError, match="407"):
            clients(1).get("https://elsewhere.example/")


def test_an_answer_that_trickles_through_a_proxy_is_given_up(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer(trickling(head("Content-Length: 100000"), b"x")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        with pytest.raises(httpx.ReadTimeout, match=TRICKLES):
            clients(1, stall=0.2).get(ELSEWHERE)


@pytest.mark.parametrize("address", ["ftp://127.0.0.1:1", "http://[::1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_one_is_wrong_usage(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", address)
    with pytest.raises(UsageError, match="proxy"):
        new_client(Timeouts(), 1)
