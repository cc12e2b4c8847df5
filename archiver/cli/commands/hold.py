"""``archiver hold``, ``release`` and ``accept``: what people decide about runs."""

from typing import Any

import click

from archiver.cli.command import WRITES, Command
from archiver.cli.options import (
    PASSPHRASE_MEANING,
    CommandT,
    archive_option,
    choice_options,
    json_option,
    several,
    signing_options,
)

_GROUPS = {
    "Which runs": ("ids", "column", "where"),
    "The archive": ("archive", "sign_key", "tsa_url", "tsa_timeout"),
}
_EXIT_CODES = WRITES | {
    0: "it was decided, or shown",
    3: "it was decided, but the record has no time stamp",
    4: "the tables or the ledger cannot be read",
}


def decision_options(command: CommandT) -> CommandT:
    """Which runs, why, and where."""
    return several(
        command,
        choice_options,
        click.option(
            "--reason",
            metavar="TEXT",
            help="Why; it stays in the ledger for good: name nobody.",
        ),
        archive_option,
        signing_options,
        json_option,
    )


@click.command(
    cls=Command,
    groups=_GROUPS,
    environment=PASSPHRASE_MEANING,
    examples={
        "archiver hold tsk_123 --reason 'case 17'": "Keep a run, whatever prune and erase say.",
        "archiver hold --where \"status = 'failed'\" --reason audit": "Keep all failed runs.",
        "archiver hold --list": "Show what is on hold, since when, and why.",
    },
    exit_codes=_EXIT_CODES,
)
@click.option("--list", "is_list", is_flag=True, help="Show which runs are on hold, and why.")
@decision_options
def hold(**options: Any) -> int:
    """Put runs on hold: they are neither pruned nor erased until they are released."""
    return _decide("hold", options)


@click.command(
    cls=Command,
    groups=_GROUPS,
    environment=PASSPHRASE_MEANING,
    examples={"archiver release tsk_123 --reason 'case 17 is closed'": "End a run's hold."},
    exit_codes=_EXIT_CODES,
)
@decision_options
def release(**options: Any) -> int:
    """End the hold of runs: prune and erase may take them again."""
    return _decide("release", options)


@click.command(
    cls=Command,
    groups=_GROUPS,
    environment=PASSPHRASE_MEANING,
    examples={
        "archiver accept tsk_123 --reason 'deleted by the service'": "Take a run as it is.",
        "archiver accept --list": "Show which runs are accepted, since when, and why.",
    },
    exit_codes=_EXIT_CODES,
)
@click.option("--list", "is_list", is_flag=True, help="Show which runs are accepted, and why.")
@decision_options
def accept(**options: Any) -> int:
    """Declare that what is missing of runs will stay so: fetch asks, and fails, for it no more.

    For artifacts that never match, or ids that the API does not know. `fetch --refresh` asks all
    the same.
    """
    return _decide("accept", options)


def _decide(kind: str, options: dict[str, Any]) -> int:
    if options.pop("is_list", False):
        from archiver.cli.actions import ledger

        return ledger.decisions(kind, options["archive"], as_json=options["json"])
    from archiver.cli.actions import hold as action

    return action.run(kind, action.DecisionArguments(**options))
