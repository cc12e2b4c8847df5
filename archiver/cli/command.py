"""Commands whose help says all: options in groups, variables, examples, exit codes.

A command declares these as values; how they are shown, and that ``--config`` and ``--archive`` are
taken before and after the command, is here alone.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from archiver.cli.config import CONFIG_FILE, check_variables, read_defaults, unknown_variables
from archiver.cli.param_types import Location
from archiver.errors import UsageError
from archiver.system.limits import check_address_space
from archiver.system.rights import PRIVATE, created_with, folder_rights

EXIT_CODES: Mapping[int, str] = {
    0: "all that was asked for is held, or not settled yet",
    2: "wrong usage",
    3: "some runs or artifacts could not be had, or something is on hold or without time stamp",
    4: "verify found damage, a proof does not hold, or the tables cannot be read",
    10: "not an archive, or one of a newer format",
    11: "another writer holds the archive",
    12: "the API refused the key",
    130: "interrupted",
}
"""What exit codes mean over all commands; a command says what they mean for it."""
READS = {2: EXIT_CODES[2], 10: EXIT_CODES[10]}
"""Exit codes of every command that opens an archive,"""
WRITES = READS | {11: EXIT_CODES[11], 130: EXIT_CODES[130]}
"""and of every one that writes into it."""
_WRONG = "archiver.wrong_config"
"""Where click's context keeps what is wrong with the config file or the environment."""
_OTHER_VARIABLES = ("ARCHIVER_CONFIG", "ARCHIVER_ARCHIVE", "ARCHIVER_KEY_PASSPHRASE")
_TERMS = 22
"""Columns that options are given; what is longer has its text below."""


def _config_option() -> click.Option:
    """``--config`` of the program, before the command. It may be set by ARCHIVER_CONFIG."""
    return click.Option(
        ["--config"],
        type=Location(dir_okay=False),
        help=f"TOML file with options.  [default: {CONFIG_FILE} here, in ~/.config/archiver, or in "
        "/etc]",
    )


class Command(click.Command):
    """A command with what its help says besides its options.

    ``examples`` maps command lines to what they do, ``exit_codes`` codes to what they mean here,
    ``environment`` variables that are no option's to what they hold. ``groups`` maps headings to
    names of options; those in no group come last. What is wrong with the config file or the
    environment is said when the command is to run, so that it hides no help.
    """

    def __init__(
        self,
        *arguments: Any,
        examples: Mapping[str, str],
        exit_codes: Mapping[int, str],
        environment: Mapping[str, str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        is_configured: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples
        self.exit_codes = exit_codes
        self.environment = environment or {}
        self.groups = groups or {}
        if is_configured:
            own = _config_option()
            own.is_eager, own.expose_value, own.allow_from_autoenv = True, False, False
            own.callback = _read_config
            self.params.append(own)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What it makes is its owner's alone, unless ``--mode`` says more."""
        check_address_space()
        if (wrong := ctx.meta.get(_WRONG)) is not None:
            raise wrong
        _warn_of_variables(ctx)
        mode = ctx.params.get("mode")
        with created_with(PRIVATE if mode is None else folder_rights(mode)):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {
            parameter.name or "": record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx))
        }
        for heading, names in self.groups.items():
            _write_terms(formatter, heading, [records.pop(name) for name in names])
        _write_terms(formatter, "Other options" if self.groups else "Options", records.values())

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_terms(formatter, "Environment", self.environment.items())
        with formatter.section("Examples"):
            for line, meaning in self.examples.items():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
                with formatter.indentation():
                    formatter.write_text(meaning)
        _write_exit_codes(formatter, self.exit_codes)


class Group(click.Group):
    """The program: its commands by what they are for, each with the first sentence of its help."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sections: dict[str, list[str]] = {}
        self.params += [_config_option(), _archive_option()]

    def add_section(self, heading: str, *commands: click.Command) -> None:
        """Add commands, to be listed under a heading."""
        for command in commands:
            self.add_command(command)
            self.sections.setdefault(heading, []).append(command.name or "")

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for heading, names in self.sections.items():
            rows = [(f"{name:<{width}}", _first_sentence(self.commands[name])) for name in names]
            _write_terms(formatter, heading, rows)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_exit_codes(formatter, EXIT_CODES)
        formatter.write_paragraph()
        formatter.write_text(
            "After 3, 11, 12 and 130 the same command again picks up where it stopped."
        )


def _archive_option() -> click.Option:
    """``--archive`` of the program, before the command: as if it stood behind it."""
    return click.Option(
        ["--archive"],
        type=Location(file_okay=False),
        allow_from_autoenv=False,
        metavar="LOCATION",
        help="The archive's folder; a command may also have it, and then its own counts.",
    )


class ArchiveOption(click.Option):
    """``--archive`` of a command: where it is not given, what stands before the command counts."""

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        value, source = super().consume_value(ctx, opts)
        if source is not ParameterSource.COMMANDLINE and ctx.parent is not None:
            before = ctx.parent.params.get("archive")
            if before is not None:
                return before, ParameterSource.COMMANDLINE
        return value, source


def _write_exit_codes(formatter: click.HelpFormatter, codes: Mapping[int, str]) -> None:
    """Write what exit codes mean, smallest first."""
    _write_terms(formatter, "Exit codes", [(str(code), codes[code]) for code in sorted(codes)])


def _write_terms(formatter: click.HelpFormatter, heading: str, rows: Any) -> None:
    if rows := list(rows):
        with formatter.section(heading):
            formatter.write_dl(rows, col_max=_TERMS)


def _first_sentence(command: click.Command) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


def _warn_of_variables(context: click.Context) -> None:
    """Say which variables of the environment nobody reads."""
    program = context.find_root().command
    if isinstance(program, Group):
        unknown = unknown_variables(os.environ, program.commands, _OTHER_VARIABLES)
        for name, nearest in unknown.items():
            meant = f": is {nearest} meant?" if nearest else ""
            click.echo(
                f"the variable {ascii(name)[1:-1]} is not known, and not read{meant}", err=True
            )


def _read_config(context: click.Context, _: click.Parameter, config: Path | None) -> None:
    """Read the defaults of a command's options before these are parsed."""
    program = context.find_root()
    if not isinstance(program.command, Group):
        return
    commands, name = program.command.commands, context.command.name or ""
    try:
        check_variables(os.environ, commands)
        context.default_map = read_defaults(config or program.params["config"], commands, name)
    except UsageError as error:
        context.meta[_WRONG] = error
