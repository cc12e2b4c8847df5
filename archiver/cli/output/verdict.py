"""What ``archiver verify`` shows: its two verdicts, in words."""

import click

from archiver.cli.output.text import counted, printable, readable_bytes
from archiver.verify.findings import Finding, GapKind, VerifyReport, by_run

_MOST_GAPS = 20
_GAPS = {
    GapKind.ARTIFACT: ("artifact", "artifacts", "could not be had: `archiver fetch` tries again"),
    GapKind.UNFINISHED: (
        *("run was", "runs were"),
        "not final or settled: `archiver fetch` asks again",
    ),
    GapKind.NEVER_HAD: ("id was", "ids were", "asked for and never had"),
    GapKind.INTERRUPTED: ("session was", "sessions were", "interrupted"),
}


def write_report(report: VerifyReport, head: str | None, *, as_json: bool) -> None:
    """The findings by run and the notes on standard error; the verdicts, unless they are there
    ``as_json``, on standard output."""
    for run_id, findings in by_run(report.findings).items():
        if run_id:
            click.echo(printable(f"run {run_id}:"), err=True)
        for finding in findings:
            click.echo(printable(_line(finding)), err=True)
    for note in report.notes:
        click.echo(printable(f"note: {note}"), err=True)
    if report.interrupted:
        click.echo(
            "interrupted: the same command with --resume goes on, --rotate does by itself", err=True
        )
    if as_json:
        return
    _write_gaps(report)
    skipped = f" ({report.skipped} not looked at)" if report.skipped else ""
    click.echo(
        f"{counted(report.revisions, 'revision')}{skipped}, {counted(report.files, 'file')}, "
        f"{readable_bytes(report.bytes)} read"
    )
    damaged = len(report.findings)
    click.echo(f"integrity: {f'{damaged} damaged' if damaged else 'all intact'}")
    gaps, accepted = len(report.open_gaps), len(report.gaps) - len(report.open_gaps)
    verdict = counted(gaps, "gap") if gaps else "nothing is missing"
    click.echo(f"completeness: {verdict}{f', {accepted} accepted' if accepted else ''}")
    if head is not None:
        click.echo(f"ledger head {head}")


def _line(finding: Finding) -> str:
    indent = "  " if finding.run_id else ""
    return f"{indent}damaged: {finding.path}: {finding.problem}. {finding.todo}"


def _write_gaps(report: VerifyReport) -> None:
    for kind, (one, many, meaning) in _GAPS.items():
        gaps = [gap for gap in report.gaps if gap.kind is kind]
        if gaps:
            click.echo(f"{counted(len(gaps), one, many)} {meaning}")
        for gap in gaps[:_MOST_GAPS]:
            accepted = " (accepted)" if gap.is_accepted else ""
            click.echo(printable(f"  {gap.id}: {gap.what}{accepted}"))
        if len(gaps) > _MOST_GAPS:
            click.echo(f"  and {len(gaps) - _MOST_GAPS} more: --json has them all")
