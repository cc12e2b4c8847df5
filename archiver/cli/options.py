"""Options that commands share."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from archiver.cli.command import ArchiveOption
from archiver.cli.param_types import Duration, Location, Mode
from archiver.errors import UsageError

FORMATS = ("table", "line", "csv", "json", "ndjson", "markdown", "parquet")
"""How a query's result is written,"""
REPORT_FORMATS = ("table", "csv", "json", "markdown", "parquet")
"""and how a report is."""

PASSPHRASE = "ARCHIVER_KEY_PASSPHRASE"  # noqa: S105 # the variable's name
PASSPHRASE_MEANING = {PASSPHRASE: "The passphrase of the key of --sign-key, where it has one."}

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def archive_option(command: CommandT) -> CommandT:
    """``--archive``, the same on every command."""
    return click.option(
        "--archive",
        cls=ArchiveOption,
        type=Location(file_okay=False),
        default=Path("archive"),
        envvar="ARCHIVER_ARCHIVE",
        show_envvar=True,
        show_default=True,
        metavar="LOCATION",
        help="The archive's folder.",
    )(command)


def json_option(command: CommandT) -> CommandT:
    """``--json``: one JSON document on standard output."""
    return click.option("--json", is_flag=True, help="Print one JSON document on standard output.")(
        command
    )


def mode_option(help_text: str) -> Callable[[CommandT], CommandT]:
    """``--mode``: the rights of what a command makes."""
    return click.option("--mode", type=Mode(), metavar="MODE", help=help_text)


OUTPUT_MODE = "Rights of the files that are written, as 0640.  [default: 0600, yours alone]"


def ids_options(command: CommandT) -> CommandT:
    """Ids of runs: as arguments, or in files with a ``--column``."""
    return several(
        command,
        click.argument("run_ids", nargs=-1, metavar="[RUN_ID]..."),
        click.option(
            "--ids",
            multiple=True,
            metavar="FILE",
            help="File with run ids or addresses of the app, - for standard input: one a line, or "
            "CSV, TSV, NDJSON, JSON, Parquet, also in gzip (repeatable).",
        ),
        click.option(
            "--column",
            default="run_id",
            show_default=True,
            metavar="NAME",
            help="The column of tables, or the field of JSON objects, that holds the ids.",
        ),
    )


def choice_options(command: CommandT) -> CommandT:
    """Runs of the archive, by their ids or by a condition."""
    where = click.option(
        "--where",
        metavar="SQL",
        help="Choose the runs for which this condition over the view runs holds.",
    )
    return ids_options(where(command))


def signing_options(command: CommandT) -> CommandT:
    """What vouches for a record: the same on every command that writes into the ledger."""
    return several(
        command,
        click.option(
            "--sign-key",
            type=Location(dir_okay=False),
            envvar="ARCHIVER_SIGN_KEY",
            show_envvar=True,
            help="Sign the session's record in the ledger with this Ed25519 key (PEM or OpenSSH).",
        ),
        click.option(
            "--tsa-url",
            envvar="ARCHIVER_TSA_URL",
            show_envvar=True,
            metavar="URL",
            help="Have the session's record stamped with the time by this authority (RFC 3161).",
        ),
        click.option(
            "--tsa-timeout",
            type=Duration(in_seconds=True),
            default="30s",
            show_default=True,
            envvar="ARCHIVER_TSA_TIMEOUT",
            show_envvar=True,
            help="Do without a time stamp that takes longer, from connecting to the last byte.",
        ),
    )


def format_options(formats: Sequence[str]) -> Callable[[CommandT], CommandT]:
    """``--format``, and ``--json`` for that of JSON; ``chosen_format`` makes one of them."""
    return lambda command: several(
        command,
        click.option(
            "--format",
            type=click.Choice(formats),
            metavar="FORMAT",
            help=f"How it is written: {', '.join(formats)}.  [default: by --output's ending, else "
            "table]",
        ),
        click.option("--json", is_flag=True, help="The same as --format json."),
    )


def chosen_format(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a command with ``--json`` made one with ``--format``.

    Raises UsageError where both are given and say different things.
    """
    is_json, chosen = options.pop("json"), options["format"]
    if is_json and chosen != "json":
        counts = stronger("json", "format")  # a --format that is not given is the weaker
        if counts is None:
            raise UsageError("--json and another --format were given", hint="Give one of them")
        if counts == "json":
            options["format"] = "json"
    return options


def stronger(one: str, other: str) -> str | None:
    """Which of two options counts, if any: the command line is stronger than the environment, and
    that than the config file."""
    of = click.get_current_context().get_parameter_source
    sources = of(one), of(other)
    if sources[0] == sources[1] or None in sources:
        return None
    return one if sources[0] < sources[1] else other  # type: ignore[operator] # None is no source


def passphrase() -> bytes | None:
    """Return that of the signing key, which is never taken from the command line."""
    text = os.environ.get(PASSPHRASE)
    return text.encode() if text else None


def several(command: CommandT, *decorators: Callable[[CommandT], CommandT]) -> CommandT:
    """Return ``command`` with decorators as if these stood above it, in this order."""
    for decorate in reversed(decorators):
        command = decorate(command)
    return command
