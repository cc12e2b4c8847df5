"""Which proxy leads to a server, by the environment, and the way through it.

The rules are curl's (https://curl.se/docs/manpage.html#ENVIRONMENT): names in either case, lower
case first. HTTP_PROXY counts where curl passes it over, but for a CGI program, for which a server
puts a request's header ``Proxy`` there. NO_PROXY has names with all below them, addresses and
ranges of them, each with a port or without. What cannot be read is passed over, and said.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote

import httpx

from archiver.fetch.http.connection import Connection, Limits
from archiver.fetch.http.target import Origin, basic, host_and_port
from archiver.fetch.http.wire import receive_head

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_BRACKETED = re.compile(r"\[([^]]*)\](/[0-9]+)?(:[0-9]{1,5})?")
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_SOCKS_REFUSALS = {
    1: "it failed",
    2: "its rules do not allow it",
    3: "it cannot reach the network",
    4: "it cannot reach the host",
    5: "the server took no connection",
    6: "the way is too long",
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and what it is told of who asks: ``userinfo`` is ``user:password``, escaped."""

    origin: Origin
    userinfo: str = field(default="", repr=False)

    @property
    def is_socks(self) -> bool:
        return self.origin.scheme.startswith("socks")

    @property
    def fields(self) -> bytes:
        """The header lines that are for the proxy."""
        if not self.userinfo:
            return b""
        return b"Proxy-Authorization: %b\r\n" % basic(self.userinfo)


