"""``archiver verify``: does the archive still hold what it says."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.options import archive_option, json_option
from archiver.cli.text import printable, readable_bytes
from archiver.errors import ExitCode

if TYPE_CHECKING:
    from archiver.workflows.verify import Finding


@click.command()
@archive_option
@json_option
def verify(archive: Path, **options: Any) -> int:
    """Check every file against its manifest: size and SHA-256. Exit code 4 when one differs."""
    from archiver.adapters.archive import open_archive
    from archiver.workflows.verify import verify as run_verify

    revisions = files = read = 0
    findings: list[Finding] = []
    for checked in run_verify(open_archive(archive)):
        revisions += 1
        files += checked.files
        read += checked.bytes
        findings += checked.findings
        for finding in checked.findings:
            click.echo(printable(f"damaged: {finding.path}: {finding.problem}"), err=True)
    if options["json"]:
        document = {
            "revisions": revisions,
            "files": files,
            "bytes": read,
            "findings": [{"path": f.path, "problem": f.problem} for f in findings],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        verdict = f"{len(findings)} damaged" if findings else "all intact"
        click.echo(
            f"{revisions} revisions, {files} files, {readable_bytes(read)} checked: {verdict}"
        )
    return ExitCode.DAMAGED if findings else ExitCode.OK
