"""One exchange over one socket, whose reads are cut wherever they can be."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.fetch.http.connection import Connection, Waiting
from archiver.fetch.http.wire import Exchange, receive_head
from tests.fetch.http.wire_server import head, reply

SECONDS = 1.0
"""For what has come already."""


class CutSocket(socket.socket):
    """Gives no more than ``sizes`` in turn to those who read, then all that there is."""

    sizes: Iterator[int]

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return super().recv_into(buffer[: next(self.sizes, len(buffer))], nbytes, flags)


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer on the wire, and what it is to be read as."""

    wire: bytes
    headers: list[tuple[str, str]]
    body: bytes
    ends: bool
    """Only the connection's end ends it."""


@st.composite
def answers(draw: st.DrawFn) -> Sent:
    body = draw(st.binary(max_size=300)) * draw(st.sampled_from([1, 1, 100]))
    headers = [
        (f"x-{draw(st.sampled_from('abc'))}", "v" * draw(st.integers(0, 30)))
        for _ in range(draw(st.integers(0, 3)))
    ]
    wire = body
    match draw(st.sampled_from(["length", "chunked", "end"])):
        case "length":
            headers.append(("content-length", str(len(body))))
        case "chunked":
            headers.insert(0, ("transfer-encoding", "chunked"))
            size = draw(st.integers(1, 12_000))
            extension = draw(st.sampled_from([b"", b";x", b';x="y z"']))
            chunks = [body[at : at + size] for at in range(0, len(body), size)]
            wire = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
            wire += b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"])) + b"\r\n"
        case "end":
            headers.append(("connection", "close"))
    interim = head("X-Interim: 1", status="103 Early Hints") * draw(st.integers(0, 2))
    wire = interim + head(*(f"{name}: {value}" for name, value in headers)) + wire
    return Sent(wire, headers, body, headers[-1] == ("connection", "close"))


@dataclass(slots=True)
class Having:
    connection: Connection
    peer: socket.socket
    released: list[bool]
    brought_more: bool = False

    def receive(self) -> tuple[httpx.Headers, bytes]:
        got, rest = receive_head(self.connection, SECONDS)

        def release(answer: Exchange) -> None:
            self.released.append(answer.is_reusable)
            self.brought_more |= answer.brought_more

        answer = Exchange(self.connection, got, rest, release)
        try:
            return httpx.Headers(got.headers), b"".join(map(bytes, answer.views()))
        finally:
            answer.close()
            answer.close()


@contextmanager
def exchange(wire: bytes, sizes: list[int]) -> Iterator[Having]:
    """The client's side of a connection on which an answer came already."""
    peer, ours = socket.socketpair()
    with peer, CutSocket(fileno=ours.detach()) as cut:
        cut.sizes = iter(sizes)
        connection = Connection(cut, Waiting(9.0))
        connection.send(b"GET / HTTP/1.1\r\nHost: host\r\n\r\n", SECONDS)
        peer.sendall(wire)
        yield Having(connection, peer, [])


SIZES = st.lists(st.integers(1, 40) | st.integers(1, 20_000), max_size=60)
MORE = st.sampled_from([b"", b"x", b"H", b"\r\nHTTP", reply(b"evil", "X-Evil: 1")])


@settings(max_examples=150, deadline=None)
@given(sent=answers(), sizes=SIZES, more=MORE)
def test_an_answer_is_read_as_it_was_sent(sent: Sent, sizes: list[int], more: bytes) -> None:
    more = b"" if sent.ends else more
    with exchange(sent.wire + more, sizes) as having:
        if sent.ends:
            having.peer.shutdown(socket.SHUT_WR)
        headers, body = having.receive()
        assert body == sent.body
        assert headers.multi_items() == sent.headers
        (is_usable,) = having.released
        if more:  # what came behind it must not get lost
            assert having.brought_more is not is_usable
            assert not is_usable or having.connection.has_more()
        else:
            assert is_usable is not sent.ends


@settings(max_examples=150, deadline=None)
@given(sent=answers(), sizes=SIZES, data=st.data())
def test_a_cut_answer_is_an_error_wherever_it_is_cut(
    sent: Sent, sizes: list[int], data: st.DataObject
) -> None:
    came = data.draw(st.integers(0, len(sent.wire) - 1))
    with exchange(sent.wire[:came], sizes) as having:
        having.peer.shutdown(socket.SHUT_WR)
        if sent.ends and came >= len(sent.wire) - len(sent.body):
            _, body = having.receive()
            assert body == sent.body[: came - len(sent.wire) + len(sent.body)]
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                having.receive()
        assert having.released in ([], [False])


@settings(max_examples=100, deadline=None)
@given(wire=st.binary(max_size=200) | answers().map(lambda sent: sent.wire), data=st.data())
def test_whatever_comes_is_an_answer_or_an_error_of_httpx(wire: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(wire)))
    broken = wire[:at] + data.draw(st.binary(min_size=1, max_size=3)) + wire[at + 1 :]
    with exchange(broken, data.draw(SIZES)) as having:
        having.peer.shutdown(socket.SHUT_WR)
        try:
            having.receive()
        except httpx.TransportError:
            assert having.released in ([], [False])
