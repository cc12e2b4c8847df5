"""What is cut, endless, contradictory or no HTTP is refused, and its connection not used again."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

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
EVIL = reply(b"evil", "X-Evil: 1")


def drained(response: httpx.Response) -> int:
    """How much of a body comes before it breaks."""
    came = 0
    with closing(response), pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
        for piece in response.iter_raw():
            came += len(piece)
    return came


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(head("Content-Length: 10") + b"12345", id="length"),
        pytest.param(head("Content-Length: 3000000") + b"1" * 2_000_000, id="large length"),
        pytest.param(CHUNKED + b"a\r\n12345", id="in a chunk"),
        pytest.param(CHUNKED + b"5\r\n12345\r\n", id="between chunks"),
        pytest.param(CHUNKED + b"5\r\n12345\r\n0\r\n", id="before the last line"),
        pytest.param(CHUNKED, id="before the first chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="in the head"),
        pytest.param(head(status="100 Continue"), id="behind an interim answer"),
    ],
)
def test_an_answer_that_is_cut_is_not_taken_for_whole(clients: Clients, answer: bytes) -> None:
    with WireServer(once(answer)) as server:
        client = clients(1)
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.read("GET", server.origin)
        server.wait_until_open(0)


@pytest.mark.parametrize("size", [5, 200_000, 3_000_000])
def test_what_came_of_a_body_that_is_cut_is_had(clients: Clients, size: int) -> None:
    with WireServer(once(head("Content-Length: 5000000") + b"x" * size)) as server:
        assert drained(clients(1).ask("GET", server.origin)) == size


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HELLO\r\n\r\n", id="another protocol"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(99), id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2p1\r\n", id="SSH"),
        pytest.param(b"\x00" * 50, id="zeros"),
        pytest.param(b"HTTP/1.1 2x0 OK\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 20000 OK\r\n\r\n", id="a long status"),
        pytest.param(b"HTTP/9999 200 OK\r\n\r\n", id="no version"),
        pytest.param(head("No colon"), id="a header without a colon"),
        pytest.param(head(": nameless"), id="a header without a name"),
        pytest.param(head("A b: c"), id="a space in a name"),
        pytest.param(head("X\x00: y"), id="a zero in a name"),
        pytest.param(head("X: y\x00z"), id="a zero in a value"),
        pytest.param(head("Content-Length: +5") + b"12345", id="a length with a sign"),
        pytest.param(head("Content-Length: -5") + b"12345", id="a negative length"),
        pytest.param(head("Content-Length: 0x5") + b"12345", id="a hexadecimal length"),
        pytest.param(head("Content-Length: 5 5") + b"12345", id="two lengths in one"),
        pytest.param(head("Content-Length: \xd9\xa5") + b"12345", id="foreign digits"),
        pytest.param(head("Content-Length:") + b"12345", id="an empty length"),
        pytest.param(head("Content-Length: " + "9" * 5_000), id="a length beyond all"),
        pytest.param(head("Content-Length: 5", "Content-Length: 6") + b"123456", id="two lengths"),
        pytest.param(head("Content-Length: 5, 6") + b"123456", id="a list of lengths"),
        pytest.param(head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", id="gzip, chunked"),
        pytest.param(head("Transfer-Encoding: gzip") + b"12345", id="gzip"),
        pytest.param(head("Transfer-Encoding: identity") + b"12345", id="identity"),
        pytest.param(
            head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            id="chunked twice",
        ),
        pytest.param(CHUNKED + b"x\r\n", id="a chunk without a size"),
        pytest.param(CHUNKED + b"-5\r\n12345\r\n0\r\n\r\n", id="a chunk of negative size"),
        pytest.param(CHUNKED + b"0x5\r\n12345\r\n0\r\n\r\n", id="a chunk's size with a prefix"),
        pytest.param(CHUNKED + b"f" * 30 + b"\r\n12345", id="a chunk beyond all"),
        pytest.param(CHUNKED + b"5\r\n1234567\r\n0\r\n\r\n", id="a chunk longer than said"),
    ],
)
def test_what_makes_no_sense_is_refused(clients: Clients, answer: bytes) -> None:
    with WireServer(once(answer)) as server:
        client = clients(1)
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.read("GET", server.origin)
        assert server.opened == 2
        server.wait_until_open(0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            id="both framings",
        ),
        pytest.param(
            head("Content-Length: 5", "Content-Length: 5") + b"12345", id="twice the same"
        ),
        pytest.param(head("X: a\r\n b", "Content-Length: 0"), id="a folded header"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", id="lines without CR"),
        pytest.param(head(f"Content-Length: {'0' * 5_000}5") + b"12345", id="a length of zeros"),
        pytest.param(
            head("Upgrade: x", "Connection: Upgrade", status="101 Switching Protocols"),
            id="another protocol from here on",
        ),
        pytest.param(
            CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", id="a length behind the last chunk"
        ),
    ],
)
def test_what_is_ambiguous_is_refused_by_the_own_transport(clients: Clients, answer: bytes) -> None:
    """httpx's own takes these, one way or another."""
    with WireServer(once(answer)) as server:
        client = clients(1)
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.read("GET", server.origin)


