"""TLS as the environment and the options say, the same for both transports."""

import os
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from archiver.errors import UsageError
from archiver.fetch.http.client import Timeouts, new_client
from archiver.fetch.http.tls import TlsOptions, tls_context
from tests.fetch.http.authority import Authority, openssl
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


def test_a_certificate_that_has_expired_is_refused(clients: Clients, known: Authority) -> None:
    with WireServer(HELLO, tls=known.context("expired")) as server:
        with pytest.raises(httpx.ConnectError, match=r"CERTIFICATE_VERIFY_FAILED.*expired"):
            clients(1).read("GET", server.origin)
        assert not server.asked


def test_the_systems_own_store_is_believed_and_no_other(
    clients: Clients, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with WireServer(HELLO, tls=authority.context()) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            clients(1).read("GET", server.origin)
        assert not server.asked
        # OpenSSL's way to say where the system's store is.
        name = ssl.get_default_verify_paths().openssl_cafile_env
        monkeypatch.setenv(name, str(authority.file))
        assert clients(1).read("GET", server.origin) == b"hello"


def test_a_body_without_a_length_is_not_whole_where_tls_was_cut(
    clients: Clients, known: Authority
) -> None:
    with WireServer(once(head("X: y") + b"hello"), tls=known.context()) as server:
        client = clients(1)
        assert client.get(server.origin) == b"hello"
        server.cuts_tls = True
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(server.origin)


def test_a_client_shows_its_certificate_to_who_asks_for_it(
    clients: Clients, known: Authority, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(known.certificate.read_bytes() + known.key.read_bytes())
    shown: list[object] = []

    def answer(connection: socket.socket, asked: Asked) -> bytes:
        assert isinstance(connection, ssl.SSLSocket)
        shown.append(connection.getpeercert())
        return reply(b"hello")

    with WireServer(answer, tls=known.context(wants_client=True)) as server:
        with pytest.raises(httpx.TransportError):
            clients(1).read("GET", server.origin)
        assert not server.asked
        for certificate, key in ((known.certificate, known.key), (both, None)):
            client = clients(1, certificate=certificate, key=key)
            assert client.get(server.origin) == client.get(server.origin) == b"hello"
    assert all("client" in repr(certificate) for certificate in shown)
    assert len(shown) == 4


def test_a_client_shows_its_certificate_without_checking_the_servers(
    clients: Clients, authority: Authority
) -> None:
    with WireServer(HELLO, tls=authority.context(wants_client=True)) as server:
        client = clients(1, verify=False, certificate=authority.certificate, key=authority.key)
        assert client.get(server.origin) == b"hello"


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("none.pem", "client.key", r"none\.pem \(--client-cert\) cannot be read: No such file"),
        ("client.pem", "none.key", r"none\.key \(--client-key\) cannot be read: No such file"),
        ("", "client.key", r"\(--client-cert\) cannot be read: Is a directory"),
        ("client.pem", "here.key", r"here\.key \(--client-key\) does not belong to"),
        ("client.pem", "locked.key", r"locked\.key \(--client-key\) is encrypted"),
        ("client.pem", None, r"cannot be used"),
        ("client.cnf", "client.key", r"cannot be used"),
        ("client.pem", "client.cnf", r"cannot be used"),
        (None, "client.key", r"--client-key is given without --client-cert"),
    ],
)
def test_a_certificate_that_is_of_no_use_is_wrong_usage(
    authority: Authority, certificate: str | None, key: str | None, message: str
) -> None:
    home = authority.file.parent
    locked = home / "locked.key"
    if key == locked.name and not locked.exists():
        openssl("ec", "-in", authority.key, "-aes256", "-passout", "pass:x", "-out", locked)
    options = TlsOptions(
        certificate=None if certificate is None else home / certificate,
        key=None if key is None else home / key,
    )
    for _ in range(2):
        with pytest.raises(UsageError, match=message) as caught:
            tls_context(options)
        assert caught.value.exit_code == 2


def test_a_key_that_comes_through_a_pipe_is_wrong_usage(authority: Authority) -> None:
    home = authority.file.parent
    reading, writing = os.pipe()
    os.write(writing, (home / "client.key").read_bytes())
    os.close(writing)
    try:
        with pytest.raises(UsageError, match="Name files, not pipes"):
            tls_context(TlsOptions(certificate=home / "client.pem", key=Path(f"/dev/fd/{reading}")))
    finally:
        os.close(reading)


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
