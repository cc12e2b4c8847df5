"""``archiver export``: chosen runs handed over to others, or the tables to other programs."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.export_runs import (
    are_chosen,
    package_json,
    print_package,
    run_options,
    warn_of_unproven,
    write_packages,
)
from archiver.cli.options import Size, archive_option, json_option
from archiver.cli.output.text import readable_bytes
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.export.tables import Written


@click.command()
@run_options
@archive_option
@click.option(
    "--duckdb",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a DuckDB database with all tables and views.",
)
@click.option(
    "--csv",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the views to a new folder, one CSV file each.",
)
@click.option(
    "--parquet",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the views to a new folder, one Parquet file each.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="VIEW",
    help="Write only this view (and, into a database, what it is made of). Repeatable.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@click.option(
    "--memory",
    type=Size(),
    default="1GB",
    show_default=True,
    help="How much memory DuckDB may take; it sets aside beside the target what is more.",
)
@json_option
def export(archive: Path, **options: Any) -> None:
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
    from time import perf_counter

    started = perf_counter()
    if are_chosen(options):
        packages = write_packages(archive, options)
        warn_of_unproven(packages[0].unproven)
        if options["json"]:
            seconds = round(perf_counter() - started, 3)
            shown = {"packages": list(map(package_json, packages)), "seconds": seconds}
            click.echo(json.dumps(shown, indent=2))
            return
        for package in packages:
            print_package(package)
        return
    written = _written(archive, options)
    seconds = perf_counter() - started
    if options["json"]:
        files = [
            {"format": w.format, "path": str(w.path), "rows": dict(w.rows), "bytes": w.bytes}
            for w in written
        ]
        click.echo(json.dumps({"files": files, "seconds": round(seconds, 3)}, indent=2))
        return
    for file in written:
        rows = ", ".join(f"{name} {count:,}" for name, count in file.rows.items())
        click.echo(f"{file.path}  {readable_bytes(file.bytes)}  rows: {rows}")


def _begins(name: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"writing {name} …", err=True)


def _written(archive: Path, options: dict[str, Any]) -> "list[Written]":
    from datetime import UTC, datetime

    from archiver.export.tables import ExportOptions, export_database, export_files
    from archiver.store.lock import open_archive

    storage = open_archive(archive)
    chosen = ExportOptions(_begins, options["only"], options["overwrite"], options["memory"])
    written: list[Written] = []
    if options["duckdb"] is not None:
        written.append(export_database(storage, options["duckdb"], chosen, datetime.now(UTC)))
    for file_format in ("csv", "parquet"):
        if options[file_format] is not None:
            written += export_files(storage, options[file_format], file_format, chosen)
    if not written:
        raise UsageError(
            "it is not said what to write",
            hint="Use --bagit, --ro-crate, --zip, --duckdb, --csv or --parquet",
        )
    return written
