"""What goes through a proxy, and what never does, over real sockets."""

import base64
import socket
from collections.abc import Iterator

import httpx
import pytest

from archiver.fetch.http.connection import TRICKLES
from archiver.fetch.http.proxies import read_proxies
from tests.fetch.http.authority import Authority
from tests.fetch.http.clients import Client, Clients
from tests.fetch.http.proxy import THROUGH, proxying, refusing
from tests.fetch.http.socks import SocksServer
from tests.fetch.http.test_timeouts import trickling
from tests.fetch.http.wire_server import Asked, WireServer, always, head, reply

DIRECTLY = always(reply(b"directly"))
ELSEWHERE = "http://elsewhere.example/x?q=1"
"""A host that only a proxy could reach."""


@pytest.fixture
def proxy() -> Iterator[WireServer]:
    with WireServer(proxying) as proxy:
        yield proxy


def through(clients: Clients, connections: int = 2, **variables: str) -> Client:
    """A client of an environment with these variables."""
    return clients(connections, proxies=read_proxies(variables))


def test_http_goes_through_its_proxy(clients: Clients, proxy: WireServer) -> None:
    client = through(clients, http_proxy=proxy.origin)
    assert client.get(ELSEWHERE, {"X-One": "1"}) == client.get(ELSEWHERE) == THROUGH
    assert proxy.asked[0].path == ELSEWHERE
    assert proxy.asked[0].header("Host") == "elsewhere.example"
    assert proxy.asked[0].header("X-One") == "1"
    assert proxy.opened == 1


@pytest.mark.parametrize(
    "path", ["/a%2fb%2Fc", "/a+b'c", "/[x]", "/a/../b", "/?", "/?a=%20&b=", "/a//b/./c"]
)
def test_a_path_goes_through_a_proxy_as_it_came(
    fast_clients: Clients, proxy: WireServer, path: str
) -> None:
    client = through(fast_clients, http_proxy=proxy.origin)
    assert client.get(f"http://elsewhere.example{path}") == THROUGH
    assert proxy.asked[0].path == f"http://elsewhere.example{path}"