def test_a_transfer_encoding_decides_in_httpxs_own_transport_too(clients: Clients) -> None:
    """Whichever transport it is, no length is believed beside a Transfer-Encoding."""
    answer = head("Content-Length: 3", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"
    with WireServer(always(answer)) as server:
        client = clients(1)
        try:
            assert client.read("GET", server.origin) == b"hello"
        except httpx.RemoteProtocolError:
            server.wait_until_open(0)


def endless(first: bytes, piece: bytes) -> Answering:
    def answer(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(first)
        for _ in itertools.repeat(None):
            connection.sendall(piece)

    return answer


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n" * 100, id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-More: ", b"x" * 1_000, id="one header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX", b"x" * 1_000, id="a header's name"),
        pytest.param(b"HTTP/1.1 200 O", b"K" * 1_000, id="a reason"),
        pytest.param(b"", b"\r\n" * 500, id="empty lines"),
        pytest.param(CHUNKED + b"5;", b"x" * 1_000, id="a chunk's extension"),
        pytest.param(CHUNKED + b"5;x=", b"x" * 1_000, id="an extension's value"),
        pytest.param(CHUNKED + b"0\r\n", b"X-More: 1\r\n" * 100, id="trailers"),
        pytest.param(CHUNKED + b"0\r\nX: ", b"x" * 1_000, id="one trailer"),
    ],
)
def test_what_surrounds_a_body_has_an_end(clients: Clients, first: bytes, piece: bytes) -> None:
    with WireServer(endless(first, piece)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            clients(1).read("GET", server.origin)
        server.wait_until_open(0)


def test_interim_answers_have_an_end(clients: Clients) -> None:
    """httpx's own transport reads them as long as they do not trickle."""
    with WireServer(endless(b"", head("X: y", status="102 Processing") * 50)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            clients(1).read("GET", server.origin)
        server.wait_until_open(0)


def more_than_asked_for() -> Iterator[object]:
    for name, answer in {
        "length": head("Content-Length: 5") + b"hello",
        "chunked": CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        "no content": head(status="204 No Content"),
        "not modified": head("Content-Length: 5", status="304 Not Modified"),
    }.items():
        for kind, more in {"answer": EVIL, "bytes": b"x", "begin": EVIL[:1]}.items():
            yield pytest.param([answer + more], id=f"{name}, {kind} with it")
            at = answer.index(b"\r\n\r\n")
            pieces = [answer[: at + 3], answer[at + 3 :] + more]
            yield pytest.param(pieces, id=f"{name}, {kind}, cut in the blank line")
            if len(answer) > at + 4:  # else it is over before more comes
                pieces = [answer[: at + 4], answer[at + 4 :] + more]
                yield pytest.param(pieces, id=f"{name}, {kind}, cut behind the head")


@pytest.mark.parametrize("pieces", list(more_than_asked_for()))
def test_what_comes_behind_an_answer_is_not_taken_for_the_next(
    clients: Clients, pieces: list[bytes]
) -> None:
    """httpx's own transport takes a whole answer behind another for the next one."""

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        for piece in pieces:
            connection.sendall(piece)
        return b""

    with WireServer(answer) as server:
        client = clients(1)
        for _ in range(3):
            response = client.ask("GET", server.origin)
            assert response.read() in (b"hello", b"")
            assert "X-Evil" not in response.headers
        assert server.opened == 3


def test_the_answer_to_a_head_request_is_not_taken_for_the_next(clients: Clients) -> None:
    with WireServer(always(reply(EVIL))) as server:
        client = clients(1)
        for _ in range(3):
            assert client.read("HEAD", server.origin) == b""
        assert server.opened == 3


@pytest.mark.parametrize("header", ["X: a\r\nX-Evil: 1", "X: a\nb", "X\r\n: a", "X: a\r"])
def test_a_header_with_a_line_break_is_not_sent(clients: Clients, header: str) -> None:
    name, _, value = header.partition(": ")
    with WireServer(always(reply(b"fine"))) as server:
        client = clients(1)
        with pytest.raises(httpx.LocalProtocolError):
            client.get(server.origin, {name: value})
        assert client.read("GET", server.origin) == b"fine"
        assert len(server.asked) == 1
