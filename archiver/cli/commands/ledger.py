"""``archiver ledger``: what was done with the archive, record by record."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.options import archive_option, json_option
from archiver.cli.output.text import printable
from archiver.errors import ExitCode

if TYPE_CHECKING:
    from archiver.workflows.ledger_shown import ShownRecord

_COLUMNS = (
    *(("session", False), ("kind", False), ("by", False), ("runs", True), ("revisions", True)),
    *(("signed", False), ("stamped", False), ("sha256", False)),
)


@click.command()
@archive_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="The last so many records, 0 for all.",
)
@json_option
def ledger(archive: Path, limit: int, **options: Any) -> int:
    """Show the ledger: one record per session, each with the digest of the one before.

    The digest of the last record is the head. Whoever notes it can tell later whether anything
    before it was changed: `archiver verify` and `archiver check-proof --head` compare.
    """
    from archiver.store.lock import open_archive
    from archiver.workflows.ledger_shown import shown_records

    damaged: list[str] = []
    records = shown_records(open_archive(archive), limit, damaged)
    for problem in damaged:
        click.echo(f"left out: {printable(problem)}", err=True)
    if options["json"]:
        head = records[-1].sha256 if records else None
        documents = [record.to_json() for record in records]
        click.echo(json.dumps({"head": head, "records": documents}, indent=2, ensure_ascii=False))
    else:
        _print(records)
    return ExitCode.DAMAGED if damaged else ExitCode.OK


def _print(records: "list[ShownRecord]") -> None:
    from archiver.cli.output.tables import print_table

    if not records:
        click.echo("the ledger is empty")
        return
    rows = [
        (
            shown.record.session,
            shown.record.kind + (", interrupted" if shown.record.interrupted else ""),
            f"{by.user} on {by.host}" if (by := shown.record.by) else "",
            f"{shown.record.ids_asked:,}",
            f"{shown.record.manifests:,}",
            "yes" if shown.is_signed else "",
            "yes" if shown.is_stamped else "",
            shown.sha256,
        )
        for shown in records
    ]
    print_table(_COLUMNS, rows, sys.stdout)
    click.echo(f"head {records[-1].sha256}")