def test_https_goes_through_a_tunnel(
    clients: Clients, proxy: WireServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with WireServer(DIRECTLY, tls=authority.context()) as server:
        client = through(clients, https_proxy=proxy.origin)
        assert client.get(server.origin, {"x-api-key": "secret"}) == b"directly"
        assert client.get(server.origin) == b"directly"
        (asked,) = proxy.asked
        assert asked.head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1".encode())
        assert b"secret" not in asked.head
        assert server.asked[0].header("x-api-key") == "secret"
        assert server.opened == 1


def test_a_certificate_is_checked_through_a_tunnel_too(
    clients: Clients, proxy: WireServer, authority: Authority
) -> None:
    proxies = read_proxies({"HTTPS_PROXY": proxy.origin})
    with WireServer(DIRECTLY, tls=authority.context()) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
            clients(1, proxies=proxies).get(server.origin)
        assert not server.asked
        assert clients(1, verify=False, proxies=proxies).get(server.origin) == b"directly"


def test_a_proxy_may_be_reached_over_tls_itself(
    clients: Clients, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    body = bytes(range(256)) * 4_000
    with (
        WireServer(proxying, tls=authority.context()) as proxy,
        WireServer(always(reply(body)), tls=authority.context()) as server,
    ):
        client = through(clients, ALL_PROXY=proxy.origin)
        assert [client.get(server.origin) for _ in range(3)] == [body] * 3
        assert server.opened == 1
        assert client.get(ELSEWHERE) == THROUGH
        assert proxy.asked[-1].path == ELSEWHERE


def test_the_certificate_of_a_proxy_is_checked(clients: Clients, authority: Authority) -> None:
    with WireServer(proxying, tls=authority.context()) as proxy:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
            through(clients, ALL_PROXY=proxy.origin).get("https://elsewhere.example/")
        assert not proxy.asked


def test_each_scheme_has_its_own_proxy(clients: Clients, proxy: WireServer) -> None:
    with WireServer(DIRECTLY) as server:
        assert through(clients, HTTPS_PROXY=proxy.origin).get(server.origin) == b"directly"
    assert not proxy.asked


@pytest.mark.parametrize(
    "exceptions",
    ["127.0.0.1", "elsewhere.example,127.0.0.1", "*", "127.0.0.0/8", "10.0.0.0/8 127.0.0.1"],
)
def test_hosts_that_need_no_proxy_get_none(
    clients: Clients, proxy: WireServer, exceptions: str
) -> None:
    with WireServer(DIRECTLY) as server:
        client = through(clients, ALL_PROXY=proxy.origin, NO_PROXY=exceptions)
        assert client.get(server.origin, {"x-api-key": "secret"}) == b"directly"
        assert server.asked[0].header("x-api-key") == "secret"
    assert not proxy.asked


def test_other_hosts_go_through_the_proxy(clients: Clients, proxy: WireServer) -> None:
    client = through(clients, http_proxy=proxy.origin, NO_PROXY="127.0.0.1")
    assert client.get(ELSEWHERE) == THROUGH


def test_a_proxys_credentials_are_for_the_proxy(
    clients: Clients, proxy: WireServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    address = proxy.origin.replace("http://", "http://user:pass%20word@")
    with WireServer(DIRECTLY, tls=authority.context()) as server:
        client = through(clients, all_proxy=address)
        assert client.get(ELSEWHERE) == THROUGH
        assert client.get(server.origin) == b"directly"
        for asked in proxy.asked:
            assert asked.header("Proxy-Authorization") == "Basic dXNlcjpwYXNzIHdvcmQ="
            assert asked.header("Authorization") is None
        assert server.asked[0].header("Proxy-Authorization") is None


def test_a_proxy_that_opens_no_tunnel_is_said_to_refuse(clients: Clients) -> None:
    with WireServer(refusing("407 Proxy Authentication Required")) as proxy:
        client = through(clients, https_proxy=proxy.origin)
        for _ in range(3):
            with pytest.raises(httpx.ProxyError, match="407"):
                client.get("https://elsewhere.example/")
        proxy.wait_until_open(0)


def test_what_a_proxy_sends_behind_its_tunnel_is_not_taken_for_the_server(clients: Clients) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes:
        return head(status="200 OK") + reply(b"evil")

    with WireServer(answer) as proxy:
        client = through(clients, https_proxy=proxy.origin)
        with pytest.raises(httpx.TransportError):
            client.get("https://elsewhere.example/")


def test_a_second_answer_of_a_proxy_never_reaches_the_next_request(clients: Clients) -> None:
    with WireServer(always(reply(b"hello") + reply(b"evil"))) as proxy:
        client = through(clients, http_proxy=proxy.origin)
        assert [client.get(ELSEWHERE) for _ in range(4)] == [b"hello"] * 4
        assert proxy.opened == 4


def test_an_answer_that_trickles_through_a_proxy_is_given_up(clients: Clients) -> None:
    with WireServer(trickling(head("Content-Length: 100000"), b"x")) as proxy:
        proxies = read_proxies({"http_proxy": proxy.origin})
        with pytest.raises(httpx.ReadTimeout, match=TRICKLES):
            clients(stall=0.2, proxies=proxies).get(ELSEWHERE)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5"])
def test_socks_leads_to_http_and_to_https(
    clients: Clients, authority: Authority, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with (
        SocksServer() as proxy,
        WireServer(DIRECTLY) as plain,
        WireServer(DIRECTLY, tls=authority.context()) as secret,
    ):
        client = through(clients, ALL_PROXY=f"{scheme}://127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert client.get(f"{plain.origin}/x?q=%2f") == b"directly"
            assert client.get(f"https://localhost:{secret.port}/") == b"directly"
        assert [asked.path for asked in plain.asked] == ["/x?q=%2f"] * 2
        # Names are the proxy's to resolve; what is an address goes as one.
        assert proxy.asked == [(1, "127.0.0.1", plain.port), (3, "localhost", secret.port)]
        assert (plain.opened, secret.opened) == (1, 1)


def test_socks_takes_credentials(clients: Clients) -> None:
    with SocksServer("us:er", "pass wörd") as proxy, WireServer(DIRECTLY) as server:
        client = through(
            clients, ALL_PROXY=f"socks5://us%3Aer:pass%20w%C3%B6rd@127.0.0.1:{proxy.port}"
        )
        assert client.get(server.origin) == b"directly"
        assert server.asked[0].header("Proxy-Authorization") is None


@pytest.mark.parametrize("userinfo", ["", "user:wrong@"])
def test_socks_without_the_right_credentials_is_said_to_refuse(
    clients: Clients, userinfo: str
) -> None:
    with SocksServer("user", "right") as proxy, WireServer(DIRECTLY) as server:
        client = through(clients, ALL_PROXY=f"socks5://{userinfo}127.0.0.1:{proxy.port}")
        with pytest.raises(httpx.ProxyError):
            client.get(server.origin)
        assert not server.asked


def test_a_server_that_socks_cannot_reach_is_said_to_be_the_reason(clients: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    with SocksServer() as proxy:
        client = through(clients, ALL_PROXY=f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(httpx.ProxyError, match="took no connection"):
            client.get(f"http://127.0.0.1:{nobody}/")


@pytest.mark.parametrize(
    "answer", [b"", b"\5", b"\4\0", b"\5\xff", b"HTTP/1.1 400 Bad\r\n\r\n", b"\5\0\5"]
)
def test_what_is_no_socks_is_an_error_like_others(clients: Clients, answer: bytes) -> None:
    with SocksServer(says=answer) as proxy:
        client = through(clients, ALL_PROXY=f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(httpx.TransportError):
            client.get(ELSEWHERE)


def test_what_a_socks_proxy_sends_behind_its_reply_is_not_taken_for_the_server(
    clients: Clients,
) -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    with SocksServer(says=b"\5\0\5\0\0\1\0\0\0\0\0\0" + evil) as proxy:
        client = through(clients, ALL_PROXY=f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(httpx.ProxyError, match="more than it was asked for"):
            client.get(ELSEWHERE)


def test_a_proxy_that_is_not_there_is_no_reason_to_go_without(clients: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    with WireServer(DIRECTLY) as server:
        for scheme in ("http", "socks5"):
            client = through(clients, ALL_PROXY=f"{scheme}://127.0.0.1:{nobody}")
            with pytest.raises(httpx.ConnectError):
                client.get(server.origin)
        assert not server.asked


def test_credentials_are_shown_to_nobody() -> None:
    proxies = read_proxies({"ALL_PROXY": "http://user:secret@127.0.0.1:1"})
    assert proxies.https is not None
    assert base64.b64encode(b"user:secret") in proxies.https.fields
    assert "secret" not in repr(proxies)
    assert "secret" not in repr(read_proxies({"ALL_PROXY": "nothing://user:secret@x y"}))