@dataclass(frozen=True, slots=True)
class _Exception:
    """Servers that no proxy leads to: those of a name and below it, or of a range."""

    name: str = ""
    network: _Network | None = None
    port: int | None = None

    def covers(self, origin: Origin) -> bool:
        if self.port not in (None, origin.port):
            return False
        host = origin.host.removesuffix(".")
        if self.network is None:
            return self.name == "*" or host == self.name or host.endswith(f".{self.name}")
        address = _address(host)
        return address is not None and address in self.network


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host is, however it is spelled; None for a name.

    Nobody asks where a name leads. The system takes 127.1 and 0x7f000001 for addresses, too.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for http and for https, and the servers that are asked without one.

    ``warnings`` say what of the environment could not be read.
    """

    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: tuple[_Exception, ...] = ()
    warnings: tuple[str, ...] = ()

    def to(self, origin: Origin) -> Proxy | None:
        """Return the proxy that leads to a server, None where it is asked directly."""
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or any(one.covers(origin) for one in self.exceptions):
            return None
        return proxy


def read_proxies(environment: Mapping[str, str]) -> Proxies:
    """Read the proxies that an environment names. Nothing in it keeps anybody from starting."""
    warnings: list[str] = []

    def proxy(*names: str) -> Proxy | None:
        for name in filter(environment.get, names):
            try:
                return _proxy(environment[name])
            except (httpx.InvalidURL, ValueError):
                warnings.append(
                    f"{name} in the environment is passed over: it names no proxy of http, https "
                    "or socks5; write it as http://host:port"
                )
        return None

    everything = proxy("all_proxy", "ALL_PROXY")
    is_cgi = "REQUEST_METHOD" in environment
    http = proxy("http_proxy", *(() if is_cgi else ("HTTP_PROXY",))) or everything
    https = proxy("https_proxy", "HTTPS_PROXY") or everything
    exceptions = []
    name = "no_proxy" if environment.get("no_proxy") else "NO_PROXY"
    for entry in filter(None, re.split(r"[\s,]+", environment.get(name, ""))):
        try:
            exceptions.append(_exception(entry))
        except (httpx.InvalidURL, ValueError):
            warnings.append(
                f"the entry {entry!r} of {name} in the environment is passed over: it is neither "
                "a name nor an address nor a range of addresses"
            )
    return Proxies(http, https, tuple(exceptions), tuple(warnings))


def _proxy(text: str) -> Proxy:
    scheme, found, rest = text.strip().rpartition("://")
    scheme = scheme.lower() if found else "http"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, _, place = authority.rpartition("@")
    if scheme not in _DEFAULT_PORTS:
        raise ValueError
    proxy = Proxy(Origin(scheme, *host_and_port(place, _DEFAULT_PORTS[scheme])), userinfo)
    user, _, password = map(unquote, userinfo.partition(":"))
    if not (proxy.fields + userinfo.encode("ascii")).isascii():
        raise ValueError
    if proxy.is_socks and max(len(user.encode()), len(password.encode())) > 255:
        raise ValueError  # RFC 1929 has no room for it
    return proxy


def _exception(entry: str) -> _Exception:
    if entry == "*":
        return _Exception("*")
    if bracketed := _BRACKETED.fullmatch(entry):
        address, bits, port = bracketed.groups("")
        network = ipaddress.IPv6Network(address + bits, strict=False)
        return _Exception(network=network, port=int(port[1:]) if port else None)
    text = entry
    if text.count(":") > 1:
        return _Exception(network=ipaddress.IPv6Network(text, strict=False))
    text, colon, port = text.partition(":")
    if colon and not port.isdecimal():
        raise ValueError
    number = int(port) if colon else None
    if text == "*":
        return _Exception("*", port=number)
    if "/" in text or re.fullmatch(r"[\d.]+", text):
        return _Exception(network=ipaddress.IPv4Network(text, strict=False), port=number)
    name = text.removeprefix("*").removeprefix(".").removesuffix(".").lower()
    if not _NAME.fullmatch(name):
        raise ValueError
    if not name.isascii():
        name = httpx.URL(f"http://{name}/").raw_host.decode("ascii")
    return _Exception(name, port=number)


def pass_through(connection: Connection, proxy: Proxy, origin: Origin, limits: Limits) -> None:
    """Let a proxy connect to a server: what is sent from here on is for that.

    Raises httpx.ProxyError where it refuses, or what a connection raises.
    """
    if proxy.is_socks:
        _ask_socks(connection, proxy, origin, limits)
        return
    authority = origin.authority.encode("ascii")
    connection.send(
        b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, proxy.fields),
        limits.write,
    )
    head, rest = receive_head(connection, limits.read)
    if not 200 <= head.status < 300:
        raise httpx.ProxyError(f"it answers HTTP {head.status}")
    if head.pieces or rest:
        raise httpx.ProxyError("it sends more than it was asked for")


def _ask_socks(connection: Connection, proxy: Proxy, origin: Origin, limits: Limits) -> None:
    """Speak SOCKS 5 (RFC 1928, RFC 1929). Names are the proxy's to resolve."""

    def exchange(request: bytes, length: int) -> bytes:
        connection.send(request, limits.write)
        return connection.receive_exactly(length, limits.read)

    methods = b"\0\2" if proxy.userinfo else b"\0"
    version, method = exchange(b"\5%c%b" % (len(methods), methods), 2)
    if version != 5:
        raise httpx.ProxyError("what it answers is not SOCKS 5")
    if method == 2 and proxy.userinfo:
        user, _, password = (unquote(part).encode() for part in proxy.userinfo.partition(":"))
        login = b"\1%c%b%c%b" % (len(user), user, len(password), password)
        if exchange(login, 2)[1] != 0:
            raise httpx.ProxyError("it does not take the user and the password")
    elif method != 0:
        raise httpx.ProxyError("it wants to know who asks in a way that is not known here")
    try:
        ip = ipaddress.ip_address(origin.host)
        address = (b"\1" if ip.version == 4 else b"\4") + ip.packed
    except ValueError:
        address = b"\3%c%b" % (len(origin.host), origin.host.encode("ascii"))
    version, code, _, kind, first = exchange(b"\5\1\0%b%b" % (address, origin.port.to_bytes(2)), 5)
    if version != 5:
        raise httpx.ProxyError("what it answers is not SOCKS 5")
    if code != 0:
        raise httpx.ProxyError(_SOCKS_REFUSALS.get(code, f"it answers SOCKS code {code}"))
    length = {1: 4, 3: first + 1, 4: 16}.get(kind)
    if length is None:
        raise httpx.ProxyError("what it answers is not SOCKS 5")
    connection.receive_exactly(length - 1 + 2, limits.read)
    if connection.is_readable():
        raise httpx.ProxyError("it sends more than it was asked for")
