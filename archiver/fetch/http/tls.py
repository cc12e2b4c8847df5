"""TLS: whom to believe, and who we are.

The system's own certificates are believed, or those that SSL_CERT_FILE and SSL_CERT_DIR name. A
connection that ends without TLS saying so shows as such: somebody may have cut it.
"""

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NoReturn, TypeVar

import truststore

from archiver.errors import UsageError

ResultT = TypeVar("ResultT")
_PIECE = 64 << 10


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What the user says of TLS. ``key`` is in the certificate's file where there is none."""

    verify: bool = True
    certificate: Path | None = None
    key: Path | None = None


def tls_context(options: TlsOptions) -> ssl.SSLContext:
    """Return the context for all connections. Raises UsageError where a file is of no use."""
    return _context(options, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _context(options: TlsOptions, file: str | None, folder: str | None) -> ssl.SSLContext:
    """To read all certificates takes longer than many a request: once for all clients."""
    if options.verify and not (file or folder):
        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            try:
                context.load_verify_locations(file or None, folder or None)
            except OSError as error:  # ssl.SSLError too
                raise UsageError(
                    f"the TLS certificates cannot be loaded: {error.strerror or error}",
                    hint="Check SSL_CERT_FILE and SSL_CERT_DIR in the environment",
                ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])  # some servers would else choose another
    # Since 3.10 Python takes a cut connection for one that ended.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if options.certificate is not None:
        _load_certificate(context, options.certificate, options.key or options.certificate)
    elif options.key is not None:
        raise UsageError(
            "--client-key is given without --client-cert", hint="Give the certificate too"
        )
    return context


class _Encrypted(Exception):
    """A key asks for a password."""


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for option, path in (("--client-cert", certificate), ("--client-key", key)):
        with _unreadable(option, path), path.open("rb") as file:
            file.read(1)

    def refuse() -> NoReturn:
        raise _Encrypted

    hint = "Both are files in PEM; one file may hold both"
    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except _Encrypted:
        raise UsageError(
            f"the key {key} (--client-key) is encrypted, and nobody is asked for passwords",
            hint="Decrypt it into a file that only you can read: openssl pkey -in KEY -out PLAIN",
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"the key {key} (--client-key) does not belong to the certificate {certificate} "
                "(--client-cert)",
                hint=hint,
            ) from None
        raise UsageError(
            f"the certificate {certificate} (--client-cert) with the key {key} (--client-key) "
            f"cannot be used: {(error.reason or 'no PEM').replace('_', ' ').lower()}",
            hint=hint,
        ) from None
    except OSError as error:  # a pipe, which can be read but once
        raise UsageError(
            f"the certificate {certificate} (--client-cert) with the key {key} (--client-key) "
            f"cannot be read: {error.strerror or error}",
            hint="Name files, not pipes",
        ) from None


@contextlib.contextmanager
def _unreadable(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the file {path} ({option}) cannot be read: {error.strerror}",
            hint="Name a file in PEM that you may read",
        ) from None


class TlsInTls:
    """TLS inside of TLS, as a socket: to a server through a proxy that is reached by https."""

    def __init__(self, outer: "ssl.SSLSocket | TlsInTls", context: ssl.SSLContext, host: str):
        self._outer = outer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._unsent = b""

    def do_handshake(self) -> None:
        self._run(self._tls.do_handshake)

    def recv(self, count: int) -> bytes:
        return self._run(lambda: self._tls.read(count))

    def recv_into(self, buffer: memoryview, *_: int) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: bytes | memoryview) -> int:
        return self._run(lambda: self._tls.write(data))

    def pending(self) -> int:
        return self._tls.pending() or self._in.pending or self._outer.pending()

    def settimeout(self, seconds: float | None) -> None:
        self._outer.settimeout(seconds)

    def fileno(self) -> int:
        return self._outer.fileno()

    def close(self) -> None:
        self._outer.close()

    def _run(self, work: Callable[[], ResultT]) -> ResultT:
        """Do it as soon as enough came. What waits too long raises as the outer socket does."""
        while True:
            self._flush()
            try:
                result = work()
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._outer.recv(_PIECE):
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                with contextlib.suppress(TimeoutError, ssl.SSLWantWriteError):
                    self._flush()  # else it goes with what comes next
                return result

    def _flush(self) -> None:
        self._unsent += self._out.read()
        while self._unsent:
            self._unsent = self._unsent[self._outer.send(self._unsent) :]
