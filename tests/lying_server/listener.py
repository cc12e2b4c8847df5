"""One origin: a listening socket, a thread per connection, requests in and answers out."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.lying_server.answers import Answer, Asked
from tests.lying_server.sending import reset, send

Respond = Callable[[Asked, int], Answer]
"""From a request and its client's port to the answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Answer any method the same way, where the base class looks for one function each."""
        listener = self.server
        assert isinstance(listener, Listener)
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        # A body that nobody reads would be taken for the next request.
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers)
        answer = listener.respond(asked, self.client_address[1])
        ending = send(answer, self.connection, listener.stopping)
        if ending == "reset":
            # The reader holds the socket open, and a shutdown first would make it a FIN.
            self.rfile.close()
            reset(self.connection)
        if ending != "kept":
            self.close_connection = True

    def log_message(self, *args: Any, **named: Any) -> None:
        """Say nothing: tests look at the recorded requests."""


class Listener(ThreadingHTTPServer):
    """Serves from its own thread until it is closed, which no request can hold up."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, host: str, respond: Respond) -> None:
        self.respond = respond
        self.stopping = threading.Event()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._ended = threading.Condition()
        self._connections: set[socket.socket] = set()
        super().__init__((host, 0), _Handler)
        self._host, self._port = host, int(self.socket.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self._port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut every connection off, whatever it is doing."""
        self.stopping.set()
        if self._thread.is_alive():
            # Waking the thread by a connection is instant, where serve_forever would poll.
            with contextlib.suppress(OSError):
                socket.create_connection((self._host, self._port), timeout=1).close()
            self._thread.join(timeout=1)
        self.server_close()
        with self._ended:
            for connection in self._connections:
                # An error here means that the connection's own thread was faster.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._ended.wait_for(lambda: not self._connections, timeout=5)

    def _serve(self) -> None:
        while not self.stopping.is_set():
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.stopping.is_set()

    def server_bind(self) -> None:
        # The base class looks its own name up in the DNS, which can take seconds.
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._ended:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._ended:
            self._connections.discard(request)
            self._ended.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away at any time; anything else is a fault of a test or of this server."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
