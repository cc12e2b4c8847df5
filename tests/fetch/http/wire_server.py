"""A server that puts bytes on the wire as it is told, over TLS too, and counts its connections."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

PATIENCE = 5.0
"""Seconds after which a test that waits for something has failed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its head, and the numbers (from 1) of its connection and of itself on that."""

    head: bytes
    connection: int
    number: int

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None


Answering = Callable[[socket.socket, Asked], bytes | None]
"""What is sent, besides what was sent already; None ends the connection."""


class WireServer:
    """Serves each connection from a thread of its own."""

    def __init__(
        self, answer: Answering, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[Asked] = []
        self.opened = self.most_open = 0
        self._answer = answer
        self._tls = tls
        self.cuts_tls = False
        """Connections end without TLS saying so."""
        self._changed = threading.Condition()
        self._connections: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"{'https' if tls else 'http'}://{shown}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, PATIENCE)
        self._listener.close()

    def wait_until_open(self, count: int) -> None:
        """Wait until so many connections are left, and no more."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._connections) == count, PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.opened += 1
                self._connections.append(connection)
                # What a client closed before it opened this one has ended already, seen or not.
                still_open = sum(map(_is_open, self._connections))
                self.most_open = max(self.most_open, still_open)
                self._changed.notify_all()
            serving = (connection, self.opened)
            threading.Thread(target=self._serve, args=serving, daemon=True).start()

    def _serve(self, connection: socket.socket, connection_number: int) -> None:
        number = 0
        wrapped = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                # A copy: the listed one is shut down from outside.
                wrapped = self._tls.wrap_socket(connection.dup(), server_side=True)
            with wrapped.makefile("rb") as stream:
                while asked_for := _read_head(stream):
                    number += 1
                    asked = Asked(asked_for, connection_number, number)
                    with self._changed:
                        self.asked.append(asked)
                    answer = self._answer(wrapped, asked)
                    if answer is None:
                        break
                    wrapped.sendall(answer)
        except (OSError, ValueError):  # the client left, or the answer closed the connection
            pass
        finally:
            if isinstance(wrapped, ssl.SSLSocket) and not self.cuts_tls:
                with contextlib.suppress(OSError, ValueError):
                    wrapped.settimeout(PATIENCE)
                    wrapped.unwrap()
            wrapped.close()
            with self._changed:
                self._connections.remove(connection)
                connection.close()
                self._changed.notify_all()


def _read_head(stream: BinaryIO) -> bytes:
    """The lines of a request, nothing when the client left."""
    lines = []
    while (line := stream.readline()) != b"\r\n":
        if not line:
            return b""
        lines.append(line)
    return b"".join(lines)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def until_left(connection: socket.socket) -> None:
    """Wait until the client goes away: it sends nothing while it waits for its answer."""
    connection.recv(1)


def reply(body: bytes = b"", *headers: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    """An answer framed by its length."""
    return head(*headers, f"Content-Length: {len(body)}", status=status, version=version) + body


def head(*headers: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    return "\r\n".join((f"HTTP/{version} {status}", *headers, "", "")).encode("latin-1")


def always(answer: bytes) -> Answering:
    return lambda connection, asked: answer


def once(answer: bytes) -> Answering:
    """An answer behind which the connection ends."""

    def send(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(answer)

    return send
