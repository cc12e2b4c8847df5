"""``archiver prune`` and ``archiver erase``: runs that are not kept any longer."""

from typing import Any

import click

from archiver.cli.command import WRITES, Command
from archiver.cli.options import (
    PASSPHRASE_MEANING,
    archive_option,
    choice_options,
    json_option,
    signing_options,
)
from archiver.cli.param_types import Duration

_EXIT_CODES = WRITES | {
    0: "what may go was removed, or shown, or there is nothing to do",
    3: "runs are on hold, or the record has no time stamp",
    4: "what could not be read was left, or the tables cannot be read",
}


@click.command(
    cls=Command,
    environment=PASSPHRASE_MEANING,
    examples={
        "archiver prune --older-than 7y --dry-run": "Show what ended more than 7 years ago.",
        "archiver prune --older-than 7y": "Remove it.",
        "archiver prune --rule 'older-than=90d status=completed kind=recording'": "Remove the "
        "recordings of completed runs after 90 days.",
    },
    exit_codes=_EXIT_CODES,
)
@archive_option
@click.option(
    "--older-than",
    type=Duration(),
    help="Runs that ended so long ago, whatever they are: 7y, 90d.",
)
@click.option(
    "--rule",
    multiple=True,
    metavar="RULE",
    help="Runs of a kind: 'older-than=90d status=completed run-type=task_v2 workflow=wpid_1'; with "
    "kind=recording,screenshot,download only such artifacts of them (repeatable; all but "
    "older-than may be left out).",
)
@click.option(
    "--trust-clock",
    is_flag=True,
    help="Go by this machine's clock, also where it is more than 90 days ahead of the newest "
    "record and of every run.",
)
@click.option("--reason", metavar="TEXT", help="Why, for the ledger.  [default: the rules]")
@click.option("--dry-run", is_flag=True, help="Show what would go, remove nothing.")
@signing_options
@json_option
def prune(**options: Any) -> int:
    """Remove the artifacts and documents of old runs, but for those on hold.

    Of each run a tombstone stays: id, status, times, and the digests of what was there. A rule with
    kind= removes artifacts only. A run's age is counted from its end.
    """
    from archiver.cli.actions import remove as action

    return action.prune(action.PruneArguments(**options))


@click.command(
    cls=Command,
    groups={
        "Which runs": ("ids", "column", "where"),
        "What is done": ("reason", "dry_run", "yes"),
        "The archive": ("archive", "sign_key", "tsa_url", "tsa_timeout"),
    },
    environment=PASSPHRASE_MEANING,
    examples={
        "archiver erase tsk_123 --reason 'request of 12 May' --dry-run": "Show what would go.",
        "archiver erase tsk_123 --reason 'request of 12 May'": "Ask, and erase the run.",
        "archiver erase --ids ids.txt --reason request --yes": "Erase the runs of a file, "
        "without asking.",
    },
    exit_codes=_EXIT_CODES,
)
@choice_options
@archive_option
@click.option(
    "--reason",
    metavar="TEXT",
    help="Why, for the ledger and the tombstones; name nobody in it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would go, remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@signing_options
@json_option
def erase(**options: Any) -> int:
    """Remove all that is known of runs, for good: files, documents, names, rows of the tables.

    A tombstone without any content stays: id, status, times, digests. Runs that were pruned, that
    are damaged, or that never were had can be erased too. What was handed on to others is out of
    reach.
    """
    from archiver.cli.actions import remove as action

    return action.erase(action.EraseArguments(**options))
