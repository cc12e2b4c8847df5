"""``archiver export``: chosen runs handed over to others, or the tables to other programs."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archiver.cli.options import Size, archive_option, json_option
from archiver.cli.output.text import printable, readable_bytes
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.export.package import Destination, WrittenPackage
    from archiver.export.tables import WrittenFile
    from archiver.tables.choose import Choice

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
PACKAGES = ("bagit", "ro_crate", "zip")
_OF_RUNS = ("run_ids", "ids", "where")
_MOST_NAMED = 5


def run_options(command: CommandT) -> CommandT:
    """What chooses runs, and the packages that they are written to."""
    destination = click.Path(path_type=Path)
    for decorate in reversed(
        (
            click.argument("run_ids", nargs=-1, metavar="[RUN_ID]..."),
            click.option(
                "--ids",
                multiple=True,
                metavar="FILE",
                help="File with run ids, as fetch takes it; - is standard input. Repeatable.",
            ),
            click.option(
                "--column",
                default="run_id",
                show_default=True,
                help="Column with the ids in CSV, NDJSON and Parquet files.",
            ),
            click.option(
                "--where",
                metavar="SQL",
                help="Choose the runs for which this condition over the view runs holds.",
            ),
            click.option(
                "--bagit",
                type=destination,
                metavar="DIR",
                help="Write the chosen runs to a new folder, as a BagIt bag.",
            ),
            click.option(
                "--ro-crate",
                type=destination,
                metavar="DIR",
                help="Write the chosen runs to a new folder, as a Process Run Crate.",
            ),
            click.option(
                "--zip",
                type=destination,
                metavar="FILE",
                help="Write the chosen runs to one ZIP file: a bag, or, with --ro-crate and "
                "without --bagit, a crate.",
            ),
            click.option(
                "--zip-holds",
                type=click.Choice(["bagit", "ro-crate"]),
                help="What is in the ZIP file [default: as above].",
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
    ):
        command = decorate(command)
    return command


def are_chosen(options: dict[str, Any]) -> bool:
    """Whether packages of runs are asked for. Raises UsageError where only half of that is said."""
    packages = [name for name in PACKAGES if options[name] is not None]
    if packages and any(options[name] is not None for name in ("duckdb", "csv", "parquet")):
        raise UsageError(
            "packages hold chosen runs, --duckdb, --csv and --parquet all that there are",
            hint="Use two commands",
        )
    has_choice = any(options[name] not in (None, ()) for name in _OF_RUNS)
    if has_choice and not packages:
        raise UsageError(
            "runs are chosen, but no package for them", hint="Use --bagit, --ro-crate or --zip"
        )
    if packages and not has_choice:
        raise UsageError(
            "it is not said which runs",
            hint="Name ids, or use --ids FILE or --where SQL (--where true: all)",
        )
    return bool(packages)


def write_packages(archive: Path, options: dict[str, Any]) -> "list[WrittenPackage]":
    """Write the packages that are asked for."""
    from datetime import UTC, datetime

    from archiver.cli.progress import packing_progress
    from archiver.export.package import PackageOptions, export_runs
    from archiver.store.lock import open_archive

    storage = open_archive(archive)
    choice = _choice(options)
    progress = packing_progress()
    try:
        return export_runs(
            storage,
            choice,
            _places(options),
            PackageOptions(
                progress.begins,
                progress.advance,
                options["organization"],
                options["link"],
                options["overwrite"],
                options["memory"],
            ),
            datetime.now(UTC),
        )
    finally:
        progress.close()


def _choice(options: dict[str, Any]) -> "Choice":
    from archiver.cli.run_ids import read_ids
    from archiver.tables.choose import Where

    if options["where"] is None:
        return read_ids(options["run_ids"], options["ids"], options["column"])
    if options["run_ids"] or options["ids"]:
        raise UsageError(
            "runs are chosen by their ids or by --where, not both",
            hint="Put the ids into the condition: run_id IN ('tsk_1', 'tsk_2') AND …",
        )
    return Where(options["where"])


def _places(options: dict[str, Any]) -> "Sequence[Destination]":
    from archiver.export.package import Destination, Form

    places = []
    if options["bagit"] is not None:
        places.append(Destination(Form.BAG, options["bagit"]))
    if options["ro_crate"] is not None:
        places.append(Destination(Form.CRATE, options["ro_crate"]))
    if options["zip"] is not None:
        is_crate = options["ro_crate"] is not None and options["bagit"] is None
        form = options["zip_holds"] or (Form.CRATE if is_crate else Form.BAG)
        places.append(Destination(Form(form), options["zip"], is_zip=True))
    if len({destination.path.absolute() for destination in places}) < len(places):
        raise UsageError("two packages cannot be in one place", hint="Name one for each")
    return places


def package_json(written: "WrittenPackage") -> dict[str, Any]:
    """A package as the command's JSON has it."""
    return {
        "format": written.destination.form.value,
        "path": str(written.destination.path),
        "zip": written.destination.is_zip,
        "runs": written.runs,
        "files": written.files,
        "bytes": written.bytes,
        "artifacts": {method.value: count for method, count in sorted(written.methods.items())},
        "without_proof": list(written.unproven),
    }


def print_package(written: "WrittenPackage") -> None:
    """A package, for people."""
    methods = ", ".join(
        f"{count} {method.value}" for method, count in sorted(written.methods.items())
    )
    path = written.destination.path
    runs = "1 run" if written.runs == 1 else f"{written.runs} runs"
    click.echo(
        f"{path}  {runs}, {written.files} files, {readable_bytes(written.bytes)}"
        + (f"; of the archive's {methods}" if methods else "")
    )


def warn_of_unproven(run_ids: Sequence[str]) -> None:
    """Say which runs have no proof, if there are any."""
    if run_ids:
        named = ", ".join(run_ids[:_MOST_NAMED]) + (" …" if len(run_ids) > _MOST_NAMED else "")
        why = "no list of the ledger has them"
        click.echo(printable(f"warning: without a proof, for {why}: {named}"), err=True)


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


def _written(archive: Path, options: dict[str, Any]) -> "list[WrittenFile]":
    from datetime import UTC, datetime

    from archiver.export.tables import ExportOptions, export_database, export_files
    from archiver.store.lock import open_archive

    storage = open_archive(archive)
    chosen = ExportOptions(_begins, options["only"], options["overwrite"], options["memory"])
    written: list[WrittenFile] = []
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
