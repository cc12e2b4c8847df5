"""One connection: over TLS or not, with a limit for every wait. Errors are httpx's.

Bytes go from the kernel into a buffer, no more. No call to the system takes longer than ``SLICE``,
so that whoever wants to stop is heard, whatever the server does; resolving a name is the exception.
"""

import contextlib
import os
import select
import selectors
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from archiver.fetch.http.tls import TlsInTls

SLICE = 0.1
"""Seconds after which a call to the system looks whether it is to go on."""
LEAST = 1_024
"""Bytes that must come in the time that an answer may stall."""
TRICKLES = "the answer only trickles"
ENDED_WHILE_IDLE = "Server disconnected without sending a response."
"""Said of a connection that the server closed while nobody used it, in httpcore's words."""
CUT = "peer closed connection without sending complete message body"
_KERNEL_KEEPS_TIME = sys.platform == "linux"
_BUFFER = 128 << 10
_NEXT_SECONDS = 0.01
"""How long it may take for more to come, where the kernel does not wait for it by itself."""


class Limits(NamedTuple):
    """Seconds to wait for: a connection, the next bytes, what is sent, a place. None: for ever."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How waiting ends early: ``check_stop`` may raise; ``stall`` seconds bring enough bytes.

    ``clock`` gives seconds and never goes back.
    """

    stall: float
    check_stop: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic


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
        """Return whether, with ``count`` bytes after ``waited`` seconds, too little came."""
        self._waited += waited
        self._came += count
        if count and self._waited >= self._stall:
            if self._came < LEAST:
                return True
            self.restart()
        return False


class AddressRefused(httpx.ConnectError):
    """What a URL leads to is not to be connected to."""

    def __init__(self, address: str) -> None:
        super().__init__(f"its URL leads to {address}, an address of this machine or of its link")


