"""Ed25519 keys and signatures (RFC 8032), by the library cryptography.

Keys are files as OpenSSL and OpenSSH write them. A signature is the raw 64 bytes over a file's
bytes, as ``openssl pkeyutl -verify -rawin`` takes them.
"""

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

INSTALL = "Install what signing needs: pip install 'skyvern-archiver[sign]'"
_LARGEST = 1 << 16


def new_key(path: Path, passphrase: bytes | None) -> Path:
    """Make a key: ``path`` gets the private one, readable by its owner alone, ``path``.pub the
    public one, whose path comes back. Raises UsageError where one of them is there already.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public_path = path.with_name(f"{path.name}.pub")
    private = key.private_bytes(
        form.Encoding.PEM,
        form.PrivateFormat.PKCS8,
        form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    if public_path.exists():
        raise UsageError(f"{public_path} is there already", hint="Choose another name")
    _write_new(path, private, 0o600)
    try:
        _write_new(public_path, public, 0o644)
    except BaseException:
        path.unlink()
        raise
    return public_path


def signer(path: Path, passphrase: bytes | None) -> Callable[[bytes], bytes]:
    """What signs bytes with the private key in a file: PEM (PKCS 8), or OpenSSH's own form.

    Raises UsageError where there is no such key, or the passphrase does not open it.
    """
    _need_cryptography()
    return _private_key(path, passphrase).sign


def verifier(path: Path) -> Callable[[bytes, bytes], bool]:
    """Whether a signature (first) is one of bytes (second), by the public key in a file.

    The file is PEM, or a line of OpenSSH (``ssh-ed25519 …``). Raises UsageError.
    """
    _need_cryptography()
    from cryptography.exceptions import InvalidSignature

    key = _public_key(path)

    def verifies(signature: bytes, data: bytes) -> bool:
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    return verifies


def _private_key(path: Path, passphrase: bytes | None) -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )

    data = _read(path, is_private=True)
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, passphrase)
    except TypeError:  # one is given and none needed, or the other way round
        if passphrase is not None:
            return _private_key(path, None)
        raise UsageError(
            f"the key {path} is encrypted", hint="Give its passphrase in ARCHIVER_KEY_PASSPHRASE"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            f"{path} holds no private key that can be read",
            hint="It is PEM or OpenSSH's form; a wrong passphrase (ARCHIVER_KEY_PASSPHRASE) looks "
            "the same. `archiver keygen` makes one",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"the key {path} is of another kind than Ed25519", hint="`archiver keygen` makes one"
        )
    return key


def _public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        load_pem_public_key,
        load_ssh_public_key,
    )

    data = _read(path)
    load = load_ssh_public_key if data.startswith(b"ssh-") else load_pem_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(
            f"{path} holds no public Ed25519 key",
            hint="It is PEM (-----BEGIN PUBLIC KEY-----) or a line of OpenSSH (ssh-ed25519 …)",
        )
    return key


def _read(path: Path, *, is_private: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            if is_private:
                _require_private(path, os.fstat(file.fileno()))
            return file.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"cannot read the key {path}: {error.strerror}") from None


def _require_private(path: Path, status: os.stat_result) -> None:
    """Raises UsageError where others can read one's own key, as ssh does.

    The rights of a file that somebody else owns are his to give, as those of a mounted secret.
    """
    if os.name != "nt" and status.st_uid == os.getuid() and status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise UsageError(
            f"others can use the private key {path}: its mode is {mode}",
            hint=f"chmod 600 {shlex.quote(os.fspath(path))}, and make a new one if it was read",
        )


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a new file durably, whole or not at all. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if mode != 0o600 and os.name != "nt":
                    os.fchmod(descriptor, mode)  # the umask keeps all from others
                os.fsync(descriptor)
        except BaseException:
            path.unlink()
            raise
    except FileExistsError:
        raise UsageError(f"{path} is there already", hint="Choose another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _need_cryptography() -> None:
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 # is it there?
    except ImportError:
        raise UsageError("the library cryptography is not installed", hint=INSTALL) from None
