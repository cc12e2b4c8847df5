"""A certificate authority that only the tests know."""

import ssl
import subprocess
from pathlib import Path

_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {hosts}
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""
_LOOPBACK = "IP:127.0.0.1, IP:::1, DNS:localhost"


class Authority:
    """Its certificate is ``file``; ``folder`` holds it alone, as OpenSSL looks for it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.file = home / "authority.pem"
        self.folder = home / "authorities"
        self._make("authority", "authority", _LOOPBACK)
        hashed = openssl("x509", "-in", self.file, "-noout", "-hash").strip()
        self.folder.mkdir()
        (self.folder / f"{hashed}.0").write_bytes(self.file.read_bytes())
        self._make("here", "server", _LOOPBACK)
        self._make("elsewhere", "server", "DNS:elsewhere.example")
        self._make("expired", "server", _LOOPBACK, days=-1)
        self._make("client", "client", _LOOPBACK)
        self.certificate, self.key = home / "client.pem", home / "client.key"
        """Of a client."""

    def context(
        self, name: str = "here", *, alpn: tuple[str, ...] = (), wants_client: bool = False
    ) -> ssl.SSLContext:
        """For a server ``here``, for one of a host ``elsewhere``, or one that is ``expired``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._home / f"{name}.pem", self._home / f"{name}.key")
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def _make(self, name: str, kind: str, hosts: str, days: int = 30) -> None:
        config, key = self._home / f"{name}.cnf", self._home / f"{name}.key"
        config.write_text(_CONFIG.format(name=name, hosts=hosts))
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        request = self._home / f"{name}.csr"
        openssl("req", "-new", "-config", config, "-key", key, "-out", request)
        by: tuple[str | Path, ...] = ("-signkey", key)
        if kind != "authority":
            by = ("-CA", self.file, "-CAkey", self._home / "authority.key", "-CAcreateserial")
        openssl(
            *("x509", "-req", "-in", request, *by, "-days", str(days), "-sha256"),
            *("-extfile", config, "-extensions", kind, "-out", self._home / f"{name}.pem"),
        )


def openssl(*arguments: str | Path) -> str:
    ended = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
