"""A proxy: it answers what is asked of it by itself, and opens tunnels."""

import selectors
import socket
from collections.abc import Callable

from tests.adapters.transports.wire_server import PATIENCE, Asked, head, reply

THROUGH = b"through the proxy"


def proxying(connection: socket.socket, asked: Asked) -> bytes | None:
    """What a :class:`WireServer` answers where it is a proxy."""
    if not asked.head.startswith(b"CONNECT "):
        return reply(THROUGH)
    host, _, port = asked.path.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as there:
        connection.sendall(head(status="200 Connection established"))
        _pass_on(connection, there)
    return None


def refusing(status: str, *headers: str) -> Callable[[socket.socket, Asked], bytes]:
    return lambda connection, asked: reply(b"", *headers, status=status)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65_536)
                if not data:
                    return
                key.data.sendall(data)
