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
TRICKLES = "the answer only trickles"
ENDED_WHILE_IDLE = "Server disconnected without sending a response."
"""httpcore's words for a connection that the server closed while nobody used it."""


class Trickle:
    """Tells an answer that brings fewer than ``LEAST`` bytes in ``stall`` seconds of waiting.

    Only the time spent waiting counts, not what is done with the bytes.
    """

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self.restart()

    def restart(self) -> None:
        self._waited, self._came = 0.0, 0

    def is_all(self, count: int, waited: float) -> bool:
        """Whether, with ``count`` bytes after ``waited`` seconds, too little came."""
        self._waited += waited
        self._came += count
        if count and self._waited >= self._stall:
            if self._came < LEAST:
                return True
            self.restart()
        return False


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
        self._trickle = Trickle(stall)
        self._has_answered = self._is_used_again = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = self._clock()
        try:
            data = self._stream.read(max_bytes, timeout)
        except httpcore.ReadError:
            if self._is_used_again and not self._has_answered:
                raise httpcore.RemoteProtocolError(ENDED_WHILE_IDLE) from None
            raise
        # What the server thinks before it answers has a limit of its own.
        waited = self._clock() - began if self._has_answered else 0.0
        self._has_answered = True
        if self._trickle.is_all(len(data), waited):
            raise httpcore.ReadTimeout(TRICKLES)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_used_again |= self._has_answered
        self._has_answered = False
        self._trickle.restart()
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
