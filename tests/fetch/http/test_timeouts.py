"""Every wait has its limit: for a connection, for what is sent, for each piece of an answer."""

import socket
import threading

import httpx
import pytest

from archiver.fetch.http.connection import TRICKLES
from tests.fetch.http.clients import Clients
from tests.fetch.http.wire_server import (
    Answering,
    Asked,
    WireServer,
    always,
    head,
    reply,
    until_left,
)

SHORT = 0.1
STEADY = 0.3
"""For answers that must not be given up, however busy the machine is."""


def test_a_server_that_takes_no_connection_is_given_up(clients: Clients, full_backlog: str) -> None:
    client = clients(connect=SHORT)
    for _ in range(2):
        with pytest.raises(httpx.ConnectTimeout):
            client.get(full_backlog)


def test_a_tls_handshake_without_an_answer_is_given_up(clients: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = clients(connect=SHORT)
        with pytest.raises(httpx.ConnectTimeout):
            client.get(f"https://127.0.0.1:{listener.getsockname()[1]}")


def stalling(*sent: bytes) -> Answering:
    def answer(connection: socket.socket, asked: Asked) -> bytes | None:
        if asked.path == "/fine":
            return reply(b"fine")
        for piece in sent:
            connection.sendall(piece)
        until_left(connection)
        return None

    return answer


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="before the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="in the head"),
        pytest.param(head(status="103 Early Hints"), id="behind an interim answer"),
        pytest.param(head("Content-Length: 10") + b"12345", id="in a body of known length"),
        pytest.param(head("Content-Length: 3000000") + b"1" * 9, id="in a large body"),
        pytest.param(head("Transfer-Encoding: chunked") + b"5\r\n12345\r\n", id="between chunks"),
        pytest.param(head("Transfer-Encoding: chunked") + b"a\r\n12345", id="in a chunk"),
        pytest.param(head("Connection: close") + b"12345", id="in a body without end"),
    ],
)
def test_an_answer_that_stops_is_given_up(clients: Clients, sent: bytes) -> None:
    with WireServer(stalling(sent)) as server:
        client = clients(1, stall=SHORT)
        with pytest.raises(httpx.ReadTimeout):
            client.get(server.origin)
        # Its connection is not used again, and its place is not lost.
        assert client.read("GET", f"{server.origin}/fine") == b"fine"
        assert server.opened == 2


def test_what_came_before_an_answer_stopped_is_had(clients: Clients) -> None:
    with WireServer(stalling(head("Content-Length: 10"), b"12345")) as server:
        response = clients(stall=SHORT).ask("GET", server.origin, read=SHORT)
        pieces = response.iter_raw()
        assert next(pieces) == b"12345"
        with pytest.raises(httpx.ReadTimeout):
            next(pieces)
        response.close()


def trickling(first: bytes, piece: bytes) -> Answering:
    def answer(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(piece)
            threading.Event().wait(SHORT / 10)

    return answer


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n", id="in the head"),
        pytest.param(b"", head(status="102 Processing"), id="interim answers"),
        pytest.param(head("Content-Length: 100000"), b"x", id="in a body"),
        pytest.param(head("Transfer-Encoding: chunked"), b"1\r\nx\r\n", id="in chunks"),
        pytest.param(head("Connection: close"), b"x", id="in a body without end"),
    ],
)
def test_an_answer_that_trickles_is_given_up(clients: Clients, first: bytes, piece: bytes) -> None:
    with WireServer(trickling(first, piece)) as server:
        client = clients(1, stall=2 * SHORT)
        with pytest.raises(httpx.ReadTimeout, match=TRICKLES):
            client.get(server.origin)
        server.wait_until_open(0)


def test_a_body_that_is_slow_but_steady_is_had(clients: Clients) -> None:
    body = b"x" * 4_000

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        connection.sendall(head(f"Content-Length: {10 * len(body)}"))
        for _ in range(10):
            threading.Event().wait(STEADY / 8)
            connection.sendall(body)
        return b""

    with WireServer(answer) as server:
        assert clients(stall=STEADY).get(server.origin) == body * 10


def test_a_server_may_think_for_long_before_it_answers(clients: Clients) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes:
        threading.Event().wait(STEADY / 2)
        return reply(b"fine")

    with WireServer(answer) as server:
        client = clients(1, stall=STEADY)
        # Each wait has a limit; what is waited on a connection in all has none.
        assert [client.get(server.origin) for _ in range(2)] == [b"fine"] * 2
        assert server.opened == 1


def test_each_request_has_a_limit_of_its_own(clients: Clients) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes:
        if asked.number > 1:
            threading.Event().wait(2 * SHORT)
        return reply(b"fine")

    with WireServer(answer) as server:
        client = clients(1)
        for limit in (SHORT, None, 20 * SHORT):
            response = client.ask("GET", server.origin, read=limit)
            assert response.read() == b"fine"
            response.close()
        with pytest.raises(httpx.ReadTimeout):
            client.ask("GET", server.origin, read=SHORT)
        assert server.opened == 1


def test_a_request_that_is_not_taken_is_given_up(clients: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = clients(stall=SHORT)
        with pytest.raises(httpx.WriteTimeout):
            client.get(
                f"http://127.0.0.1:{listener.getsockname()[1]}", {"X-Large": "x" * (12 << 20)}
            )


def test_whoever_waits_for_a_connection_waits_no_longer_than_allowed(clients: Clients) -> None:
    with WireServer(always(reply(b"fine"))) as server:
        client = clients(1)
        response = client.ask("GET", server.origin)
        with pytest.raises(httpx.PoolTimeout):
            client.ask("GET", server.origin, pool=0.05)
        response.close()
        assert client.read("GET", server.origin) == b"fine"
