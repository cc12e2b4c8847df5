"""``archiver verify``: does the archive still hold what it says, and is everything there."""

from typing import Any

import click

from archiver.cli.command import WRITES, Command
from archiver.cli.options import PASSPHRASE_MEANING, archive_option, json_option, signing_options
from archiver.cli.param_types import Duration, Location, Moment, Percentage


@click.command(
    cls=Command,
    groups={
        "What is checked": ("quick", "run_ids", "since", "sample", "seed", "rotate", "resume"),
        "What is asked of it": ("require_complete", "public_key", "tsa_ca"),
        "The archive": ("archive", "record", "sign_key", "tsa_url", "tsa_timeout"),
    },
    environment=PASSPHRASE_MEANING,
    examples={
        "archiver verify": "Check all that the archive has.",
        "archiver verify --quick": "Compare names and sizes, without reading the files.",
        "archiver verify --rotate 30d": "Every night: in 30 days every byte is read once.",
        "archiver verify --require-complete --json": "End with 3 where anything is missing.",
        "archiver verify --public-key key.pub --tsa-ca ca.pem": "Check signatures and time stamps "
        "of the ledger too.",
    },
    exit_codes=WRITES
    | {
        0: "what was checked is intact",
        3: "with --require-complete: intact, but something is missing",
        4: "something is not as it was stored",
    },
)
@click.option("--quick", is_flag=True, help="Compare names and sizes only; no file is read.")
@click.option(
    "--run", "run_ids", multiple=True, metavar="RUN_ID", help="Only this run (repeatable)."
)
@click.option("--since", type=Moment(), help="Only revisions fetched since then: 2026-11-25, 30d.")
@click.option("--sample", type=Percentage(), help="Only a random share of the revisions: 5%.")
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Choose the same share as a --sample that showed this seed.",
)
@click.option(
    "--rotate",
    type=Duration(),
    help="Check what was not read for longest, so that every byte is read once in this time "
    "however often the command is run: 30d.",
)
@click.option("--resume", is_flag=True, help="Go on with the last check if it was interrupted.")
@click.option(
    "--require-complete", is_flag=True, help="End with 3 where anything is missing that should be."
)
@click.option(
    "--public-key",
    type=Location(dir_okay=False),
    help="Check the signatures of the ledger's records by this Ed25519 key (PEM or OpenSSH).",
)
@click.option(
    "--tsa-ca",
    type=Location(dir_okay=False),
    help="Check their time stamps; the file has the certificates to trust, in PEM.",
)
@click.option(
    "--record/--no-record",
    default=True,
    show_default=True,
    help="Remember in the archive what was checked, and say so in the ledger.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes that read.  [default: one per core, 4 at most]",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@signing_options
@archive_option
@json_option
def verify(**options: Any) -> int:
    """Hold every level of the archive against the next, and tell what is not there.

    Files against manifests (size, SHA-256), manifests against the tables and against the ledger,
    and what lies there that nothing lists. Exit code 4 when something is not as it was stored; what
    is missing because it could not be had is a verdict of its own, and no damage.
    """
    from archiver.cli.actions import verify as action

    return action.run(action.VerifyArguments(**options))
