"""Who answers for what a command does: options, and what the ledger gets of them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from archiver.session import Signing

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

PASSPHRASE = "ARCHIVER_KEY_PASSPHRASE"  # noqa: S105 # the variable's name


def signing_options(command: CommandT) -> CommandT:
    """``--sign-key`` and ``--tsa-url``, the same on every command that writes into the ledger."""
    for option in (
        click.option(
            "--tsa-url",
            envvar="ARCHIVER_TSA_URL",
            show_envvar=True,
            metavar="URL",
            help="Have the session's record stamped with the time by this authority (RFC 3161).",
        ),
        click.option(
            "--sign-key",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="ARCHIVER_SIGN_KEY",
            show_envvar=True,
            help="Sign the session's record in the ledger with this Ed25519 key (PEM or OpenSSH).",
        ),
    ):
        command = option(command)
    return command


def signing(
    options: dict[str, Any],
    *,
    secret: frozenset[str] = frozenset(),
    mask: Callable[[str], str] = str,
) -> "Signing":
    """Who runs the command, with its options but what those named ``secret`` say; ``mask`` takes
    out of the others what is to be kept nowhere.

    Raises UsageError where the key or the authority's address is of no use.
    """
    from archiver.cli.actor import actor
    from archiver.session import Signing

    sign = stamp = None
    if options["sign_key"] is not None:
        from archiver.ledger.signing import signer

        sign = signer(options["sign_key"], passphrase())
    if options["tsa_url"] is not None:
        from archiver.ledger.timestamps import stamper

        stamp = stamper(options["tsa_url"])
    return Signing(actor(secret=secret, mask=mask), sign, stamp)


def passphrase() -> bytes | None:
    """That of the signing key, which is never taken from the command line."""
    import os

    text = os.environ.get(PASSPHRASE)
    return text.encode() if text else None
