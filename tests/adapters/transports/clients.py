"""Clients as the project makes them, and what a test wants to know of an answer."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

import httpx

from archiver.fetch.http.client import HttpClient, Timeouts, new_client, views
from tests.adapters.transports.wire_server import PATIENCE


@dataclass(frozen=True, slots=True)
class Client:
    """An HTTP client, asked for whole bodies."""

    http: HttpClient

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        with closing(self.http.get(url, self.http.headers(headers or {}))) as response:
            return b"".join(map(bytes, views(response)))

    def ask(
        self, method: str, url: str, *, pool: float = PATIENCE, read: float | None = PATIENCE
    ) -> httpx.Response:
        """The head of an answer, within limits of its own: ``read`` is that of writing too."""
        timeout = {"connect": PATIENCE, "read": read, "write": read, "pool": pool}
        request = httpx.Request(method, url, extensions={"timeout": timeout})
        transport = self.http._client._transport_for_url(request.url)
        response = transport.handle_request(request)
        response.request = request
        return response

    def read(self, method: str, url: str) -> bytes:
        with closing(self.ask(method, url)) as response:
            return b"".join(response.iter_raw())


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients, and closes them when the test is over."""

    stack: ExitStack

    def __call__(
        self,
        connections: int = 4,
        *,
        connect: float = PATIENCE,
        stall: float = PATIENCE,
        verify: bool = True,
    ) -> Client:
        http = new_client(Timeouts(connect, stall), connections, verify=verify)
        return Client(self.stack.enter_context(http))
