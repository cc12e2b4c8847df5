"""``archiver reindex``: rebuild the tables."""

import json
from pathlib import Path
from typing import Any

import click

from archiver.cli.options import archive_option, json_option
from archiver.errors import ExitCode


@click.command()
@archive_option
@json_option
def reindex(archive: Path, **options: Any) -> int:
    """Rebuild the tables from the manifests alone; readers see the old ones until it is done."""
    import secrets
    from datetime import UTC, datetime

    from archiver.adapters.archive import hold_archive, open_archive
    from archiver.workflows.tables import reindex as run_reindex

    open_archive(archive)
    now = datetime.now(UTC)
    damaged: list[str] = []
    with hold_archive(archive, now, secrets.token_bytes(4)) as writer:
        count = run_reindex(writer, damaged)
    for problem in damaged:
        click.echo(f"left out: {problem}", err=True)
    if options["json"]:
        click.echo(json.dumps({"revisions": count, "damaged": damaged}, indent=2))
    else:
        click.echo(f"{count} revisions are in the tables, {len(damaged)} left out")
    return ExitCode.DAMAGED if damaged else ExitCode.OK
