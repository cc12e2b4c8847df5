"""``archiver query``: SQL over the archive's tables."""

from typing import Any

import click

from archiver.cli.command import READS, Command
from archiver.cli.options import (
    FORMATS,
    OUTPUT_MODE,
    archive_option,
    chosen_format,
    format_options,
    mode_option,
)
from archiver.cli.param_types import Duration, Location, Size


@click.command(
    cls=Command,
    examples={
        'archiver query "FROM durations"': "Show how long each run waited and took.",
        'archiver query "SELECT status, count(*) FROM runs GROUP BY ALL" --json': "Ask, and get "
        "JSON.",
        "archiver query failed.sql --output failed.csv": "Write the answer to a query in a file.",
        "archiver query 'FROM runs WHERE run_id = $id' --param id=tsk_123": "Bind a value.",
        "archiver query '\\d runs'": "Show the columns of a view, and what they mean.",
    },
    exit_codes=READS
    | {
        0: "the answer was written",
        3: "the system refuses, as where a disk is full, or a limit was met",
        4: "the tables cannot be read",
    },
)
@click.argument("sql", required=False)
@archive_option
@click.option(
    "--param",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value for $NAME in the SQL, bound and not pasted in. It is taken for what it is "
    "compared with, as a text in quotes is; elsewhere say $NAME::BIGINT (repeatable).",
)
@click.option(
    "--attach",
    type=Location(),
    multiple=True,
    metavar="FILE[=NAME]",
    help="A DuckDB database to read too, as NAME.table (repeatable).  [default NAME: the file's]",
)
@format_options(FORMATS)
@click.option(
    "--output",
    type=Location(dir_okay=False),
    help="File for the result; parquet needs one, or a pipe.",
)
@mode_option(OUTPUT_MODE)
@click.option(
    "--max-rows",
    type=click.IntRange(min=0),
    metavar="N",
    default=1_000,
    show_default=True,
    help="Show no more rows on a terminal; 0 shows all. Files and pipes get all.",
)
@click.option(
    "--pager/--no-pager",
    default=True,
    help="Show in $PAGER (less) what does not fit on the terminal.",
)
@click.option(
    "--timeout",
    type=Duration(in_seconds=True),
    help="End a query that takes longer: 30s, 10m.  [default: no end]",
)
@click.option(
    "--memory",
    type=Size(),
    help="How much memory DuckDB may take: 2GB.  [default: 80% of the machine's]",
)
@click.option("--timing", is_flag=True, help="Say on standard error how long DuckDB took.")
@click.option("--allow-files", is_flag=True, help="Let the query read files outside the archive.")
def query(**options: Any) -> None:
    """Ask the archive a question in SQL, as DuckDB has it.

    SQL is a query, a file that holds one (ending in .sql), or - for standard input. Without SQL, on
    a terminal, it is asked for at a prompt: Tab completes, \\d lists the views.

    \b
    Views, each run's latest revision:  runs, documents, artifacts, errors
    All revisions:  run_revisions, document_revisions, artifact_revisions,
                    error_revisions
    Others:         fetches, checks, failures, durations, daily

    A query can only read, and only the archive. EXPLAIN and EXPLAIN ANALYZE show its plan.
    """
    from archiver.cli.actions import query as action

    del options["mode"]  # it counts from before the command begins
    action.run(action.QueryArguments(**chosen_format(options)))
