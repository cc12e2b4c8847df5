"""Bodies arrive as they were sent, however they are framed and cut into pieces."""

import socket
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fetch.http.clients import Clients
from tests.fetch.http.wire_server import (
    Answering,
    Asked,
    WireServer,
    always,
    head,
    once,
    reply,
)

CHUNKED = head("Transfer-Encoding: chunked")


def chunked(body: bytes, size: int) -> bytes:
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(reply(b"hello"), b"hello", id="length"),
        pytest.param(reply(b""), b"", id="length of zero"),
        pytest.param(head("content-LENGTH:  5  ") + b"hello", b"hello", id="odd header"),
        pytest.param(head("Content-Length: 005") + b"hello", b"hello", id="zeros before it"),
        pytest.param(head("X-Empty:", "Content-Length: 5") + b"hello", b"hello", id="empty header"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello", id="chunked"),
        pytest.param(CHUNKED + b"0\r\n\r\n", b"", id="no chunk"),
        pytest.param(CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n", b"hello", id="zeros before a size"),
        pytest.param(
            CHUNKED + b'2;a=b;c="d"\r\nhe\r\n3;e\r\nllo\r\n0;f\r\n\r\n', b"hello", id="extensions"
        ),
        pytest.param(
            CHUNKED + b"5\r\nhello\r\n0\r\nX-More: 1\r\nSet-Cookie: 2\r\n\r\n",
            b"hello",
            id="trailers",
        ),
        pytest.param(
            head(status="100 Continue")
            + head("Link: </x>", status="103 Early Hints")
            + reply(b"x"),
            b"x",
            id="interim answers",
        ),
        pytest.param(reply(b"x", status="200"), b"x", id="no reason"),
        pytest.param(reply(b"x", status="599 \xe9\xff"), b"x", id="odd reason"),
        pytest.param(reply(b"x", "X-Odd: \xe9\xff"), b"x", id="a header of any bytes"),
    ],
)
def test_a_body_is_what_its_framing_says(clients: Clients, answer: bytes, body: bytes) -> None:
    with WireServer(always(answer)) as server:
        client = clients(1)
        assert client.get(server.origin) == client.get(server.origin) == body
        assert server.opened == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(head(), id="HTTP/1.1"),
        pytest.param(head("Connection: close"), id="Connection: close"),
        pytest.param(head(version="1.0"), id="HTTP/1.0"),
        pytest.param(head("Connection: keep-alive", version="1.0"), id="kept alive"),
    ],
)
@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_a_body_without_a_length_ends_with_its_connection(
    clients: Clients, answer: bytes, size: int
) -> None:
    body = bytes(range(250)) * (size // 250 + 1)
    with WireServer(once(answer + body)) as server:
        client = clients(1)
        assert client.get(server.origin) == client.get(server.origin) == body
        assert server.opened == 2


@pytest.mark.parametrize(
    "answer",
    [
        head("Content-Length: 5", status="304 Not Modified"),
        head("Transfer-Encoding: chunked", status="304 Not Modified"),
        head(status="304 Not Modified"),
        head(status="204 No Content"),
    ],
)
def test_an_answer_that_has_no_body_has_none(clients: Clients, answer: bytes) -> None:
    with WireServer(always(answer)) as server:
        client = clients(1)
        assert client.get(server.origin) == client.get(server.origin) == b""
        assert server.opened == 1


@pytest.mark.parametrize(
    "answer", [head("Content-Length: 5"), head("Transfer-Encoding: chunked"), head("X: y")]
)
def test_the_answer_to_a_head_request_has_no_body(clients: Clients, answer: bytes) -> None:
    with WireServer(always(answer)) as server:
        client = clients(1)
        for _ in range(2):
            assert client.read("HEAD", server.origin) == b""
        assert server.asked[-1].head.startswith(b"HEAD / HTTP/1.1\r\n")


def test_headers_arrive_as_they_were_without_those_of_others(clients: Clients) -> None:
    answer = (
        head("X-Interim: 1", status="103 Early Hints")
        + head("X-One: a", "x-one: b", "X-Two:  c d ", "Transfer-Encoding: chunked")
        + b"1\r\nx\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    with WireServer(always(answer)) as server:
        response = clients().ask("GET", server.origin)
        assert response.read() == b"x"
        assert response.headers.multi_items() == [
            ("x-one", "a"),
            ("x-one", "b"),
            ("x-two", "c d"),
            ("transfer-encoding", "chunked"),
        ]
        assert response.http_version == "HTTP/1.1"


def test_a_head_of_some_length_is_read_whatever_comes_with_it(clients: Clients) -> None:
    body = bytes(range(256)) * 2_000
    cookies = [f"Set-Cookie: {'x' * 4_000}" for _ in range(10)]
    with WireServer(always(reply(body, *cookies))) as server:
        client = clients(1)
        for _ in range(3):
            response = client.ask("GET", server.origin)
            assert len(response.headers.get_list("Set-Cookie")) == 10
            assert response.read() == body
        assert server.opened == 1


def test_a_request_says_what_it_was_given(clients: Clients) -> None:
    with WireServer(always(reply())) as server:
        clients().get(
            f"{server.origin}/a%20b/ü?q=1&r=%2F#not-this", {"X-One": "1", "Accept": "*/*"}
        )
        (asked,) = server.asked
        assert asked.head.startswith(b"GET /a%20b/%C3%BC?q=1&r=%2F HTTP/1.1\r\n")
        assert asked.header("Host") == server.origin.removeprefix("http://")
        assert asked.header("X-One") == "1"
        assert asked.header("Accept") == "*/*"
        assert asked.header("Connection") == "keep-alive"


@pytest.mark.parametrize("size", [1, 131_071, 131_072, 131_073, 400_000, 1_048_576, 3_000_001])
@pytest.mark.parametrize("framing", ["length", "chunked", "end"])
def test_each_piece_stays_as_it_is_until_the_one_after_the_next(
    clients: Clients, framing: str, size: int
) -> None:
    body = b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1))[:size]
    answers: dict[str, Answering] = {
        "length": always(reply(body)),
        "chunked": always(CHUNKED + chunked(body, 50_000)),
        "end": once(head() + body),
    }
    with WireServer(answers[framing]) as server:
        http = clients().http
        answer = http.get(server.origin, http.headers({}))
        taken: list[tuple[memoryview, bytes]] = []
        for view in answer.views():
            taken.append((view, bytes(view)))
            assert all(now == then for now, then in taken[-2:])
        assert b"".join(then for _, then in taken) == body
        answer.close()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bodies=st.lists(st.binary(max_size=400).map(lambda body: body * 97), min_size=1, max_size=4),
    framings=st.lists(st.sampled_from(["length", "chunked"]), min_size=4, max_size=4),
    size=st.integers(1, 9_000),
    cuts=st.sets(st.integers(0, 60_000), max_size=12),
    last=st.sampled_from(["kept", "end"]),
)
def test_a_body_arrives_as_it_was_however_the_server_cuts_it(
    clients: Clients,
    bodies: list[bytes],
    framings: list[str],
    size: int,
    cuts: set[int],
    last: str,
) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes | None:
        index = int(asked.path[1:])
        body, ends = bodies[index], index == len(bodies) - 1 and last == "end"
        whole = reply(body)
        if ends:
            whole = head("X: y") + body
        elif framings[index] == "chunked":
            whole = CHUNKED + chunked(body, size)
        edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
        for start, stop in pairwise(edges):
            connection.sendall(whole[start:stop])
        return None if ends else b""

    with WireServer(answer) as server:
        client = clients(1)
        for index, body in enumerate(bodies):
            assert client.get(f"{server.origin}/{index}") == body
        assert server.opened == 1
