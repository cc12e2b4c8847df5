"""Whoever wants to stop is heard at once, whatever the server does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from archiver.errors import Interrupted
from archiver.fetch.http.proxies import read_proxies
from archiver.system.stop import StopSwitch
from tests.fetch.http.authority import Authority
from tests.fetch.http.clients import Clients
from tests.fetch.http.test_timeouts import stalling
from tests.fetch.http.wire_server import PATIENCE, WireServer, head

SOON = 0.2
SLACK = 1.0
"""Seconds more, for machines that are busy."""


@contextmanager
def silent() -> Iterator[str]:
    """Whoever connects gets no word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def seconds_to_stop(get: Callable[[], bytes], stop: StopSwitch) -> float:
    """How long it takes until a request under way ends, once ``stop`` is set."""
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            get()
        except BaseException as error:  # noqa: BLE001 # whatever it is, it is looked at
            ended.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    began = time.monotonic()
    stop.interrupt()
    thread.join(PATIENCE)
    took = time.monotonic() - began
    assert [type(error) for error in ended] == [Interrupted]
    return took


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="before the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="in the head"),
        pytest.param(head("Content-Length: 10") + b"12345", id="in a body"),
        pytest.param(head("Content-Length: 3000000") + b"1" * 9, id="in a large body"),
        pytest.param(head("Transfer-Encoding: chunked") + b"5\r\n12345\r\n", id="between chunks"),
        pytest.param(head("Connection: close") + b"12345", id="in a body without end"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence_is_no_reason_to_go_on(
    clients: Clients,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    sent: bytes,
    scheme: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    tls = authority.context() if scheme == "https" else None
    stop = StopSwitch()
    with WireServer(stalling(sent), tls=tls) as server:
        client = clients(1, stall=60, check_stop=stop.check)
        assert seconds_to_stop(lambda: client.get(server.origin), stop) < SOON + SLACK


def test_connecting_is_no_reason_to_go_on(clients: Clients, full_backlog: str) -> None:
    stop = StopSwitch()
    client = clients(1, connect=60, check_stop=stop.check)
    assert seconds_to_stop(lambda: client.get(full_backlog), stop) < SOON + SLACK


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://{}/", ""),
        ("http://elsewhere.example/", "http://{}"),
        ("https://elsewhere.example/", "http://{}"),
        ("https://elsewhere.example/", "https://{}"),
        ("http://elsewhere.example/", "socks5://{}"),
    ],
)
def test_a_handshake_is_no_reason_to_go_on(clients: Clients, url: str, proxy: str) -> None:
    stop = StopSwitch()
    with silent() as place:
        proxies = read_proxies({"ALL_PROXY": proxy.format(place)})
        client = clients(1, connect=60, stall=60, proxies=proxies, check_stop=stop.check)
        assert seconds_to_stop(lambda: client.get(url.format(place)), stop) < SOON + SLACK


def test_what_is_not_taken_is_no_reason_to_go_on(clients: Clients) -> None:
    stop = StopSwitch()
    with silent() as place:
        client = clients(1, stall=60, check_stop=stop.check)
        large = {"X-Large": "x" * (8 << 20)}
        took = seconds_to_stop(lambda: client.get(f"http://{place}/", large), stop)
    assert took < SOON + SLACK


def test_waiting_for_a_place_is_no_reason_to_go_on(fast_clients: Clients) -> None:
    stop = StopSwitch()
    with WireServer(stalling(head("Content-Length: 10"))) as server:
        client = fast_clients(1, check_stop=stop.check)
        response = client.ask("GET", server.origin)
        assert seconds_to_stop(lambda: client.get(server.origin), stop) < SOON + SLACK
        response.close()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_says_nothing_is_given_up(clients: Clients, scheme: str) -> None:
    with silent() as place:
        proxies = read_proxies({"ALL_PROXY": f"{scheme}://{place}"})
        client = clients(1, connect=0.1, stall=0.1, proxies=proxies)
        with pytest.raises(httpx.TimeoutException):
            client.get("https://elsewhere.example/")
