"""A proxy that speaks SOCKS 5 (RFC 1928, RFC 1929)."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.fetch.http.proxy import pass_on
from tests.fetch.http.wire_server import PATIENCE


class SocksServer:
    """Wants ``user`` and ``password`` where there are any; ``says`` that alone where it is given.

    ``asked`` are the kinds of addresses, the addresses and the ports that it was asked for.
    """

    def __init__(self, user: str = "", password: str = "", says: bytes | None = None) -> None:
        self.asked: list[tuple[int, str, int]] = []
        self._login = user.encode(), password.encode()
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]

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
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            connection.settimeout(PATIENCE)
            methods = _some(connection, _some(connection, 2)[1])
            if self._says is not None:
                connection.sendall(self._says)
                return
            if self._login == (b"", b""):
                connection.sendall(b"\5\0")
            elif 2 not in methods:
                connection.sendall(b"\5\xff")
                return
            else:
                connection.sendall(b"\5\2")
                user = _some(connection, _some(connection, 2)[1])
                password = _some(connection, _some(connection, 1)[0])
                is_right = (user, password) == self._login
                connection.sendall(b"\1" + (b"\0" if is_right else b"\1"))
                if not is_right:
                    return
            self._pass_on(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        kind = _some(connection, 4)[3]
        if kind == 3:
            host = _some(connection, _some(connection, 1)[0]).decode()
        else:
            family, length = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _some(connection, length))
        port = int.from_bytes(_some(connection, 2))
        self.asked.append((kind, host, port))
        try:
            there = socket.create_connection((host, port), PATIENCE)
        except OSError:
            connection.sendall(b"\5\5\0\1" + bytes(6))
            return
        with there:
            connection.sendall(b"\5\0\0\3\x05proxy\0\0")
            connection.settimeout(None)
            pass_on(connection, there)


def _some(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
