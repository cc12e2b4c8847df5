"""``archiver keygen``: a key to sign the ledger with."""

from pathlib import Path

import click

from archiver.cli.signing import PASSPHRASE, passphrase
from archiver.errors import ExitCode


@click.command(
    help=f"""Make an Ed25519 key: FILE gets the private one, FILE.pub the public one.

    With FILE as --sign-key, records of the ledger are signed; with FILE.pub anybody can check them:
    `archiver verify --public-key`, or openssl. {PASSPHRASE} in the environment encrypts FILE.
    An Ed25519 key of ssh-keygen will do as well.
    """
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def keygen(file: Path) -> int:
    from archiver.ledger.signing import new_key

    public = new_key(file, passphrase())
    click.echo(f"{file}  private: keep it to yourself, and not beside the archive")
    click.echo(f"{public}  public: give it to whoever is to check")
    return ExitCode.OK
