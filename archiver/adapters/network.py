"""Connections that are watched: an answer that only trickles is no answer.

httpx limits the wait for each piece, so that a byte now and then keeps a request going for ever, in
its headers too. httpcore documents network backends as its seam for this; httpx builds its pools
without passing one on, so it is put into them here (httpx is pinned to the version it was seen in).
"""

import time
from collections.abc import Callable, Iterable
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

LEAST = 1_024
"""Bytes that must come in the time that an answer may stall."""


class WatchedBackend(httpcore.SyncBackend):
    """Opens connections that give up when an answer stalls for ``stall`` seconds."""

    def __init__(self, stall: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall = stall
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return WatchedStream(stream, self._stall, self._clock)


class WatchedStream(httpcore.NetworkStream):
    """One connection. ``clock`` gives seconds and never goes back."""

    def __init__(
        self, stream: httpcore.NetworkStream, stall: float, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._stall = stall
        self._clock = clock
        self._waited = 0.0
        self._came = 0
        self._has_answered = self._is_used_again = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = self._clock()
        try:
            data = self._stream.read(max_bytes, timeout)
        except httpcore.ReadError:
            if self._is_used_again and not self._has_answered:
                # Closed while it was idle: as when it ends orderly, in httpcore's own words.
                raise httpcore.RemoteProtocolError(
                    "Server disconnected without sending a response."
                ) from None
            raise
        # Only the time that is spent waiting counts, neither what the server thinks before it
        # answers (that has a limit of its own) nor what is done with the bytes.
        if self._has_answered:
            self._waited += self._clock() - began
        self._has_answered = True
        self._came += len(data)
        if data and self._waited >= self._stall:
            if self._came < LEAST:
                raise httpcore.ReadTimeout("the answer only trickles")
            self._waited, self._came = 0.0, 0
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_used_again |= self._has_answered
        self._has_answered = False
        self._waited, self._came = 0.0, 0
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return WatchedStream(stream, self._stall, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def watch(client: httpx.Client, stall: float) -> None:
    """Watch every connection that ``client`` will open, through proxies too."""
    for transport in [client._transport, *client._mounts.values()]:
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = WatchedBackend(stall)
