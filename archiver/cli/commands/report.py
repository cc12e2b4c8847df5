"""``archiver report``: ready-made analyses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from archiver.cli.options import Moment, archive_option
from archiver.cli.output.text import readable_bytes
from archiver.errors import ExitCode, UsageError
from archiver.query.reports.options import REPORTS, AskedReport, By, Filters

FORMATS = ("table", "csv", "json", "markdown", "parquet")
_ONE_TABLE = ("csv", "parquet")
_OF_TABLES = ("by", "format", "json", "table", "limit", "output")
"""Options of reports that the page does not have."""
_GLANCE = 40
"""Rows that people are shown of a table."""


@click.command()
@click.argument("name", required=False, type=click.Choice(list(REPORTS)), metavar="[NAME]")
@archive_option
@click.option("--since", type=Moment(), help="Runs created from then on: 2026-11-01, or 30d ago.")
@click.option(
    "--until",
    type=Moment(is_end=True),
    help="Runs created before then; a day counts whole.",
)
@click.option("--run-type", multiple=True, help="Runs of this type (repeatable).")
@click.option("--status", multiple=True, help="Runs with this status (repeatable).")
@click.option("--workflow", multiple=True, help="Runs of this workflow (repeatable).")
@click.option(
    "--by",
    type=click.Choice([by.value for by in By]),
    help="What rows are grouped by [default: as the report says].",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="How it is written [default: by --output's ending, else table].",
)
@click.option("--json", is_flag=True, help="The same as --format json.")
@click.option("--table", help="Only this one of the report's tables; csv and parquet have one.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="Rows of each table at most, 0 for all [default: 40 as table or markdown, else all].",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="File for the result."
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write everything as one page, with charts, to this file (without NAME).",
)
def report(name: str | None, archive: Path, html: Path | None, **options: Any) -> int:
    """Ready-made analyses; without NAME, which there are.

    \b
    overview   counts by type and status, completeness, bytes
    durations  mean and percentiles of queue, run and total time
    failures   rates, reasons, first and last seen, examples
    trends     failure rate and p95 by day, and which groups got worse
    flaky      the same work that ends now well, now badly
    artifacts  counts and bytes by kind and state, and what is missing
    sessions   what each session of fetch asked for and got

    Runs count by their latest revision, failures are final runs that are not completed, and days
    are UTC.
    """
    if html is not None:
        _write_page(name, archive, html, options)
        return ExitCode.OK
    if options["json"] and options["format"] not in (None, "json"):
        raise UsageError("--json and another --format were given", hint="Give one of them")
    if name is None:
        _list(is_json=options["json"] or options["format"] == "json")
        return ExitCode.OK
    from archiver.cli.output.formats import ending_format
    from archiver.cli.output.report import write_report
    from archiver.query.reports.run import run_report
    from archiver.store.lock import open_archive
    from archiver.system.atomic import require_outside

    output = options["output"]
    chosen = "json" if options["json"] else options["format"] or ending_format(output) or "table"
    if chosen not in FORMATS:
        raise UsageError(f"reports are not written as {chosen}", hint=f"Use {', '.join(FORMATS)}")
    by = By(options["by"]) if options["by"] else None
    asked = AskedReport(REPORTS[name], _filters(options), by)
    names = _tables(asked, options["table"], chosen)
    limit = options["limit"]
    if limit is None:
        limit = _GLANCE if chosen in ("table", "markdown") else 0
    storage = open_archive(archive)
    require_outside(output, storage.root)
    damaged: list[str] = []
    tables = run_report(storage, asked, damaged)
    for problem in damaged:
        click.echo(f"left out: {problem}", err=True)
    cut = write_report(asked, [t for t in tables if t.name in names], chosen, output, limit)
    for table, count in cut.items():
        click.echo(f"{table}: {limit} of {count:,} rows; --limit 0 shows all", err=True)
    return ExitCode.DAMAGED if damaged else ExitCode.OK


def _write_page(name: str | None, archive: Path, html: Path, options: Mapping[str, Any]) -> None:
    from datetime import UTC, datetime

    from archiver.query.page.page import draw_page
    from archiver.store.lock import open_archive
    from archiver.system.atomic import require_outside, text_output

    others = [
        f"--{option}"
        for option in _OF_TABLES
        if options[option] is not None and options[option] is not False
    ]
    if name is not None or others:
        raise UsageError(
            f"--html cannot be combined with {', '.join(others) or name}",
            hint="The page has all reports; choose runs by --since, --until, --run-type, "
            "--status and --workflow",
        )
    storage = open_archive(archive)
    require_outside(html, storage.root)
    with text_output(html) as stream:  # whether it can be written is known before it is drawn
        page = draw_page(storage, _filters(options), datetime.now(UTC))
        stream.write(page)
    click.echo(
        f"The report is in {html}, {readable_bytes(len(page.encode()))}: open it in a browser"
    )


def _filters(options: Mapping[str, Any]) -> Filters:
    return Filters(
        options["since"],
        options["until"],
        options["run_type"],
        options["status"],
        options["workflow"],
    )


def _tables(asked: AskedReport, table: str | None, chosen: str) -> list[str]:
    names = [name for name, _ in asked.report.tables]
    if table is None:
        return names[:1] if chosen in _ONE_TABLE else names
    if table not in names:
        raise UsageError(
            f"the report {asked.report.name} has no table {table}",
            hint=f"It has {', '.join(names)}",
        )
    return [table]


def _list(*, is_json: bool) -> None:
    if is_json:
        import json

        document = [
            {
                "report": asked.name,
                "question": asked.question,
                "tables": dict(asked.tables),
                "by": asked.groups,
                "default": asked.default,
            }
            for asked in REPORTS.values()
        ]
        click.echo(json.dumps(document, indent=2))
        return
    for asked in REPORTS.values():
        click.echo(f"{asked.name:<10} {asked.question}")
        click.echo(f"{'':<10} --table {', '.join(name for name, _ in asked.tables)}")
        click.echo(f"{'':<10} --by {', '.join(asked.groups)}")
