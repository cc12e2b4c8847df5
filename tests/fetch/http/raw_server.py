"""A socket that answers with the bytes it is given: for what no HTTP library would send."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answering = Callable[[socket.socket, int], None]
"""Given the connection and the number of the request on it, from 1."""


@contextmanager
def raw_server(answer: Answering) -> Iterator[str]:
    """The origin of a server whose connections ``answer`` serves, one thread each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, answer: Answering) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Answering) -> None:
    with connection:
        number = 0
        pending = b""
        try:
            while True:
                while b"\r\n\r\n" not in pending:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    pending += piece
                _, _, pending = pending.partition(b"\r\n\r\n")
                number += 1
                answer(connection, number)
        except OSError:
            return
