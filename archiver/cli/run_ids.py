"""Run ids from arguments, files and standard input. All are checked before anything starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from archiver.cli.id_files import STANDARD_INPUT, Found, IdFile
from archiver.cli.output.text import printable
from archiver.errors import InvalidRunId, UsageError
from archiver.model.ids import RunId
from archiver.model.urls import read_id
from archiver.tables.choose import Choice, Where

_MOST_ERRORS = 10


@dataclass(frozen=True, kw_only=True)
class IdArguments:
    """Run ids, and files that have them in ``column``."""

    run_ids: Sequence[str]
    ids: Sequence[str]
    column: str

    def read(self, note: Callable[[str], None] | None = None) -> list[RunId]:
        """Return every id once; a source that has none is told to ``note``, or said.

        Raises UsageError where one is no run id, or there is no source.
        """
        return read_ids(self.run_ids, self.ids, self.column, note or _say)


@dataclass(frozen=True, kw_only=True)
class ChoiceArguments(IdArguments):
    """Runs of the archive: ids, or a condition over the view runs."""

    where: str | None

    @property
    def is_given(self) -> bool:
        return self.where is not None or bool(self.run_ids or self.ids)

    def choice(self) -> Choice:
        """Return the runs that are meant, which are none where the sources of ids are empty.

        Raises UsageError where that is not clear.
        """
        if not self.is_given:
            raise UsageError(
                "it is not said which runs",
                hint="Name ids, or use --ids FILE or --where SQL",
            )
        if self.where is None:
            return self.read()
        if self.run_ids or self.ids:
            raise UsageError(
                "runs are chosen by their ids or by --where, not both",
                hint="Put the ids into the condition: run_id IN ('tsk_1', 'tsk_2') AND …",
            )
        return Where(self.where)


def read_ids(
    arguments: Sequence[str], files: Sequence[str], column: str, note: Callable[[str], None]
) -> list[RunId]:
    """Every id once, in the order given: arguments first, then files; ``-`` is standard input.

    A source that has none is told to ``note``. Raises UsageError that names file and line of what
    is no run id, and where there is no source at all.
    """
    if not arguments and not files:
        raise UsageError(
            "no run ids were given",
            hint="Give them as arguments, with --ids FILE, or with --ids - on standard input",
        )
    errors: list[str] = []
    ids: dict[RunId, None] = {}
    for place, text in _places(arguments, files, column, note):
        try:
            ids[read_id(text)] = None
        except InvalidRunId as error:
            errors.append(f"{place}: {error.message}")
            if len(errors) == _MOST_ERRORS:
                errors.append("…")
                break
    if errors:
        raise UsageError(
            "nothing was done, these are no run ids:\n  " + "\n  ".join(errors) + "\n"
            "Run ids look like tsk_123, tsk_v2_123 or wr_123"
        )
    return list(ids)


def _places(
    arguments: Sequence[str], files: Sequence[str], column: str, note: Callable[[str], None]
) -> Found:
    named = [*(one for one in arguments if one == STANDARD_INPUT), *files]
    yield from (
        (f"argument {number}", text)
        for number, text in enumerate(arguments, start=1)
        if text != STANDARD_INPUT
    )
    for name in dict.fromkeys(named):  # what was read is not there a second time
        source = IdFile(name, column)
        is_empty = True
        for found in source.read():
            is_empty = False
            yield found
        if is_empty:
            note(f"{source.title} has no run ids")


def _say(message: str) -> None:
    click.echo(f"note: {printable(message)}", err=True)
