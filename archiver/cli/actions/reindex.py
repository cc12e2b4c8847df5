"""What ``archiver reindex`` does."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from archiver.cli.output.text import counted, print_json, printable
from archiver.errors import ExitCode
from archiver.recovery import recover
from archiver.session import open_for_writing
from archiver.store.archive_file import open_archive
from archiver.store.lock import Writer
from archiver.tables import rewrite
from archiver.tables.rebuild import reindex


@dataclass(frozen=True, kw_only=True)
class ReindexArguments:
    """What the command line, the environment and the config file say."""

    compact: bool
    archive: Path
    json: bool


def run(given: ReindexArguments) -> int:
    """Rebuild or merge the tables, and return the exit code."""
    open_archive(given.archive)
    with open_for_writing(given.archive, datetime.now(UTC), secrets.token_bytes(4)) as writer:
        return (_compact if given.compact else _rebuild)(writer, as_json=given.json)


def _compact(writer: Writer, *, as_json: bool) -> int:
    recover(writer)
    after, before = rewrite.compact(writer, check_stop=lambda: None)
    if as_json:
        print_json({"files": {"before": before, "after": after}})
    elif before:
        click.echo(f"{counted(before, 'table file was', 'table files were')} merged into {after}")
    else:
        click.echo("no table files are left to be merged")
    return ExitCode.OK


def _rebuild(writer: Writer, *, as_json: bool) -> int:
    damaged: list[str] = []
    count = reindex(writer, damaged)
    for problem in damaged:
        click.echo(f"left out: {printable(problem)}", err=True)
    if as_json:
        print_json({"revisions": count, "damaged": damaged})
    else:
        click.echo(
            f"{counted(count, 'revision is', 'revisions are')} in the tables, "
            f"{len(damaged)} left out"
        )
    return ExitCode.DAMAGED if damaged else ExitCode.OK
