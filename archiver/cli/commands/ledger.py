"""``archiver ledger``: what was done with the archive, record by record."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.options import archive_option, json_option
from archiver.cli.output.text import printable
from archiver.cli.signing import PASSPHRASE, passphrase
from archiver.errors import ExitCode, UsageError
from archiver.model.ids import RunId, SessionId, Sha256

if TYPE_CHECKING:
    from archiver.ledger.records import ShownRecord

_COLUMNS = (
    *(("session", False), ("kind", False), ("by", False), ("runs", True), ("revisions", True)),
    *(("signed", False), ("stamped", False), ("sha256", False)),
)


@click.command()
@archive_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="The last so many records, 0 for all.",
)
@json_option
def ledger(archive: Path, limit: int, **options: Any) -> int:
    """Show the ledger: one record per session, each with the digest of the one before.

    The digest of the last record is the head. Whoever notes it can tell later whether anything
    before it was changed: `archiver verify` and `archiver check-proof --head` compare.
    """
    from archiver.ledger.records import shown_records
    from archiver.store.lock import open_archive

    damaged: list[str] = []
    records = shown_records(open_archive(archive), limit, damaged)
    for problem in damaged:
        click.echo(f"left out: {printable(problem)}", err=True)
    if options["json"]:
        head = records[-1].sha256 if records else None
        documents = [record.to_json() for record in records]
        click.echo(json.dumps({"head": head, "records": documents}, indent=2, ensure_ascii=False))
    else:
        _print(records)
    return ExitCode.DAMAGED if damaged else ExitCode.OK


def _print(records: "list[ShownRecord]") -> None:
    from archiver.cli.output.tables import print_table

    if not records:
        click.echo("the ledger is empty")
        return
    rows = [
        (
            shown.record.session,
            shown.record.kind + (", interrupted" if shown.record.interrupted else ""),
            f"{by.user} on {by.host}" if (by := shown.record.by) else "",
            f"{shown.record.ids_asked:,}",
            f"{shown.record.manifests:,}",
            "yes" if shown.is_signed else "",
            "yes" if shown.is_stamped else "",
            shown.sha256,
        )
        for shown in records
    ]
    print_table(_COLUMNS, rows, sys.stdout)
    click.echo(f"head {records[-1].sha256}")


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
    from archiver.ledger.proofs import prove as make
    from archiver.ledger.proofs import session_of_head
    from archiver.model.proof import encode_proof
    from archiver.store.lock import open_archive
    from archiver.system.atomic import require_outside, text_output

    storage = open_archive(archive)
    if session is not None and head is not None:
        raise UsageError("--session and --head name the same: give one of them")
    try:
        until = SessionId(session) if session is not None else None
    except ValueError:
        raise UsageError(f"{session!r} is no session", hint="See `archiver ledger`") from None
    if head is not None:
        until = session_of_head(storage, _digest(head))
    require_outside(output, storage.root)
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
