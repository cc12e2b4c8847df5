"""``archiver reindex``: rebuild the tables."""

from typing import Any

import click

from archiver.cli.command import WRITES, Command
from archiver.cli.options import archive_option, json_option


@click.command(
    cls=Command,
    examples={
        "archiver reindex": "Rebuild tables that were lost or damaged.",
        "archiver reindex --compact": "Merge many small table files, so that queries are quick.",
    },
    exit_codes=WRITES
    | {
        0: "all revisions are in the tables",
        3: "the system refuses, as where a disk is full",
        4: "manifests that cannot be read were left out",
    },
)
@click.option(
    "--compact",
    is_flag=True,
    help="Only merge the tables' files, without reading the manifests; fetch does it by itself "
    "where they are many.",
)
@archive_option
@json_option
def reindex(**options: Any) -> int:
    """Rebuild the tables from the manifests alone; readers see the old ones until it is done."""
    from archiver.cli.actions import reindex as action

    return action.run(action.ReindexArguments(**options))
