"""Connections are used again while they can be, and are never more than allowed."""

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from archiver.fetch.http.connection import ENDED_WHILE_IDLE
from tests.fetch.http.clients import Client, Clients
from tests.fetch.http.wire_server import (
    PATIENCE,
    Asked,
    WireServer,
    always,
    head,
    once,
    reply,
)

HELLO = always(reply(b"hello"))


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_connection_is_used_again(clients: Clients) -> None:
    with WireServer(HELLO) as server:
        client = clients()
        assert [client.get(f"{server.origin}/{n}") for n in range(5)] == [b"hello"] * 5
        assert [asked.path for asked in server.asked] == ["/0", "/1", "/2", "/3", "/4"]
        assert server.opened == 1


@pytest.mark.parametrize(
    ("answer", "is_used_again"),
    [
        pytest.param(reply(b"x"), True, id="HTTP/1.1"),
        pytest.param(reply(b"x", "Connection: close"), False, id="Connection: close"),
        pytest.param(reply(b"x", "Connection: Foo, CLOSE"), False, id="close in a list"),
        pytest.param(reply(b"x", version="1.0"), False, id="HTTP/1.0"),
        pytest.param(reply(), True, id="nothing in it"),
        pytest.param(
            head("Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n", True, id="chunked"
        ),
        pytest.param(
            head("Transfer-Encoding: chunked", "Connection: close") + b"0\r\n\r\n",
            False,
            id="chunked, close",
        ),
        pytest.param(head(status="204 No Content"), True, id="204"),
        pytest.param(head("Content-Length: 9", status="304 Not Modified"), True, id="304"),
    ],
)
def test_the_server_says_whether_a_connection_is_used_again(
    clients: Clients, answer: bytes, is_used_again: bool
) -> None:
    with WireServer(always(answer)) as server:
        client = clients()
        client.get(server.origin)
        client.get(server.origin)
        assert server.opened == (1 if is_used_again else 2)
        server.wait_until_open(1 if is_used_again else 0)


def test_an_answer_that_is_not_read_to_its_end_costs_its_connection(clients: Clients) -> None:
    with WireServer(always(reply(b"x" * 3_000_000))) as server:
        client = clients(1)
        for count in range(1, 4):
            client.ask("GET", server.origin).close()
            server.wait_until_open(0)
            assert server.opened == count
        response = client.ask("GET", server.origin)
        assert next(response.iter_raw())
        response.close()
        response.close()
        server.wait_until_open(0)


def test_closing_an_answer_twice_frees_one_place_only(clients: Clients) -> None:
    with WireServer(HELLO) as server:
        client = clients(1)
        for _ in range(2):
            response = client.ask("GET", server.origin)
            response.read()
            response.close()
            response.stream.close()  # type: ignore[union-attr]  # both transports' can be
        held = client.ask("GET", server.origin)
        with pytest.raises(httpx.PoolTimeout):
            client.ask("GET", server.origin, pool=0.01)
        held.close()


def test_no_more_connections_are_open_than_allowed(clients: Clients) -> None:
    """httpx's own pool sometimes closes a connection that it has just given to another thread."""
    together = threading.Barrier(3)

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        # Each waits for two others, so that there are as many as there may be.
        together.wait(PATIENCE)
        return reply(b"x" * 10_000)

    with WireServer(answer) as server, ThreadPoolExecutor(9) as threads:
        client = clients(3)
        bodies = threads.map(lambda _: client.get(server.origin), range(36))
        assert {len(body) for body in bodies} == {10_000}
        assert server.most_open == server.opened == 3


def test_idle_connections_to_other_servers_count_too(clients: Clients) -> None:
    with WireServer(HELLO) as one, WireServer(HELLO) as two, WireServer(HELLO) as three:
        client = clients(2)
        for server in (one, two):
            client.get(server.origin)
        one.wait_until_open(1)
        client.get(three.origin)
        one.wait_until_open(0)  # it was idle for the longest time
        two.wait_until_open(1)
        client.get(two.origin)
        assert (one.opened, two.opened, three.opened) == (1, 1, 1)


def test_many_threads_and_origins_stay_within_the_limit(clients: Clients) -> None:
    """httpx's own pool sometimes closes a connection that it has just given to another thread."""
    with WireServer(HELLO) as server, ThreadPoolExecutor(8) as threads:
        client = clients(3)
        origins = [server.origin, server.origin.replace("127.0.0.1", "localhost")]
        urls = [origins[n * n % 7 % 2] for n in range(200)]
        assert set(threads.map(client.get, urls)) == {b"hello"}
        assert server.most_open <= 3


@pytest.mark.parametrize("with_reset", [False, True])
def test_a_connection_that_the_server_closed_while_idle_is_replaced(
    clients: Clients, with_reset: bool
) -> None:
    def answer(connection: socket.socket, asked: Asked) -> None:
        if with_reset:
            reset(connection)
        connection.sendall(reply(b"hello"))

    with WireServer(answer) as server:
        client = clients(1)
        for count in range(1, 4):
            assert client.read("GET", server.origin) == b"hello"
            server.wait_until_open(0)
            assert server.opened == count


@pytest.mark.parametrize("with_reset", [False, True])
def test_a_connection_that_ends_when_it_is_used_again_is_said_to_have_been_idle(
    clients: Clients, with_reset: bool
) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes | None:
        if asked.number == 1:
            return reply(b"hello")
        if with_reset:
            reset(connection)
        return None

    with WireServer(answer) as server:
        client = clients(1)
        assert client.get(server.origin) == b"hello"
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            client.get(server.origin)
        assert str(caught.value) == ENDED_WHILE_IDLE
        assert client.read("GET", server.origin) == b"hello"
        assert server.opened == 2


def test_a_new_connection_that_is_reset_was_not_idle(clients: Clients) -> None:
    def answer(connection: socket.socket, asked: Asked) -> None:
        reset(connection)

    with WireServer(answer) as server:
        client = clients(1)
        for _ in range(2):
            with pytest.raises(httpx.ReadError):
                client.get(server.origin)
        assert server.opened == 2


def test_what_nobody_asked_for_ends_an_idle_connection(clients: Clients) -> None:
    more, sent = threading.Event(), threading.Event()

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        connection.sendall(reply(b"hello"))
        if asked.connection == 1:
            assert more.wait(PATIENCE)
            connection.sendall(reply(b"not asked for"))
            sent.set()
        return b""

    with WireServer(answer) as server:
        client = clients(1)
        assert client.get(server.origin) == b"hello"
        more.set()
        assert sent.wait(PATIENCE)
        assert client.get(server.origin) == b"hello"
        assert server.opened == 2


def test_closing_a_client_closes_its_connections(clients: Clients) -> None:
    with WireServer(HELLO) as server, ThreadPoolExecutor(3) as threads:
        client = clients(3)
        responses = list(threads.map(lambda _: client.ask("GET", server.origin), range(3)))
        for response in responses:
            response.read()
        server.wait_until_open(3)
        client.http.__exit__()
        server.wait_until_open(0)


def failing(client: Client, server: WireServer) -> None:
    """Ask for what goes wrong, each in another way."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for url in (
        f"{server.origin}/garbage",
        f"{server.origin}/cut",
        f"{server.origin}/nothing",
        nobody,
        nobody.replace("http", "https"),
        "http://a..b/",
        f"http://{'a' * 64}.example/",
        "ftp://127.0.0.1/",
        "http:///",
    ):
        with pytest.raises((httpx.TransportError, httpx.InvalidURL)):
            client.read("GET", url)


def test_what_goes_wrong_costs_no_place(clients: Clients) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes | None:
        match asked.path:
            case "/garbage":
                return b"HELLO THERE\r\n\r\n"
            case "/cut":
                return once(head("Content-Length: 9") + b"x")(connection, asked)
            case "/nothing":
                return None
        return reply(b"hello")

    with WireServer(answer) as server:
        client = clients(2)
        for _ in range(3):
            failing(client, server)
        first = client.ask("GET", server.origin, pool=0.01)
        second = client.ask("GET", server.origin, pool=0.01)
        assert first.read() == second.read() == b"hello"
        assert server.most_open <= 2
