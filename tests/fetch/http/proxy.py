"""A proxy: it answers what is asked of it by itself, and opens tunnels."""

import selectors
import socket
import ssl
from collections.abc import Callable

from tests.fetch.http.wire_server import PATIENCE, Asked, head, reply

THROUGH = b"through the proxy"


def proxying(connection: socket.socket, asked: Asked) -> bytes | None:
    """What a :class:`WireServer` answers where it is a proxy."""
    if not asked.head.startswith(b"CONNECT "):
        return reply(THROUGH)
    host, _, port = asked.path.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as there:
        connection.sendall(head(status="200 Connection established"))
        pass_on(connection, there)
    return None


def refusing(status: str, *headers: str) -> Callable[[socket.socket, Asked], bytes]:
    return lambda connection, asked: reply(b"", *headers, status=status)


def pass_on(one: socket.socket, other: socket.socket) -> None:
    """Until one of them ends. What TLS has decrypted already the system knows nothing of."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                while data := source.recv(65_536):
                    key.data.sendall(data)
                    if not isinstance(source, ssl.SSLSocket) or not source.pending():
                        break
                if not data:
                    return
