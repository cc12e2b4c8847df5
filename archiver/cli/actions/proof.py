"""What ``archiver check-proof`` and ``archiver keygen`` do, which need no archive."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from archiver.cli.options import passphrase
from archiver.cli.output.text import print_json
from archiver.errors import ExitCode, UsageError
from archiver.ledger.signing import new_key, verifier
from archiver.model.ids import Sha256
from archiver.model.proof import check_proof

_LARGEST = 1 << 30
"""Bytes of a proof that are read from standard input."""


@dataclass(frozen=True, kw_only=True)
class CheckArguments:
    """What the command line, the environment and the config file say of ``check-proof``."""

    file: Path
    head: str | None
    public_key: Path | None
    json: bool


def keygen(file: Path) -> int:
    """Make a key, and return the exit code."""
    public = new_key(file, passphrase())
    click.echo(f"{file}  private: keep it to yourself, and not beside the archive")
    click.echo(f"{public}  public: give it to whoever is to check")
    return ExitCode.OK


def check(given: CheckArguments) -> int:
    """Check a proof, show what it proves, and return the exit code."""
    noted = digest_of(given.head) if given.head is not None else None
    try:
        data = (
            sys.stdin.buffer.read(_LARGEST) if str(given.file) == "-" else given.file.read_bytes()
        )
    except OSError as error:
        raise UsageError(f"cannot read {given.file}: {error.strerror or error}") from None
    verifies = verifier(given.public_key) if given.public_key is not None else None
    proven = check_proof(data, noted, verifies)
    manifest = proven.manifest
    if given.json:
        shown = {
            "run_id": manifest.run_id,
            "revision": manifest.revision,
            "session": proven.session.session,
            "finished_at": proven.session.finished_at.isoformat(),
            "head": proven.heads[-1],
            "noted_head": noted,
            "signature": "valid" if verifies else "not checked" if proven.is_signed else None,
            "files": [
                {"path": entry.path, "size": entry.size, "sha256": entry.sha256}
                for entry in manifest.files
            ],
        }
        print_json(shown)
        return ExitCode.OK
    click.echo(f"{manifest.run_id}, revision {manifest.revision}, of status {manifest.status}")
    click.echo(f"was committed by session {proven.session.session}")
    click.echo(f"which ended {proven.session.finished_at:%Y-%m-%d %H:%M:%S} UTC")
    click.echo(f"head  {proven.heads[-1]}  (session {proven.head.session})")
    if verifies is not None:
        click.echo("its record has a valid signature of the key")
    if noted is None and verifies is None:
        click.echo("compare the head with one that you noted, or give it with --head")
    for entry in manifest.files:
        click.echo(f"{entry.sha256}  {entry.path}")
    return ExitCode.OK


def digest_of(text: str) -> Sha256:
    """Return a digest that somebody typed. Raises UsageError where it is none."""
    try:
        return Sha256(text.strip().lower())
    except ValueError:
        raise UsageError(f"{text!r} is no SHA-256", hint="It has 64 hex digits") from None
