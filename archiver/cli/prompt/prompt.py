"""The prompt of ``archiver query``: SQL over many lines, with history and completion."""

import contextlib
import dataclasses
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import PostgresLexer

from archiver.cli.output.formats import ending_format
from archiver.cli.output.text import printable
from archiver.cli.prompt.answer import DESCRIBE, RunQuery, Settings, answer
from archiver.cli.prompt.commands import HELP, QUIT, changed, help_text
from archiver.cli.prompt.completion import SqlCompleter, read_names
from archiver.errors import ArchiverError
from archiver.query.sql import ends_statement, split_statements
from archiver.system.files import words_of

_NEWLINE = "\n"
_LEAVING = {QUIT, "exit", "quit"}


def run_prompt(run_query: RunQuery, settings: Settings) -> None:
    """Ask for statements, and answer them, until the user leaves.

    Ctrl-C drops what is being typed, or ends the query that runs; Ctrl-D leaves. Each statement
    sees the archive as it is then. Errors are told, and the prompt goes on.
    """
    screen = dataclasses.replace(settings.screen, all_rows=r"\rows 0")
    settings = dataclasses.replace(settings, screen=screen)
    session: PromptSession[str] = PromptSession(
        "archiver> ",
        prompt_continuation="      ...> ",
        multiline=Condition(lambda: not _is_whole(get_app().current_buffer.text)),
        history=_history(os.environ),
        completer=SqlCompleter(lambda: read_names(run_query)),
        complete_while_typing=False,
        lexer=PygmentsLexer(PostgresLexer),
        enable_open_in_editor=True,
    )
    click.echo(f"{settings.archive}: SQL ends with ;  {HELP} shows help, Ctrl-D leaves")
    with _terminable(session.app) as terminated:
        while True:
            text = ""
            try:
                text = session.prompt().strip()
                if terminated:
                    raise KeyboardInterrupt
                if text.rstrip(";") in _LEAVING:
                    return
                settings = _done(text, run_query, settings)
            except KeyboardInterrupt:
                if terminated:
                    raise
                if text:
                    click.echo("interrupted", err=True)
            except EOFError:
                return


def _done(text: str, run_query: RunQuery, settings: Settings) -> Settings:
    """The settings after what was typed was done."""
    is_command = text.startswith("\\")
    name, _, argument = text.rstrip(";").partition(" ") if is_command else ("", "", "")
    try:
        if name == HELP:
            click.echo(help_text())
        elif is_command and name != DESCRIBE:
            settings = changed(settings, name, argument.strip())
        else:
            for statement in [text] if is_command else split_statements(text):
                once, settings = settings, dataclasses.replace(settings, output=None)
                own = ending_format(once.output) or once.format
                answer(statement, run_query, dataclasses.replace(once, format=own))
    except ArchiverError as error:
        click.echo(f"Error: {printable(str(error), keep=_NEWLINE)}", err=True)
    except OSError as error:
        click.echo(f"Error: the system refuses: {words_of(error)}", err=True)
    return settings


def _is_whole(text: str) -> bool:
    """Whether Enter ends the input, rather than a line of it."""
    typed = text.strip()
    return not typed or typed.startswith("\\") or typed in _LEAVING or ends_statement(typed)


@contextlib.contextmanager
def _terminable(prompt: Application[str]) -> Iterator[list[int]]:
    """Gets a number when SIGTERM came, which is no Ctrl-C: it ends the prompt too."""
    terminated: list[int] = []

    def leave() -> None:
        if prompt.is_running and not prompt.is_done:
            prompt.exit(exception=KeyboardInterrupt())

    def on_signal(number: int, _frame: FrameType | None) -> None:
        terminated.append(number)
        if not prompt.is_running or prompt.loop is None:
            raise KeyboardInterrupt
        # Raised in the middle of the prompt's own work, it might leave a terminal without echo.
        prompt.loop.call_soon_threadsafe(leave)

    previous = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield terminated
    finally:
        signal.signal(signal.SIGTERM, previous)


def _history(environment: Mapping[str, str]) -> History:
    """What was typed before: in a file of the user's alone, in memory where there can be none."""
    state = Path(environment.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # as the standard says, that counts for nothing
        state = Path.home() / ".local" / "state"
    path = state / "archiver" / "history"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return InMemoryHistory()
    return FileHistory(path)
