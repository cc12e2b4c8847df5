"""Who answers for what a command does: what the ledger gets of its options."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from archiver.cli.actor import actor
from archiver.cli.options import passphrase
from archiver.errors import UsageError
from archiver.ledger.signing import signer
from archiver.session import Signing


@dataclass(frozen=True, kw_only=True)
class SigningArguments:
    """The key that signs the session's record, and the authority that stamps it."""

    sign_key: Path | None
    tsa_url: str | None
    tsa_timeout: timedelta

    def signing(
        self, *, secret: frozenset[str] = frozenset(), mask: Callable[[str], str] = str
    ) -> Signing:
        """Return who runs the command, with its options but what those named ``secret`` say.

        ``mask`` takes out of the others what is to be kept nowhere. Raises UsageError where the
        key or the authority's address is of no use.
        """
        sign = signer(self.sign_key, passphrase()) if self.sign_key is not None else None
        stamp = None
        if self.tsa_url is not None:
            # What it asks over the network with takes long to import, and few have an authority.
            from archiver.ledger.timestamps import stamper

            if not self.tsa_timeout:
                raise UsageError("--tsa-timeout must be longer than zero")
            stamp = stamper(self.tsa_url, self.tsa_timeout.total_seconds())
        return Signing(actor(secret=secret, mask=mask), sign, stamp)
