"""Clients as the project makes them, and what a test wants to know of an answer."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from archiver.fetch.http.client import HttpClient, Timeouts, new_client
from archiver.fetch.http.proxies import Proxies
from archiver.fetch.http.tls import TlsOptions
from tests.fetch.http.wire_server import PATIENCE


@dataclass(frozen=True, slots=True)
class Client:
    """An HTTP client, asked for whole bodies: directly or by way of httpx."""

    http: HttpClient
    by_httpx: bool

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        if self.by_httpx:
            with closing(self.http.request(url, headers or {})) as response:
                return b"".join(response.iter_raw())
        with closing(self.http.get(url, self.http.headers(headers or {}))) as answer:
            return b"".join(map(bytes, answer.views()))

    def ask(
        self, method: str, url: str, *, pool: float = PATIENCE, read: float | None = PATIENCE
    ) -> httpx.Response:
        """The head of an answer, within limits of its own: ``read`` is that of writing too."""
        timeout = {"connect": PATIENCE, "read": read, "write": read, "pool": pool}
        request = httpx.Request(method, url, extensions={"timeout": timeout})
        response = self.http.transport.handle_request(request)
        response.request = request
        return response

    def read(self, method: str, url: str) -> bytes:
        with closing(self.ask(method, url)) as response:
            return b"".join(response.iter_raw())


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients, and closes them when the test is over."""

    stack: ExitStack
    by_httpx: bool = False

    def __call__(
        self,
        connections: int = 4,
        *,
        connect: float = PATIENCE,
        stall: float = PATIENCE,
        verify: bool = True,
        certificate: Path | None = None,
        key: Path | None = None,
        proxies: Proxies | None = None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> Client:
        http = new_client(
            Timeouts(connect, stall),
            connections,
            tls=TlsOptions(verify, certificate, key),
            proxies=proxies,
            check_stop=check_stop,
        )
        return Client(self.stack.enter_context(http), self.by_httpx)
