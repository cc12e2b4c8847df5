"""``archiver query``: SQL over the archive's tables."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from archiver.cli.options import FORMATS, archive_option
from archiver.errors import UsageError

_PARAMETER = re.compile(r"([A-Za-z_]\w*|[1-9]\d*)=(.*)", re.ASCII | re.DOTALL)


@click.command()
@click.argument("sql", required=False)
@archive_option
@click.option(
    "--param",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value for $NAME in the SQL, bound and not pasted in. It is taken for what it is "
    "compared with, as a text in quotes is; elsewhere say $NAME::BIGINT. Repeatable.",
)
@click.option(
    "--attach",
    multiple=True,
    metavar="FILE[=NAME]",
    help="A DuckDB database to read too, as NAME.table [default NAME: the file's]. Repeatable.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="How the result is written [default: by --output's ending, else table].",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the result; parquet needs one, or a pipe.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(min=0),
    default=1_000,
    show_default=True,
    help="Show no more rows on a terminal; 0 shows all. Files and pipes get all.",
)
@click.option(
    "--pager/--no-pager",
    default=True,
    help="Show in $PAGER (less) what does not fit on the terminal.",
)
@click.option("--timing", is_flag=True, help="Say on standard error how long DuckDB took.")
@click.option("--allow-files", is_flag=True, help="Let the query read files outside the archive.")
def query(sql: str | None, **options: Any) -> None:
    """Ask DuckDB. SQL is a query, a file that holds one (ending in .sql), or - for standard input.

    Without SQL, on a terminal, it is asked for at a prompt: Tab completes, \\d lists the views.

    \b
    Views, each run's latest revision:  runs, documents, artifacts, errors
    All revisions:  run_revisions, document_revisions, artifact_revisions, error_revisions
    Others:         fetches, checks, failures, durations, daily
    What the columns of a view mean:    archiver query '\\d runs'

    A query can only read, and only the archive. EXPLAIN and EXPLAIN ANALYZE show its plan.
    """
    from archiver.cli.output.formats import ending_format
    from archiver.cli.output.tables import Screen
    from archiver.cli.prompt.answer import Settings, answer
    from archiver.query.sql import Attached, run_query
    from archiver.store.lock import open_archive

    output = options["output"]
    storage = open_archive(options["archive"])
    run_query = partial(
        run_query,
        storage,
        parameters=_parameters(options["param"]),
        attached=[Attached.parse(text) for text in options["attach"]],
        allow_files=options["allow_files"],
    )
    settings = Settings(
        options["archive"],
        options["format"] or ending_format(output) or "table",
        output,
        options["timing"],
        Screen(options["max_rows"], options["pager"]),
    )
    if sql is None and sys.stdin.isatty() and sys.stdout.isatty():
        from archiver.cli.prompt.prompt import run_prompt

        run_prompt(partial(run_query, spare=True), settings)
    else:
        answer(_text_of(sql), run_query, settings)


def _parameters(texts: tuple[str, ...]) -> dict[str, str]:
    parameters = {}
    for text in texts:
        match = _PARAMETER.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no parameter", hint="Write --param name=value")
        parameters[match[1]] = match[2]
    return parameters


def _text_of(sql: str | None) -> str:
    if sql is None and sys.stdin.isatty():
        raise UsageError("there is no SQL", hint="Give a query; only a terminal gets a prompt")
    reads_input = sql in (None, "-")
    if sql is not None and not reads_input and not sql.endswith(".sql"):
        return sql
    try:
        data = sys.stdin.buffer.read() if sql is None or reads_input else Path(sql).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        name = "standard input" if reads_input else sql
        raise UsageError(f"cannot read {name}: {error}") from None
