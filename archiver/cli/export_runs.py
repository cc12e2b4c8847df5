"""``archiver export`` of chosen runs: the options, and the packages that they ask for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archiver.cli.output.text import printable, readable_bytes
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.export.package import Place, WrittenPackage
    from archiver.tables.choose import Choice

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
PACKAGES = ("bagit", "ro_crate", "zip")
_OF_RUNS = ("run_ids", "ids", "where")
_MOST_NAMED = 5


def run_options(command: CommandT) -> CommandT:
    """What chooses runs, and the packages that they are written to."""
    place = click.Path(path_type=Path)
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
                type=place,
                metavar="DIR",
                help="Write the chosen runs to a new folder, as a BagIt bag.",
            ),
            click.option(
                "--ro-crate",
                type=place,
                metavar="DIR",
                help="Write the chosen runs to a new folder, as a Process Run Crate.",
            ),
            click.option(
                "--zip",
                type=place,
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

    from archiver.cli.packing import packing_progress
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


def _places(options: dict[str, Any]) -> "Sequence[Place]":
    from archiver.export.package import Form, Place

    places = []
    if options["bagit"] is not None:
        places.append(Place(Form.BAG, options["bagit"]))
    if options["ro_crate"] is not None:
        places.append(Place(Form.CRATE, options["ro_crate"]))
    if options["zip"] is not None:
        is_crate = options["ro_crate"] is not None and options["bagit"] is None
        form = options["zip_holds"] or (Form.CRATE if is_crate else Form.BAG)
        places.append(Place(Form(form), options["zip"], is_zip=True))
    if len({place.path.absolute() for place in places}) < len(places):
        raise UsageError("two packages cannot be in one place", hint="Name one for each")
    return places


def package_json(written: "WrittenPackage") -> dict[str, Any]:
    """A package as the command's JSON has it."""
    return {
        "format": written.place.form.value,
        "path": str(written.place.path),
        "zip": written.place.is_zip,
        "runs": written.runs,
        "files": written.files,
        "bytes": written.bytes,
        "artifacts": {way.value: count for way, count in sorted(written.ways.items())},
        "without_proof": list(written.unproven),
    }


def print_package(written: "WrittenPackage") -> None:
    """A package, for people."""
    ways = ", ".join(f"{count} {way.value}" for way, count in sorted(written.ways.items()))
    runs = "1 run" if written.runs == 1 else f"{written.runs} runs"
    click.echo(
        f"{written.place.path}  {runs}, {written.files} files, {readable_bytes(written.bytes)}"
        + (f"; of the archive's {ways}" if ways else "")
    )


def warn_of_unproven(run_ids: Sequence[str]) -> None:
    """Say which runs have no proof, if there are any."""
    if run_ids:
        named = ", ".join(run_ids[:_MOST_NAMED]) + (" …" if len(run_ids) > _MOST_NAMED else "")
        why = "no list of the ledger has them"
        click.echo(printable(f"warning: without a proof, for {why}: {named}"), err=True)
