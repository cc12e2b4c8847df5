"""Answers that clients of HTTP do not agree about, and what becomes of each here.

None of them may give the next request anything but its own answer.
"""

import contextlib
import socket
import threading
from dataclasses import dataclass

import httpx
import pytest

from tests.fetch.http.clients import Clients
from tests.fetch.http.wire_server import PATIENCE, Asked, WireServer, always, head, reply

CHUNKED = head("Transfer-Encoding: chunked")
HELLO = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"
NEXT = b"the next one's own"
EVIL = reply(b"evil")


@dataclass(frozen=True, slots=True)
class Case:
    """``pieces`` are sent one by one; ``body`` is None where the answer is refused.

    ``is_kept``: its connection is used for the next request, too.
    """

    name: str
    pieces: tuple[bytes, ...]
    body: bytes | None = None
    is_kept: bool = False
    ends: bool = True
    """The server closes the connection behind it."""


def case(name: str, *pieces: bytes) -> Case:
    """What is refused."""
    return Case(name, pieces)


def right(name: str, *pieces: bytes, body: bytes = b"hello", is_kept: bool = False) -> Case:
    """What is taken, on a connection that the server would keep."""
    return Case(name, pieces, body, is_kept=is_kept, ends=False)


CASES = (
    case("Content-Length too short", head("Content-Length: 9") + b"hello"),
    case("chunked, cut", CHUNKED + b"5\r\nhel"),
    case("chunked, without its end", CHUNKED + b"5\r\nhello\r\n"),
    right("more than Content-Length", head("Content-Length: 5") + b"hello" + EVIL),
    right("more than Content-Length, later", head("Content-Length: 5") + b"hello", EVIL),
    right("chunked and a second answer", HELLO + EVIL),
    right("chunked and a second answer, later", HELLO, EVIL),
    case("a bad chunk size", CHUNKED + b"5g\r\nhello\r\n0\r\n\r\n"),
    case("no CRLF behind a chunk", CHUNKED + b"5\r\nhello0\r\n\r\n"),
    case("bare LF in chunks", CHUNKED + b"5\nhello\n0\n\n"),
    case(
        "a chunk extension of 300 KB", CHUNKED + b"5;" + b"x" * 300_000 + b"\r\nhello\r\n0\r\n\r\n"
    ),
    case(
        "both framings",
        head("Content-Length: 3", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    ),
    case(
        "identity beside a length",
        head("Transfer-Encoding: identity", "Content-Length: 5") + b"hello",
    ),
    case("chunked twice", head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"),
    case(
        "chunked in two lines",
        head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ),
    case("gzip, chunked", head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    case("an unknown encoding", head("Transfer-Encoding: xyz") + b"hello"),
    *(
        case(
            f"lengths {' | '.join(values)!r}",
            head(*(f"Content-Length: {v}" for v in values)) + b"hello",
        )
        for values in (
            ("3", "5"),
            ("3, 5",),
            ("+5",),
            ("-5",),
            ("0x5",),
            ("5abc",),
            ("",),
            ("5", "5"),
            ("5, 5",),
            ("9" * 23,),
            ("18446744073709551616",),
        )
    ),
    case("a space before the colon of a length", head("Content-Length : 5") + b"hello"),
    case(
        "a space before the colon of an encoding",
        head("Transfer-Encoding : chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    ),
    case("a folded line", head("X: a\r\n b", "Content-Length: 5") + b"hello"),
    case("a folded length", head("Content-Length:\r\n 5") + b"hello"),
    case("lines of LF alone", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    right("CRLF before the head", b"\r\n" + reply(b"hello"), is_kept=True),
    case("status 2000", b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"),
    case("HTTP/3.7", reply(b"hello", version="3.7")),
    case("HTTP/2", reply(b"hello", version="2")),
    case("HTTP/0.9", b"hello, without a head\r\n\r\n"),
    case("HTTP/2.0", reply(b"hello", version="2.0")),
    case("HTTP/0.9 with a head", reply(b"hello", version="0.9")),
    case("RTSP", b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    case("ICE", b"ICE/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    case("a bad status", b"HTTP/1.1 abc OK\r\nContent-Length: 5\r\n\r\nhello"),
    case("no colon", head("Content-Length 5") + b"hello"),
    case("NUL in a value", head("X: a\0b", "Content-Length: 5") + b"hello"),
    case("a bare CR in a value", head("X: a\rb", "Content-Length: 5") + b"hello"),
    case("a head that is cut", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
    case(
        "101",
        head("Upgrade: x", "Connection: Upgrade", status="101 Switching Protocols") + b"hello",
    ),
    right(
        "204 with a body", head("Content-Length: 4", status="204 No Content") + b"evil", body=b""
    ),
    right(
        "304 with a body", head("Content-Length: 4", status="304 Not Modified") + b"evil", body=b""
    ),
    right(
        "interim answers",
        head(status="100 Continue") + head("Link: x", status="103 Early Hints") + reply(b"hello"),
        is_kept=True,
    ),
    Case("until the connection ends", (head("X: y") + b"hello",), b"hello"),
    case("290 fields of 1 KB", head(*["X: " + "x" * 1_000] * 290, "Content-Length: 5") + b"hello"),
    case("a line of 150 KB", head("X: " + "x" * 150_000, "Content-Length: 5") + b"hello"),
    case("a line of 110 KB", head("X: " + "x" * 110_000, "Content-Length: 5") + b"hello"),
    case("6,000 short fields", head(*["X: y"] * 6_000, "Content-Length: 5") + b"hello"),
    case("2,000 shorter fields", head(*["a:"] * 2_000, "Content-Length: 5") + b"hello"),
    case("50,000 interim answers", head(status="102 Processing") * 50_000 + reply(b"hello")),
)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_each_answer_is_right_or_refused_and_the_next_is_its_own(
    clients: Clients, one: Case
) -> None:
    sent = threading.Event()

    def answer(connection: socket.socket, asked: Asked) -> bytes | None:
        if asked.path == "/next":
            return reply(NEXT)
        for piece in one.pieces:
            connection.sendall(piece)
        sent.set()
        return None if one.ends else b""

    with WireServer(answer) as server:
        client = clients(1)
        if one.body is None:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(server.origin)
        else:
            assert client.get(server.origin) == one.body
            assert sent.wait(PATIENCE)
        for _ in range(2):
            assert client.get(f"{server.origin}/next") == NEXT
        assert server.asked[1].connection == (1 if one.is_kept else 2)


@pytest.mark.parametrize("more", [EVIL, b"x", b"\r\n"], ids=["an answer", "a byte", "a line"])
@pytest.mark.parametrize("when", ["with it", "behind it"])
def test_a_host_that_ever_sent_more_gets_no_kept_connection_again(
    clients: Clients, more: bytes, when: str
) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes:
        if len(server.asked) > 1:
            return reply(b"hello")
        if when == "with it":
            return reply(b"hello") + more
        connection.sendall(reply(b"hello"))
        connection.sendall(more)
        sent.set()
        return b""

    sent = threading.Event()
    with WireServer(answer) as server, WireServer(always(reply(b"x"))) as other:
        client = clients(2)
        assert client.get(server.origin) == b"hello"
        assert when == "with it" or sent.wait(PATIENCE)
        began = server.opened
        assert [client.get(server.origin) for _ in range(3)] == [b"hello"] * 3
        assert server.opened == began + 3
        assert client.get(other.origin) == client.get(other.origin) == b"x"
        assert other.opened == 1  # others are not to blame


@pytest.mark.parametrize("first", [1, 2, 4])
def test_an_answer_right_behind_any_other_never_reaches_the_next_request(
    clients: Clients, first: int
) -> None:
    """From the ``first`` exchange on, a server that was good before sends two answers each time."""

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        connection.sendall(reply(asked.path.encode()))
        if int(asked.path[1:]) >= first:
            with contextlib.suppress(OSError):
                connection.sendall(reply(EVIL))
        return b""

    with WireServer(answer) as server:
        client = clients(1)
        for number in range(1, 9):
            path = f"/{number}"
            assert client.get(f"{server.origin}{path}") == path.encode()


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        *[(same, same) for same in (
            "/a%2fb", "/a%2Fb", "/a+b", "/it's", "/[x]", "/a/../b", "/./a", "//a", "/?", "/a?",
            "/a?b=c'd&e=%2f%2F", "/a?x={y}|z^\"<>`\\", "/%zz", "/a;b=c", "/a?b?c", "/*", "/~a!$()",
        )],
        ("", "/"), ("?a=b", "/?a=b"), ("/a#b", "/a"), ("/a?b#c?d", "/a?b"),
        ("/a b", "/a%20b"), ("/ü", "/%C3%BC"), ("/a?q=ü &r", "/a?q=%C3%BC%20&r"),
    ],
)  # fmt: skip
def test_a_path_is_sent_as_it_came(fast_clients: Clients, path: str, sent: str) -> None:
    with WireServer(always(reply(b"fine"))) as server:
        assert fast_clients(1).get(f"{server.origin}{path}") == b"fine"
        assert server.asked[0].path == sent


@pytest.mark.parametrize(
    "path",
    [
        "/a\r\nX-Evil: 1",
        "/a\nb",
        "/a\rb",
        "/\0",
        "/\t",
        "/\x1f",
        "/\x7f",
        "/\x85",
        "/?a\r\n\r\nGET /",
    ],
)
def test_what_could_break_a_line_is_refused_before_anything_is_sent(
    fast_clients: Clients, path: str
) -> None:
    with WireServer(always(reply(b"fine"))) as server:
        with pytest.raises(httpx.InvalidURL):
            fast_clients(1).get(f"{server.origin}{path}")
        assert server.opened == 0


@pytest.mark.parametrize(
    "authority", ["127.0.0.1\\@evil", "a b", "127.0.0.1%2f", "x@", "[::1", "a\r\nb"]
)
def test_a_host_that_is_none_is_refused(fast_clients: Clients, authority: str) -> None:
    with pytest.raises((httpx.InvalidURL, httpx.UnsupportedProtocol)):
        fast_clients(1).get(f"http://{authority}/")
