"""``archiver query``: SQL over the archive's tables."""

import sys
from pathlib import Path
from typing import Any

import click

from archiver.cli.options import archive_option
from archiver.errors import UsageError

FORMATS = ("table", "csv", "json", "ndjson", "markdown", "parquet")


@click.command()
@click.argument("sql")
@archive_option
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
@click.option("--allow-files", is_flag=True, help="Let the query read files outside the archive.")
def query(sql: str, **options: Any) -> None:
    """Ask DuckDB. SQL is a query, a file that holds one (ending in .sql), or - for standard input.

    \b
    Views, each run's latest revision:  runs, documents, artifacts, errors
    All revisions:  run_revisions, document_revisions, artifact_revisions, error_revisions
    Others:         fetches, failures, durations, daily

    A query can only read, and only the archive.
    """
    from archiver.adapters.archive import open_archive
    from archiver.adapters.query import run_query
    from archiver.cli.output import outside
    from archiver.cli.results import ending_format, write_result

    output = options["output"]
    chosen = options["format"] or ending_format(output) or "table"
    storage = open_archive(options["archive"])
    outside(output, storage.root)
    result = run_query(storage, _text_of(sql), allow_files=options["allow_files"])
    write_result(result, chosen, output)


def _text_of(sql: str) -> str:
    if sql != "-" and not sql.endswith(".sql"):
        return sql
    try:
        data = sys.stdin.buffer.read() if sql == "-" else Path(sql).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        name = "standard input" if sql == "-" else sql
        raise UsageError(f"cannot read {name}: {error}") from None
