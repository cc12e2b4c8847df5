"""``archiver demo``: the whole story on this machine, no account needed."""

from typing import Any

import click

from archiver.cli.command import EXIT_CODES, ArchiveOption, Command
from archiver.cli.param_types import Location


@click.command(
    cls=Command,
    examples={
        "archiver demo": "See the whole story, in a new temporary folder.",
        "archiver demo --archive demo": "Keep its archive in ./demo.",
    },
    exit_codes={code: EXIT_CODES[code] for code in (2, 10, 11, 130)}
    | {
        0: "all runs of the demo are held and intact",
        3: "some could not be had",
        4: "what was kept is damaged",
    },
)
@click.option(
    "--archive",
    cls=ArchiveOption,
    type=Location(file_okay=False),
    metavar="LOCATION",
    help="Folder for the demo's archive.  [default: a new temporary one]",
)
def demo(**options: Any) -> int:
    """Archive a dozen runs of a small Skyvern-compatible server on this machine.

    Starts the server, fetches its runs over HTTP exactly as `archiver fetch` does, verifies the
    archive and asks it a few questions. Needs no account and no network.
    """
    from archiver.cli.actions import demo as action

    return action.run(**options)
