"""TLS as the environment and the options say, the same for both transports."""

import socket
import ssl
from pathlib import Path

import httpx
import pytest

from archiver.errors import UsageError
from archiver.fetch.http.client import Timeouts, new_client
from tests.fetch.http.authority import Authority
from tests.fetch.http.clients import Clients
from tests.fetch.http.wire_server import Asked, WireServer, always, head, once, reply

HELLO = always(reply(b"hello"))


@pytest.fixture
def known(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that the environment trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def test_an_unknown_authority_is_refused_and_said_to_be_the_reason(
    clients: Clients, authority: Authority
) -> None:
    with WireServer(HELLO, tls=authority.context()) as server:
        client = clients(1)
        for _ in range(2):
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                client.read("GET", server.origin)
        server.wait_until_open(0)
        assert not server.asked


def test_a_certificate_for_another_host_is_refused(clients: Clients, known: Authority) -> None:
    with WireServer(HELLO, tls=known.context("elsewhere")) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            clients(1).read("GET", server.origin)
        assert not server.asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_authority_in_ssl_cert_file_is_known(
    clients: Clients, known: Authority, host: str
) -> None:
    with WireServer(HELLO, tls=known.context()) as server:
        client = clients(1)
        for _ in range(3):
            assert client.get(f"https://{host}:{server.port}/") == b"hello"
        assert server.opened == 1


def test_an_authority_in_ssl_cert_dir_is_known(
    clients: Clients, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(authority.folder))
    with WireServer(HELLO, tls=authority.context()) as server:
        assert clients(1).get(server.origin) == b"hello"


@pytest.mark.parametrize("name", ["here", "elsewhere"])
def test_any_certificate_is_accepted_where_the_user_wants_it(
    clients: Clients, authority: Authority, name: str
) -> None:
    with WireServer(HELLO, tls=authority.context(name)) as server:
        assert clients(1, verify=False).get(server.origin) == b"hello"


def test_certificates_that_cannot_be_loaded_are_wrong_usage(
    clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match="TLS certificates"):
        new_client(Timeouts(), 1)


def test_a_server_hears_which_protocol_and_which_host_is_wanted(
    clients: Clients, known: Authority
) -> None:
    heard: list[tuple[str | None, str | None]] = []
    names: list[str | None] = []
    context = known.context(alpn=("h2", "http/1.1"))
    context.sni_callback = lambda connection, name, context: names.append(name)

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        assert isinstance(connection, ssl.SSLSocket)
        heard.append((connection.selected_alpn_protocol(), connection.version()))
        return reply(b"hello")

    with WireServer(answer, tls=context) as server:
        assert clients(1).get(f"https://localhost:{server.port}/") == b"hello"
    assert heard == [("http/1.1", "TLSv1.3")]
    assert names == ["localhost"]


def test_an_old_protocol_is_refused(clients: Clients, known: Authority) -> None:
    context = known.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with WireServer(HELLO, tls=context) as server:
        with pytest.raises(httpx.ConnectError):
            clients(1).get(server.origin)
        assert not server.asked


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_bodies_arrive_over_tls(clients: Clients, known: Authority, size: int) -> None:
    body = bytes(range(250)) * (size // 250 + 1)
    with WireServer(always(reply(body)), tls=known.context()) as server:
        client = clients(1)
        assert client.get(server.origin) == client.get(server.origin) == body
        assert server.opened == 1
    with WireServer(once(head() + body), tls=known.context()) as server:
        assert clients(1).get(server.origin) == body


def test_a_body_that_is_cut_over_tls_is_not_taken_for_whole(
    clients: Clients, known: Authority
) -> None:
    with WireServer(once(head("Content-Length: 10") + b"12345"), tls=known.context()) as server:
        client = clients(1)
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.read("GET", server.origin)


def test_what_comes_behind_an_answer_over_tls_is_not_taken_for_the_next(
    clients: Clients, known: Authority
) -> None:
    def answer(connection: socket.socket, asked: Asked) -> bytes:
        connection.sendall(head("Content-Length: 5"))
        # One TLS record: who takes five bytes of it has the others, but not in the kernel.
        return b"hello" + reply(b"evil")

    with WireServer(answer, tls=known.context()) as server:
        client = clients(1)
        assert [client.get(server.origin) for _ in range(3)] == [b"hello"] * 3
        assert server.opened == 3
