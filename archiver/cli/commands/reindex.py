"""``archiver reindex``: rebuild the tables."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.options import archive_option, json_option
from archiver.errors import ExitCode

if TYPE_CHECKING:
    from archiver.store.lock import Writer


@click.command()
@click.option(
    "--compact",
    is_flag=True,
    help="Only merge the tables' files, without reading the manifests; fetch does it by itself "
    "where they are many.",
)
@archive_option
@json_option
def reindex(compact: bool, archive: Path, **options: Any) -> int:
    """Rebuild the tables from the manifests alone; readers see the old ones until it is done."""
    import secrets
    from datetime import UTC, datetime

    from archiver.session import open_for_writing
    from archiver.store.lock import open_archive

    open_archive(archive)
    now = datetime.now(UTC)
    with open_for_writing(archive, now, secrets.token_bytes(4)) as writer:
        return _compact(writer, **options) if compact else _rebuild(writer, **options)


def _compact(writer: "Writer", **options: Any) -> int:
    from archiver.session import recover
    from archiver.tables.rewrite import compact

    recover(writer)
    after, before = compact(writer, check_stop=lambda: None)
    if options["json"]:
        click.echo(json.dumps({"files": {"before": before, "after": after}}, indent=2))
    elif before:
        click.echo(f"{before} table files were merged into {after}")
    else:
        click.echo("no table files are left to be merged")
    return ExitCode.OK


def _rebuild(writer: "Writer", **options: Any) -> int:
    from archiver.tables.rebuild import reindex as run_reindex

    damaged: list[str] = []
    count = run_reindex(writer, damaged)
    for problem in damaged:
        click.echo(f"left out: {problem}", err=True)
    if options["json"]:
        click.echo(json.dumps({"revisions": count, "damaged": damaged}, indent=2))
    else:
        click.echo(f"{count} revisions are in the tables, {len(damaged)} left out")
    return ExitCode.DAMAGED if damaged else ExitCode.OK
