r"""The commands of the prompt that are not SQL: ``\format csv``, ``\timing``, …"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import click

from archiver.cli.options import FORMATS
from archiver.cli.prompt.answer import Settings
from archiver.errors import UsageError

Change: TypeAlias = Callable[[Settings, str], Settings]


@dataclass(frozen=True, slots=True)
class PromptCommand:
    """A command: what it takes, what it is for, and the settings that it makes of others."""

    takes: str
    meaning: str
    change: Change | None = None


def _timing(settings: Settings, _argument: str) -> Settings:
    click.echo(f"timing is {'off' if settings.timing else 'on'}")
    return dataclasses.replace(settings, timing=not settings.timing)


def _lines(settings: Settings, _argument: str) -> Settings:
    return _format(settings, "table" if settings.format == "line" else "line")


def _format(settings: Settings, argument: str) -> Settings:
    if argument not in FORMATS:
        raise UsageError(f"{argument!r} is no format", hint=f"There are {', '.join(FORMATS)}")
    click.echo(f"results are written as {argument}")
    return dataclasses.replace(settings, format=argument)


def _rows(settings: Settings, argument: str) -> Settings:
    if not argument.isdecimal():
        raise UsageError(f"{argument!r} is no number of rows", hint=r"`\rows 0` shows all")
    screen = dataclasses.replace(settings.screen, max_rows=int(argument))
    click.echo(f"{f'at most {int(argument):,}' if int(argument) else 'all'} rows are shown")
    return dataclasses.replace(settings, screen=screen)


def _pager(settings: Settings, _argument: str) -> Settings:
    screen = dataclasses.replace(settings.screen, pager=not settings.screen.pager)
    click.echo(f"the pager is {'on' if screen.pager else 'off'}")
    return dataclasses.replace(settings, screen=screen)


def _output(settings: Settings, argument: str) -> Settings:
    if not argument:
        return dataclasses.replace(settings, output=None)
    click.echo(f"the next result goes to {argument}")
    return dataclasses.replace(settings, output=Path(argument).expanduser())


COMMANDS: Final[Mapping[str, PromptCommand]] = {
    r"\d": PromptCommand("[NAME]", "list the views, or the columns of one"),
    r"\o": PromptCommand(
        "FILE", "write the next result to a file, in the format of its ending", _output
    ),
    r"\format": PromptCommand("|".join(FORMATS), "how results are written", _format),
    r"\x": PromptCommand("", "a line for each column, or a table again", _lines),
    r"\rows": PromptCommand("N", "show at most N rows; 0 shows all", _rows),
    r"\pager": PromptCommand("", "show in the pager what does not fit, or do not", _pager),
    r"\timing": PromptCommand("", "say how long DuckDB took, or do not", _timing),
    r"\?": PromptCommand("", "show this"),
    r"\q": PromptCommand("", "leave, as Ctrl-D does"),
}
HELP = r"\?"
QUIT = r"\q"


def changed(settings: Settings, name: str, argument: str) -> Settings:
    """The settings after a command. Raises UsageError for one that does not exist."""
    command = COMMANDS.get(name)
    if command is None or command.change is None:
        raise UsageError(f"there is no command {name}", hint=rf"`{HELP}` lists them")
    return command.change(settings, argument)


def help_text() -> str:
    """All commands, with what they are for."""
    lines = (f"  {name + ' ' + c.takes:<22} {c.meaning}" for name, c in _shown().items())
    return "SQL ends with ; and may have many lines.\n" + "\n".join(lines)


def _shown() -> Mapping[str, PromptCommand]:
    return {**COMMANDS, r"\format": dataclasses.replace(COMMANDS[r"\format"], takes="FORMAT")}
