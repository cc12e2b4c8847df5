"""``archiver export``: chosen runs handed over to others, or the tables to other programs."""

from typing import Any

import click

from archiver.cli.command import READS, Command
from archiver.cli.options import (
    OUTPUT_MODE,
    CommandT,
    archive_option,
    choice_options,
    json_option,
    mode_option,
    several,
)
from archiver.cli.param_types import Location, Size

_PLACE = Location()


def package_options(command: CommandT) -> CommandT:
    """The packages that chosen runs are written to."""
    return several(
        command,
        click.option(
            "--bagit",
            type=_PLACE,
            metavar="DIR",
            help="Write the chosen runs to a new folder, as a BagIt bag.",
        ),
        click.option(
            "--ro-crate",
            type=_PLACE,
            metavar="DIR",
            help="Write the chosen runs to a new folder, as a Process Run Crate.",
        ),
        click.option(
            "--zip",
            type=Location(endings=(".zip",)),
            metavar="FILE",
            help="Write the chosen runs to one ZIP file: a bag, or, with --ro-crate and "
            "without --bagit, a crate.",
        ),
        click.option(
            "--zip-holds",
            type=click.Choice(["bagit", "ro-crate"]),
            metavar="FORM",
            help="What is in the ZIP file, bagit or ro-crate.  [default: as above]",
        ),
        click.option(
            "--organization",
            metavar="NAME",
            help="Who hands the runs over: stands in the package.",
        ),
        click.option(
            "--link",
            is_flag=True,
            help="Hard links to the archive's files, where the file system can: quick and "
            "without room, but whoever edits such a file edits the archive's. Without it files "
            "are cloned where the file system can (Btrfs, XFS), else copied.",
        ),
    )


def table_options(command: CommandT) -> CommandT:
    """The files that the tables are written to."""
    return several(
        command,
        click.option(
            "--duckdb",
            type=_PLACE,
            metavar="FILE",
            help="Write a DuckDB database with all tables and views.",
        ),
        click.option(
            "--csv",
            type=_PLACE,
            metavar="DIR",
            help="Write the views to a new folder, one CSV file each.",
        ),
        click.option(
            "--parquet",
            type=_PLACE,
            metavar="DIR",
            help="Write the views to a new folder, one Parquet file each.",
        ),
        click.option(
            "--only",
            multiple=True,
            metavar="VIEW",
            help="Write only this view (and, into a database, what it is made of; repeatable).",
        ),
    )


@click.command(
    cls=Command,
    groups={
        "Which runs": ("ids", "column", "where"),
        "Packages of them": ("bagit", "ro_crate", "zip", "zip_holds", "organization", "link"),
        "Tables": ("duckdb", "csv", "parquet", "only"),
    },
    examples={
        "archiver export tsk_123 wr_456 --bagit case-17": "Hand two runs over, as a BagIt bag.",
        "archiver export --where \"status = 'failed'\" --zip failed.zip": "Hand over all that "
        "failed, in one file.",
        "archiver export --duckdb runs.duckdb": "Write all tables to a DuckDB database.",
        "archiver export --csv tables --only runs --only errors": "Write two views as CSV.",
    },
    exit_codes=READS
    | {
        0: "all was written",
        3: "runs are not in the archive, or the system refuses to write",
        4: "what was to be written is damaged",
        130: "interrupted",
    },
)
@choice_options
@package_options
@archive_option
@table_options
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@mode_option(OUTPUT_MODE)
@click.option(
    "--memory",
    type=Size(),
    default="1GB",
    show_default=True,
    help="How much memory DuckDB may take; it sets aside beside the target what is more.",
)
@json_option
def export(**options: Any) -> None:
    """Hand the archive on: chosen runs to people, or the tables to other programs.

    \b
    Runs      archiver export tsk_1 wr_2 --bagit DIR, --ro-crate DIR or --zip FILE
              archiver export --where "status = 'failed'" --zip FILE
    Tables    archiver export --duckdb FILE, --csv DIR or --parquet DIR

    A package has the latest revision of each run: its files under their true names, made safe, its
    document and manifest, tables, and the proof of each run with the ledger's signatures and time
    stamps. Every file is checked on the way. HOW-TO-CHECK.txt in it says how others do that.

    The tables' database file works by itself, in DuckDB 1.4 and later. The tables' folders hold
    each run's latest revision (runs, documents, artifacts, errors) with fetches, checks,
    failures, durations and daily. All are written aside, and are there when they are whole.
    """
    from archiver.cli.actions import export as action

    del options["mode"]  # it counts from before the command begins
    action.run(action.ExportArguments(**options))
