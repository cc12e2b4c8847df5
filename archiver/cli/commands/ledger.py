"""``archiver ledger``, ``prove``, ``check-proof`` and ``keygen``: what speaks for the archive."""

from typing import Any

import click

from archiver.cli.command import EXIT_CODES, READS, Command
from archiver.cli.options import (
    OUTPUT_MODE,
    PASSPHRASE,
    archive_option,
    json_option,
    mode_option,
)
from archiver.cli.param_types import Location

_USAGE = {2: EXIT_CODES[2]}


@click.command(
    cls=Command,
    examples={
        "archiver ledger": "Show the last 40 records, and the head.",
        "archiver ledger --limit 0 --json": "Show all records, as JSON.",
    },
    exit_codes=READS
    | {0: "the records were shown", 4: "records, or parts of them, cannot be read"},
)
@archive_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    metavar="N",
    help="The last so many records, 0 for all.",
)
@json_option
def ledger(**options: Any) -> int:
    """Show the ledger: one record per session, each with the digest of the one before.

    The digest of the last record is the head. Whoever notes it can tell later whether anything
    before it was changed: `archiver verify` and `archiver check-proof --head` compare.
    """
    from archiver.cli.actions import ledger as action

    return action.run(action.LedgerArguments(**options))


@click.command(
    cls=Command,
    help="""Make an Ed25519 key: FILE gets the private one, FILE.pub the public one.

    With FILE as --sign-key, records of the ledger are signed; with FILE.pub anybody can check them:
    `archiver verify --public-key`, or openssl. An Ed25519 key of ssh-keygen will do as well.
    """,
    environment={PASSPHRASE: "The passphrase that encrypts FILE.  [default: it is not encrypted]"},
    examples={"archiver keygen night.key": "Make night.key and night.key.pub."},
    exit_codes=_USAGE | {0: "the key was made", 3: "the system refuses to write it"},
)
@click.argument("file", type=Location(dir_okay=False))
def keygen(**options: Any) -> int:
    from archiver.cli.actions import proof as action

    return action.keygen(**options)


@click.command(
    cls=Command,
    examples={
        "archiver prove tsk_123 --output tsk_123.proof": "Write the proof of a run.",
        "archiver prove tsk_123 --revision 1": "Print that of its first revision.",
    },
    exit_codes=READS
    | {
        0: "the proof was written",
        2: "wrong usage, or no list of the ledger has the run",
        4: "what the proof is made of is damaged",
    },
)
@click.argument("run_id")
@archive_option
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which one.  [default: the latest]",
)
@click.option(
    "--session",
    metavar="ID",
    help="The last ledger record of the proof.  [default: the newest]",
)
@click.option("--head", metavar="DIGEST", help="The same by its digest, as fetch prints it.")
@click.option(
    "--output",
    type=Location(dir_okay=False),
    help="File for the proof.  [default: standard output]",
)
@mode_option(OUTPUT_MODE)
@click.option("--overwrite", is_flag=True, help="Replace the file of --output, if it is there.")
def prove(**options: Any) -> int:
    """Write a small file that proves that a run is in the archive, unchanged since it was kept.

    Whoever has noted the digest of a ledger record, as each fetch prints it, can check the file
    with `archiver check-proof`, and needs nothing else for that.
    """
    from archiver.cli.actions import ledger as action

    del options["mode"]  # it counts from before the command begins
    return action.prove(action.ProveArguments(**options))


@click.command(
    cls=Command,
    name="check-proof",
    examples={
        "archiver check-proof tsk_123.proof": "Check the proof, and show the head it leads to.",
        "archiver check-proof tsk_123.proof --public-key night.key.pub": "Check too that the "
        "head's record was signed.",
        "archiver prove tsk_123 | archiver check-proof - --json": "Read it from standard input.",
    },
    exit_codes=_USAGE | {0: "the proof holds", 4: "it does not hold"},
)
@click.argument("file", type=Location(dir_okay=False))
@click.option("--head", metavar="DIGEST", help="Digest of a ledger record that was noted before.")
@click.option(
    "--public-key",
    type=Location(dir_okay=False),
    help="The head's record must be signed with this Ed25519 key (PEM or OpenSSH).",
)
@json_option
def check_proof(**options: Any) -> int:
    """Check a proof that `archiver prove` wrote; needs no archive."""
    from archiver.cli.actions import proof as action

    return action.check(action.CheckArguments(**options))
