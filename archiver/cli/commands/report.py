"""``archiver report``: ready-made analyses."""

from typing import Any

import click

from archiver.cli.command import READS, Command
from archiver.cli.options import (
    OUTPUT_MODE,
    REPORT_FORMATS,
    archive_option,
    chosen_format,
    format_options,
    mode_option,
)
from archiver.cli.param_types import Location, Moment
from archiver.query.reports.options import REPORTS, By


@click.command(
    cls=Command,
    groups={
        "Which runs": ("since", "until", "run_type", "status", "workflow"),
        "What is shown of them": ("by", "table", "limit"),
        "How it is written": ("format", "json", "output", "html", "mode"),
    },
    examples={
        "archiver report": "List the reports, with their tables and groups.",
        "archiver report failures --since 30d": "Show what failed in the last 30 days, and why.",
        "archiver report durations --by workflow --json": "Show how long the workflows take.",
        "archiver report --html report.html": "Draw all reports as one page, with charts.",
    },
    exit_codes=READS
    | {
        0: "the report was written",
        3: "the system refuses, as where a disk is full",
        4: "the tables, or parts of the ledger, cannot be read",
    },
)
@click.argument("name", required=False, type=click.Choice(list(REPORTS)), metavar="[NAME]")
@archive_option
@click.option("--since", type=Moment(), help="Runs created from then on: 2026-11-01, or 30d ago.")
@click.option(
    "--until",
    type=Moment(is_end=True),
    help="Runs created before then; a day counts whole.",
)
@click.option("--run-type", multiple=True, metavar="TYPE", help="Runs of this type (repeatable).")
@click.option(
    "--status", multiple=True, metavar="STATUS", help="Runs with this status (repeatable)."
)
@click.option("--workflow", multiple=True, metavar="ID", help="Runs of this workflow (repeatable).")
@click.option(
    "--by",
    type=click.Choice([by.value for by in By]),
    metavar="GROUP",
    help=f"What rows are grouped by: {', '.join(By)}.  [default: as the report says]",
)
@format_options(REPORT_FORMATS)
@click.option(
    "--table",
    metavar="TABLE",
    help="Only this one of the report's tables; csv and parquet have one.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Rows of each table at most, 0 for all.  [default: 40 as table or markdown, else all]",
)
@click.option("--output", type=Location(dir_okay=False), help="File for the result.")
@click.option(
    "--html",
    type=Location(dir_okay=False, endings=(".html", ".htm")),
    help="Write everything as one page, with charts, to this file (without NAME).",
)
@mode_option(OUTPUT_MODE)
def report(**options: Any) -> int:
    """Show ready-made analyses; without NAME, which there are.

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
    from archiver.cli.actions import report as action

    del options["mode"]  # it counts from before the command begins
    return action.run(action.ReportArguments(**chosen_format(options)))