class Connection:
    """One socket, and two buffers that take turns."""

    def __init__(self, sock: socket.socket, waiting: Waiting) -> None:
        self.clock = waiting.clock
        self.buffers = memoryview(bytearray(_BUFFER)), memoryview(bytearray(_BUFFER))
        self.is_ragged = False
        """TLS ended without saying so: whoever cut it may have been somebody else."""
        self._socket: socket.socket | TlsInTls = sock
        self._tls: ssl.SSLSocket | TlsInTls | None = None
        self._waiting = waiting
        self._trickle = Trickle(waiting.stall)
        self._is_used_again = self._has_answered = self._is_given_up = False
        self.timeout: float | None = None
        """Seconds until the next bytes come."""
        self._all = 0
        if _KERNEL_KEEPS_TIME:
            # Python would poll before each call; the kernel keeps time too.
            sock.settimeout(None)
            value = struct.pack("@ll", 0, int(SLICE * 1e6))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, value)
            self._all = socket.MSG_WAITALL
        else:
            sock.settimeout(SLICE)

    def begin(self) -> None:
        """What was said so far made the way: the next request is the first."""
        self._is_used_again = self._has_answered = False

    def start_tls(self, context: ssl.SSLContext, host: str, timeout: float | None) -> None:
        """Speak TLS from here on. Raises httpx.ConnectError, httpx.ConnectTimeout."""
        self._all = 0
        try:
            self._socket.settimeout(0)
            if self._tls is not None:
                inner: ssl.SSLSocket | TlsInTls = TlsInTls(self._tls, context, host)
            elif isinstance(self._socket, socket.socket):
                inner = context.wrap_socket(
                    self._socket,
                    server_hostname=host,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
            self._socket = self._tls = inner
            began = self.clock()
            while True:
                try:
                    inner.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self._await(selectors.EVENT_READ, began, timeout)
                except ssl.SSLWantWriteError:
                    self._await(selectors.EVENT_WRITE, began, timeout)
            # Under TLS Python takes what the kernel says of time for a reason to try again.
            inner.settimeout(SLICE)
        except (OSError, ValueError) as error:  # ssl.SSLError too; a host that TLS has no name for
            raise httpx.ConnectError(str(error)) from error

    def _await(self, event: int, began: float, timeout: float | None) -> None:
        wait_for(self._socket, event, SLICE)
        self._waiting.check_stop()
        if timeout is not None and self.clock() - began >= timeout:
            raise httpx.ConnectTimeout("timed out")

    def close(self) -> None:
        self._socket.close()

    def is_readable(self, within: float = 0.0) -> bool:
        """Return whether something came, or the end, ``within`` so many seconds."""
        if self._tls is not None and self._tls.pending():
            return True  # decrypted already: the system knows nothing of it
        return wait_for(self._socket, selectors.EVENT_READ, within)

    def has_more(self) -> bool:
        """Return whether something came that nobody asked for: more than the connection's end."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(0)
            return bool(self._socket.recv(1))
        return False

    def send(self, message: bytes, timeout: float | None) -> None:
        """Send the whole of a request. Raises httpx's errors."""
        self._is_used_again |= self._has_answered
        self._has_answered = self._is_given_up = False
        self._trickle.restart()
        left, began = memoryview(message), self.clock()
        while left:
            try:
                left = left[self._socket.send(left) :]
            except (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._waiting.check_stop()
                if timeout is not None and self.clock() - began >= timeout:
                    raise httpx.WriteTimeout("timed out") from None
            except OSError as error:
                raise self._broken(error, httpx.WriteError) from error

    def fill(self, buffer: memoryview) -> int:
        """Receive as much of ``buffer`` as comes soon, and return how many bytes; 0 is the end.

        Few large pieces cost less than many small ones, but none is kept back for long.
        """
        if self._all:  # the kernel waits for all of it, for a slice of time
            return self.receive(buffer, self._all)
        until = self.clock() + SLICE
        filled = count = self.receive(buffer)
        while count and filled < len(buffer) and (began := self.clock()) < until:
            comes = self.is_readable(_NEXT_SECONDS)
            self._trickle.is_all(0, self.clock() - began)
            if not comes:
                break
            try:
                count = self.receive(buffer[filled:])
            except httpx.TransportError:  # what came before it is not lost; it will come again
                break
            filled += count
        return filled

    def receive(self, into: memoryview, flags: int = 0) -> int:
        """Receive some bytes, and return how many; 0 is the end. Raises httpx's errors."""
        if self._is_given_up:  # not before what came was had
            raise httpx.ReadTimeout(TRICKLES)
        began = self.clock()
        while True:
            try:
                count = self._socket.recv_into(into, 0, flags)
                break
            except (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._waiting.check_stop()
                if self.timeout is not None and self.clock() - began >= self.timeout:
                    raise httpx.ReadTimeout("timed out") from None
            except ssl.SSLEOFError:
                self.is_ragged, count = True, 0
                break
            except OSError as error:
                raise self._broken(error, httpx.ReadError) from error
        # What the server thinks before it answers has a limit of its own.
        waited = self.clock() - began if self._has_answered else 0.0
        if not count and not self._has_answered:
            raise httpx.RemoteProtocolError(ENDED_WHILE_IDLE)
        self._has_answered = True
        self._is_given_up = self._trickle.is_all(count, waited)
        return count

    def receive_exactly(self, count: int, timeout: float | None) -> bytes:
        """Receive so many bytes. Raises httpx's errors, RemoteProtocolError where fewer come."""
        self.timeout = timeout
        came = 0
        while came < count:
            more = self.receive(self.buffers[0][came:count])
            if not more:
                raise httpx.RemoteProtocolError(f"{CUT} (received {came} of {count} bytes)")
            came += more
        return bytes(self.buffers[0][:count])

    def _broken(self, error: OSError, kind: type[httpx.NetworkError]) -> httpx.TransportError:
        if self._is_used_again and not self._has_answered:
            return httpx.RemoteProtocolError(ENDED_WHILE_IDLE)
        return kind(str(error))


def connected(
    host: str,
    port: int,
    timeout: float | None,
    waiting: Waiting,
    refuses: Callable[[str], bool] = lambda _: False,
) -> socket.socket:
    """Connect to the first address of ``host`` that takes a connection, of those not refused.

    ``timeout``: seconds for each. Raises httpx.ConnectError, httpx.ConnectTimeout.
    """
    failure: Exception = OSError("the name has no address")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    allowed = [found for found in addresses if not refuses(str(found[4][0]))]
    if addresses and not allowed:
        raise AddressRefused(str(addresses[0][4][0]))
    for family, kind, protocol, _, address in allowed:
        try:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _connect(sock, address, timeout, waiting)
            except BaseException:
                sock.close()
                raise
            return sock
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise httpx.ConnectTimeout(str(failure)) from failure
    raise httpx.ConnectError(str(failure)) from failure


def _connect(sock: socket.socket, address: Any, timeout: float | None, waiting: Waiting) -> None:
    sock.setblocking(False)
    began = waiting.clock()
    with contextlib.suppress(BlockingIOError):
        sock.connect(address)
        return
    while not wait_for(sock, selectors.EVENT_WRITE, SLICE):
        waiting.check_stop()
        if timeout is not None and waiting.clock() - began >= timeout:
            raise TimeoutError("timed out")
    if (code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) != 0:
        raise OSError(code, os.strerror(code))


def wait_for(sock: socket.socket | TlsInTls, event: int, seconds: float) -> bool:
    """Wait until a socket can be read from or written to; False where it cannot in time."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN if event == selectors.EVENT_READ else select.POLLOUT)
        return bool(poll.poll(seconds * 1_000))
    with selectors.DefaultSelector() as selector:
        selector.register(sock, event)
        return bool(selector.select(seconds))
