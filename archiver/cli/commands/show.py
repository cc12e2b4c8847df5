"""``archiver show``: one run, as the archive holds it."""

from typing import Any

import click

from archiver.cli.command import READS, Command
from archiver.cli.options import archive_option, json_option


@click.command(
    cls=Command,
    examples={
        "archiver show tsk_123": "Show the run: its fields, its artifacts and their files.",
        "archiver show tsk_123 --json": "Show all that the archive has of it, as JSON.",
    },
    exit_codes=READS
    | {
        0: "the run was shown",
        3: "the archive does not hold it",
        4: "the tables, or the run's files, cannot be read",
    },
)
@click.argument("run_id")
@archive_option
@json_option
def show(**options: Any) -> int:
    """Show one run: its metadata, its artifacts, and where they lie."""
    from archiver.cli.actions import show as action

    return action.run(action.ShowArguments(**options))
