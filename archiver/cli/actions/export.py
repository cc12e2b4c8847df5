"""What ``archiver export`` does."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from archiver.cli.output.progress import Amount, Display, display
from archiver.cli.output.text import counted, print_json, printable, readable_bytes
from archiver.cli.run_ids import ChoiceArguments
from archiver.errors import UsageError
from archiver.export.package import Destination, Form, PackageOptions, WrittenPackage, export_runs
from archiver.export.tables import ExportOptions, WrittenFile, export_database, export_files
from archiver.store.archive_file import open_archive

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class ExportArguments(ChoiceArguments):
    """What the command line, the environment and the config file say; ``memory`` is in bytes."""

    bagit: Path | None
    ro_crate: Path | None
    zip: Path | None
    zip_holds: str | None
    organization: str | None
    link: bool
    archive: Path
    duckdb: Path | None
    csv: Path | None
    parquet: Path | None
    only: Sequence[str]
    overwrite: bool
    memory: int
    json: bool


def run(given: ExportArguments) -> None:
    """Write packages or tables, and say what was written."""
    started = perf_counter()
    document: dict[str, Any]
    if _are_packages(given):
        packages = _write_packages(given)
        if packages:
            _warn_of_unproven(packages[0].unproven)
        document = {"packages": list(map(_package_json, packages))}
        lines = list(map(_package_line, packages)) or ["nothing to do"]
    else:
        written = _write_tables(given)
        document = {
            "files": [
                {"format": w.format, "path": str(w.path), "rows": dict(w.rows), "bytes": w.bytes}
                for w in written
            ]
        }
        lines = list(map(_file_line, written))
    if given.json:
        document["seconds"] = round(perf_counter() - started, 3)
        print_json(document)
        return
    for line in lines:
        click.echo(printable(line))


def _are_packages(given: ExportArguments) -> bool:
    """Whether packages of runs are asked for. Raises UsageError where only half of that is said."""
    has_packages = any((given.bagit, given.ro_crate, given.zip))
    if has_packages and any((given.duckdb, given.csv, given.parquet)):
        raise UsageError(
            "packages hold chosen runs, --duckdb, --csv and --parquet all that there are",
            hint="Use two commands",
        )
    if given.is_given and not has_packages:
        raise UsageError(
            "runs are chosen, but no package for them", hint="Use --bagit, --ro-crate or --zip"
        )
    return has_packages


def _write_packages(given: ExportArguments) -> list[WrittenPackage]:
    choice = given.choice()
    storage = open_archive(given.archive)
    if not choice:  # the sources of ids are empty
        return []
    with display() as shown_on:
        packing = _Packing(shown_on)
        return export_runs(
            storage,
            choice,
            _destinations(given),
            PackageOptions(
                packing.begins,
                packing.advance,
                given.organization,
                given.link,
                given.overwrite,
                given.memory,
            ),
            datetime.now(UTC),
        )


class _Packing:
    """Shows how far each package is."""

    def __init__(self, shown_on: Display) -> None:
        self._display = shown_on
        self._amount = Amount()

    def begins(self, destination: Destination, files: int, size: int) -> None:
        what = counted(files, "file")
        self._amount = Amount(f"{destination.path.name}, {what}", files, size)
        self._display.start(self._amount)
        self._display.say(f"packing {what}, {readable_bytes(size)}, to {destination.path}")

    def advance(self, size: int) -> None:
        self._amount.done += 1
        self._amount.bytes += size
        self._display.update(self._amount)


def _destinations(given: ExportArguments) -> list[Destination]:
    destinations = []
    if given.bagit is not None:
        destinations.append(Destination(Form.BAG, given.bagit))
    if given.ro_crate is not None:
        destinations.append(Destination(Form.CRATE, given.ro_crate))
    if given.zip is not None:
        is_crate = given.ro_crate is not None and given.bagit is None
        form = given.zip_holds or (Form.CRATE if is_crate else Form.BAG)
        destinations.append(Destination(Form(form), given.zip, is_zip=True))
    if len({destination.path.absolute() for destination in destinations}) < len(destinations):
        raise UsageError("two packages cannot be in one place", hint="Name one for each")
    return destinations


def _write_tables(given: ExportArguments) -> list[WrittenFile]:
    storage = open_archive(given.archive)
    chosen = ExportOptions(_begins, given.only, given.overwrite, given.memory)
    written: list[WrittenFile] = []
    if given.duckdb is not None:
        written.append(export_database(storage, given.duckdb, chosen, datetime.now(UTC)))
    for file_format, folder in (("csv", given.csv), ("parquet", given.parquet)):
        if folder is not None:
            written += export_files(storage, folder, file_format, chosen)
    if not written:
        raise UsageError(
            "it is not said what to write",
            hint="Use --bagit, --ro-crate, --zip, --duckdb, --csv or --parquet",
        )
    return written


def _begins(name: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"writing {name} …", err=True)


def _warn_of_unproven(run_ids: Sequence[str]) -> None:
    if run_ids:
        named = ", ".join(run_ids[:_MOST_NAMED]) + (" …" if len(run_ids) > _MOST_NAMED else "")
        why = "no list of the ledger has them"
        click.echo(printable(f"warning: without a proof, for {why}: {named}"), err=True)


def _package_json(written: WrittenPackage) -> dict[str, Any]:
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


def _package_line(written: WrittenPackage) -> str:
    methods = ", ".join(
        f"{count} {method.value}" for method, count in sorted(written.methods.items())
    )
    holds = f"{counted(written.runs, 'run')}, {counted(written.files, 'file')}"
    size = readable_bytes(written.bytes)
    return f"{written.destination.path}  {holds}, {size}" + (
        f"; of the archive's {methods}" if methods else ""
    )


def _file_line(file: WrittenFile) -> str:
    rows = ", ".join(f"{name} {count:,}" for name, count in file.rows.items())
    return f"{file.path}  {readable_bytes(file.bytes)}  rows: {rows}"
