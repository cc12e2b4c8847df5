"""What a URL asks for: the server, and the words on the wire that ask it.

A path goes out byte for byte as it came: signatures cover it. What HTTP has no bytes for is
encoded as browsers do it (spaces and what is not ASCII, in paths by UTF-8, in hosts by IDNA); what
could break a line is refused.
"""

import base64
import ipaddress
import re
import socket
from functools import cached_property, lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

import httpx

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#\\]*)([^#]*)", re.IGNORECASE | re.DOTALL)
_LONGEST = 65_536
"""Characters of a URL."""
_PRINTABLE = re.compile(r"[\x21-\x7e]*")
_OTHERS = re.compile(r"[^\x21-\x7e]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"(?=.{1,254}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_PORT = re.compile(r"(?::([0-9]{0,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """A server: ``host`` in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port, as CONNECT has them (RFC 9110, 9.3.6)."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def name(self) -> str:
        """The same without a port that goes without saying (RFC 9110, 7.2)."""
        is_default = self.port == _DEFAULT_PORTS.get(self.scheme)
        return _bracketed(self.host) if is_default else self.authority


class Target(NamedTuple):
    """What is asked of ``origin``. ``fields`` are the header lines that its URL makes."""

    origin: Origin
    path: bytes
    fields: bytes


def target_of(url: str) -> Target:
    """Read a URL. Raises httpx.UnsupportedProtocol, or httpx.InvalidURL where it is none."""
    match = _URL.match(url) if len(url) <= _LONGEST else None
    if match is None:
        if re.match(r"https?:", url, re.IGNORECASE):
            raise httpx.InvalidURL("no URL")
        raise httpx.UnsupportedProtocol("neither http nor https")
    scheme, authority, path = match.groups()
    origin, fields = _server(scheme.lower(), authority)
    if not path.startswith("/"):
        if path.startswith("\\"):  # to browsers it is a slash, to others part of the host
            raise httpx.InvalidURL("a backslash")
        path = f"/{path}"
    if not _PRINTABLE.fullmatch(path):
        path = _encoded(path)
    return Target(origin, path.encode("ascii"), fields)


def _encoded(path: str) -> str:
    if _CONTROLS.search(path):
        raise httpx.InvalidURL("a control character")
    try:
        return _OTHERS.sub(lambda match: quote(match[0], safe=""), path)
    except UnicodeEncodeError:
        raise httpx.InvalidURL("half a character") from None


@lru_cache(maxsize=256)
def _server(scheme: str, authority: str) -> tuple[Origin, bytes]:
    if scheme not in _DEFAULT_PORTS:
        raise httpx.UnsupportedProtocol("neither http nor https")
    userinfo, at, place = authority.rpartition("@")
    if _CONTROLS.search(authority):
        raise httpx.InvalidURL("a control character")
    host, port = host_and_port(place, _DEFAULT_PORTS[scheme])
    origin = Origin(scheme, host, port)
    fields = b"Host: %b\r\n" % origin.name.encode("ascii")
    if at and userinfo:
        fields += b"Authorization: %b\r\n" % basic(userinfo)
    return origin, fields


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """Read ``host:port``; the host may be an IPv6 address in brackets. Raises httpx.InvalidURL."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        try:
            host = str(ipaddress.IPv6Address(host if bracket else ""))
        except ValueError:
            raise httpx.InvalidURL("no address") from None
    else:
        host, colon, rest = text.partition(":")
        rest = colon + rest
        if not host.isascii():
            try:
                host = httpx.URL(f"http://{host}/").raw_host.decode("ascii")
            except ValueError:  # half a character
                raise httpx.InvalidURL("no name") from None
        host = host.lower()
        if not _NAME.fullmatch(host):
            raise httpx.InvalidURL("no name")
    match = _PORT.fullmatch(rest)
    port = int(match[1] or default) if match else 0
    if not 0 < port < 1 << 16:
        raise httpx.InvalidURL("no such port")  # systems take it for another one, or for none
    return host, port


def basic(userinfo: str) -> bytes:
    """The value of a header with ``user:password``, in which each may be escaped (RFC 7617)."""
    user, _, password = userinfo.partition(":")
    try:
        both = b"%b:%b" % (unquote_to_bytes(user), unquote_to_bytes(password))
    except UnicodeEncodeError:
        raise httpx.InvalidURL("half a character") from None
    return b"Basic " + base64.b64encode(both)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class OwnAddresses:
    """Which addresses of this machine, or of its own link, downloads may lead to.

    Those on which the API itself is: elsewhere a link to one would fetch what only this machine can
    reach. Safe to use from several threads.
    """

    def __init__(self, base_url: str) -> None:
        """``base_url`` is the API's address."""
        self._base_url = base_url

    def refuses(self, host: str) -> bool:
        """Whether a host, mostly an address that its name resolved to, is not to be asked."""
        place = _own_place(host)
        return place is not None and place not in self._of_api

    @cached_property
    def _of_api(self) -> frozenset[str | None]:
        try:
            origin = target_of(f"{self._base_url}/").origin
            found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        except (OSError, ValueError, httpx.InvalidURL, httpx.UnsupportedProtocol):
            return frozenset()
        return frozenset(_own_place(str(address[0])) for *_, address in found)


def _own_place(host: str) -> str | None:
    """Whether a host is this machine, or on its own link; None where it is neither."""
    if host == "localhost" or host.rstrip(".").endswith("localhost"):
        return "loopback"
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local:
        return "link-local"
    # What is unspecified is this machine, too (RFC 1122, 3.2.1.3).
    is_this = address.is_loopback or address.is_unspecified or address in _THIS_NETWORK
    return "loopback" if is_this else None


_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
