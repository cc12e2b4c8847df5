"""What ``archiver verify`` shows: how far it is, and its two verdicts in words."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from archiver.cli.output.text import printable, readable_bytes
from archiver.verify.findings import Finding, GapKind, VerifyReport, by_run

if TYPE_CHECKING:
    from archiver.verify.verify import VerifyProgress

_LINE_EVERY = 10.0
"""Seconds between plain lines of progress."""
_MOST_GAPS = 20
_GAPS = {
    GapKind.ARTIFACT: "artifacts could not be had: `archiver fetch` tries again",
    GapKind.UNFINISHED: "runs were not final or settled: `archiver fetch` asks again",
    GapKind.NEVER_HAD: "ids were asked for and never had",
    GapKind.INTERRUPTED: "sessions were interrupted",
}


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[["VerifyProgress"], None]]:
    """Who shows how far it is: a bar on a terminal, a plain line now and then otherwise."""
    if quiet or sys.stderr is None:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _lines()


@contextlib.contextmanager
def _bar() -> Iterator[Callable[["VerifyProgress"], None]]:
    from rich import progress as bars
    from rich.console import Console

    with bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("revisions", total=None)

        def show(at: "VerifyProgress") -> None:
            found = f", {at.findings} findings" if at.findings else ""
            bar.update(
                task,
                completed=at.revisions,
                total=max(at.total, at.revisions) or None,
                description=f"revisions, {readable_bytes(at.bytes)}{found}",
            )

        yield show


def _lines() -> Callable[["VerifyProgress"], None]:
    last = time.monotonic()

    def show(at: "VerifyProgress") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_EVERY:
            last = now
            click.echo(
                f"{at.revisions}/{max(at.total, at.revisions)} revisions, "
                f"{readable_bytes(at.bytes)} read, {at.findings} findings so far",
                err=True,
            )

    return show


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
        f"{report.revisions} revisions{skipped}, {report.files} files, "
        f"{readable_bytes(report.bytes)} read"
    )
    damaged = len(report.findings)
    click.echo(f"integrity: {f'{damaged} damaged' if damaged else 'all intact'}")
    gaps, accepted = len(report.open_gaps), len(report.gaps) - len(report.open_gaps)
    verdict = f"{gaps} gaps" if gaps else "nothing is missing"
    click.echo(f"completeness: {verdict}{f', {accepted} accepted' if accepted else ''}")
    if head is not None:
        click.echo(f"ledger head {head}")


def _line(finding: Finding) -> str:
    indent = "  " if finding.run_id else ""
    return f"{indent}damaged: {finding.path}: {finding.problem}. {finding.todo}"


def _write_gaps(report: VerifyReport) -> None:
    for kind, meaning in _GAPS.items():
        gaps = [gap for gap in report.gaps if gap.kind is kind]
        if gaps:
            click.echo(f"{len(gaps)} {meaning}")
        for gap in gaps[:_MOST_GAPS]:
            accepted = " (accepted)" if gap.is_accepted else ""
            click.echo(printable(f"  {gap.id}: {gap.what}{accepted}"))
        if len(gaps) > _MOST_GAPS:
            click.echo(f"  and {len(gaps) - _MOST_GAPS} more: --json has them all")
