"""``archiver prove`` and ``archiver check-proof``."""

import json
import sys
from pathlib import Path

import click

from archiver.cli.options import archive_option, json_option
from archiver.domain.digest import Sha256
from archiver.domain.session import SessionId
from archiver.errors import ExitCode, UsageError
from archiver.model.ids import RunId

_LARGEST = 1 << 30


@click.command()
@click.argument("run_id")
@archive_option
@click.option("--revision", type=click.IntRange(min=1), help="Which one [default: the latest].")
@click.option("--session", help="The last ledger record of the proof [default: the newest].")
@click.option("--head", help="The same by its digest, as fetch prints it.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the proof [default: standard output].",
)
def prove(
    run_id: str,
    archive: Path,
    revision: int | None,
    session: str | None,
    head: str | None,
    output: Path | None,
) -> int:
    """Write a small file that proves that a run is in the archive, unchanged since it was kept.

    Whoever has noted the digest of a ledger record, as each fetch prints it, can check the file
    with `archiver check-proof`, and needs nothing else for that.
    """
    from archiver.cli.standard_output import outside, text_output
    from archiver.ledger.proofs import prove as make
    from archiver.ledger.proofs import session_of_head
    from archiver.model.proof import encode_proof
    from archiver.store.lock import open_archive

    storage = open_archive(archive)
    if session is not None and head is not None:
        raise UsageError("--session and --head name the same: give one of them")
    try:
        until = SessionId(session) if session is not None else None
    except ValueError:
        raise UsageError(f"{session!r} is no session", hint="See `archiver ledger`") from None
    if head is not None:
        until = session_of_head(storage, _digest(head))
    outside(output, storage.root)
    data = encode_proof(make(storage, RunId(run_id), revision, until))
    with text_output(output) as out:
        out.write(data.decode())
    return ExitCode.OK


@click.command(name="check-proof")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--head", help="Digest of a ledger record that was noted before.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The head's record must be signed with this Ed25519 key (PEM or OpenSSH).",
)
@json_option
def check_proof(file: Path, head: str | None, public_key: Path | None, **options: bool) -> int:
    """Check a proof that `archiver prove` wrote; needs no archive."""
    from archiver.model.proof import check_proof as check

    noted = _digest(head) if head is not None else None
    try:
        data = sys.stdin.buffer.read(_LARGEST) if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from None
    verifies = None
    if public_key is not None:
        from archiver.ledger.signing import verifier

        verifies = verifier(public_key)
    proven = check(data, noted, verifies)
    manifest = proven.manifest
    if options["json"]:
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
        click.echo(json.dumps(shown, indent=2))
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


def _digest(text: str) -> Sha256:
    try:
        return Sha256(text.strip().lower())
    except ValueError:
        raise UsageError(f"{text!r} is no SHA-256", hint="It has 64 hex digits") from None
