"""Addresses of every kind: what they say of whom to ask, and what about nobody."""

import base64
import socket
from typing import NoReturn

import httpx
import pytest

from archiver.fetch.http.client import Fault, http_errors
from tests.fetch.http.clients import Clients
from tests.fetch.http.wire_server import WireServer, always, reply

HELLO = always(reply(b"hello"))


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="there is no IPv6 loopback")
def test_ipv6_is_spoken(clients: Clients) -> None:
    with WireServer(HELLO, host="::1") as server:
        client = clients(1)
        assert client.get(f"{server.origin}/x") == client.get(server.origin) == b"hello"
        assert server.asked[0].header("Host") == f"[::1]:{server.port}"
        assert server.opened == 1


def test_a_name_leads_to_where_somebody_listens(clients: Clients) -> None:
    with WireServer(HELLO) as server:  # not at ::1, which localhost may be too
        assert clients(1).get(f"http://LocalHost:{server.port}/") == b"hello"
        assert server.asked[0].header("Host") == f"localhost:{server.port}"


@pytest.mark.parametrize(
    ("userinfo", "credentials"),
    [
        ("user:pass", b"user:pass"),
        ("user%40example.com:p%3Ass%2F%C3%BC", "user@example.com:p:ss/ü".encode()),
        ("user", b"user:"),
        (":pass", b":pass"),
    ],
)
def test_credentials_in_an_address_become_basic_auth(
    fast_clients: Clients, userinfo: str, credentials: bytes
) -> None:
    with WireServer(HELLO) as server:
        assert fast_clients(1).get(f"http://{userinfo}@127.0.0.1:{server.port}/x") == b"hello"
        (asked,) = server.asked
        assert asked.path == "/x"
        assert asked.header("Host") == f"127.0.0.1:{server.port}"
        sent = (asked.header("Authorization") or "").removeprefix("Basic ")
        assert base64.b64decode(sent) == credentials


def test_credentials_stay_with_their_address(fast_clients: Clients) -> None:
    with WireServer(HELLO) as server:
        client = fast_clients(1)
        client.get(f"http://user:pass@127.0.0.1:{server.port}/")
        client.get(server.origin)
        assert server.asked[1].header("Authorization") is None


def test_the_same_host_at_another_port_is_another_server(clients: Clients) -> None:
    with WireServer(HELLO) as one, WireServer(always(reply(b"other"))) as other:
        client = clients(4)
        for _ in range(2):
            assert client.get(one.origin) == b"hello"
            assert client.get(other.origin) == b"other"
        assert (one.opened, other.opened) == (1, 1)


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "/x", "//127.0.0.1/", "http:///x", "http://", "https:", "ftp://127.0.0.1/"),
        *("http://[::1", "http://a b/", "http://127.0.0.1:x/", "http://127.0.0.1:-1/"),
        *("http://127.0.0.1:65536/", "http://127.0.0.1:99999/", "http://127.0.0.1:" + "9" * 20),
        *("http://127.0.0.1:" + "9" * 5_000, "http://a..b/", f"http://{'a' * 64}.example/"),
        *("http://.example/", "https://.example/", "http://\x00/", "http://\ud800/"),
        *("http://127.0.0.1/\ud800", "http://127.0.0.1/" + "x" * 70_000),
        *("file:///etc/passwd", "http://١٢٧.0.0.1/", "http://127.0.0.1\r\nX: y/"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_fault_like_others(clients: Clients, url: str) -> None:
    faults: list[Fault] = []

    class Stopped(Exception):
        pass

    def fail(fault: Fault) -> NoReturn:
        faults.append(fault)
        raise Stopped

    client = clients(1)
    for _ in range(2):
        with pytest.raises(Stopped), http_errors(fail):
            client.get(url)
    assert len(faults) == 2
    with WireServer(HELLO) as server:
        assert client.read("GET", server.origin) == b"hello"


def test_a_port_that_is_none_leads_to_no_other(clients: Clients) -> None:
    with WireServer(HELLO) as server:
        client = clients(1)
        for port in (server.port + 65_536, 0):
            with pytest.raises(httpx.InvalidURL):
                client.get(f"http://127.0.0.1:{port}/")
        assert not server.asked
