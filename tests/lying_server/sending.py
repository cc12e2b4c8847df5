"""Putting an answer on the wire, as true or as false as it is."""

import selectors
import socket
import struct
from collections.abc import Iterator
from email.utils import formatdate
from http.client import responses
from threading import Event

from tests.lying_server.answers import Answer, Ending


def send(answer: Answer, connection: socket.socket, stopping: Event) -> Ending:
    """Send an answer and say what is to become of the connection."""
    if answer.delay:
        stopping.wait(answer.delay)
    if not answer.silent:
        # The head travels with the first piece: small answers are one packet.
        pending = _head(answer)
        for piece in _pieces(answer, stopping):
            connection.sendall(pending + piece if pending else piece)
            pending = b""
        if pending:
            connection.sendall(pending)
    if answer.ending == "stalled":
        _wait_for_the_end(connection)
        return "closed"
    return "closed" if answer.framing == "close" and answer.ending == "kept" else answer.ending


def reset(connection: socket.socket) -> None:
    """Close with RST; nothing else may hold the socket open."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _head(answer: Answer) -> bytes:
    headers = {"Date": formatdate(usegmt=True), **answer.headers}
    if answer.framing == "length":
        length = answer.stop - answer.start if answer.declared is None else answer.declared
        headers["Content-Length"] = str(length)
    elif answer.framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _pieces(answer: Answer, stopping: Event) -> Iterator[bytes]:
    stop = answer.stop
    if answer.cut is not None:
        stop = min(stop, answer.start + answer.cut)
    chunked = answer.framing == "chunked"
    for piece in _paced(answer, stop, stopping):
        yield b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    if chunked and answer.cut is None:
        yield b"0\r\n\r\n"


def _paced(answer: Answer, stop: int, stopping: Event) -> Iterator[bytes]:
    pieces = answer.content.pieces(answer.start, stop)
    if answer.trickle is None:
        yield from pieces
        return
    length, seconds = answer.trickle
    for piece in pieces:
        for position in range(0, len(piece), length):
            if stopping.wait(seconds):
                return
            yield piece[position : position + length]


def _wait_for_the_end(connection: socket.socket) -> None:
    # A client that waits for its answer sends nothing, so whatever can be read is its end; the
    # server ends it in the same way by shutting the connection down.
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.select()
