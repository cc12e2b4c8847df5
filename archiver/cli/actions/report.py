"""What ``archiver report`` does."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from archiver.cli.options import REPORT_FORMATS
from archiver.cli.output.formats import ending_format
from archiver.cli.output.report import write_report
from archiver.cli.output.text import counted, print_json, printable, readable_bytes
from archiver.errors import ExitCode, UsageError
from archiver.query.page.page import draw_page
from archiver.query.reports.options import (
    OVERVIEW,
    REPORTS,
    SESSIONS,
    AskedReport,
    By,
    Filters,
)
from archiver.query.reports.run import run_report, without_runs
from archiver.store.archive_file import open_archive
from archiver.store.storage import LocalStorage
from archiver.system.atomic import require_outside, text_output

_ONE_TABLE = ("csv", "parquet")
_OF_A_REPORT = (
    "since",
    "until",
    "run_type",
    "status",
    "workflow",
    "by",
    "table",
    "limit",
    "output",
)
"""Options that say nothing of a list of the reports."""
_GLANCE = 40
"""Rows that people are shown of a table."""


@dataclass(frozen=True, kw_only=True)
class ReportArguments:
    """What the command line, the environment and the config file say."""

    name: str | None
    archive: Path
    since: datetime | None
    until: datetime | None
    run_type: tuple[str, ...]
    status: tuple[str, ...]
    workflow: tuple[str, ...]
    by: str | None
    format: str | None
    table: str | None
    limit: int | None
    output: Path | None
    html: Path | None

    @property
    def filters(self) -> Filters:
        return Filters(self.since, self.until, self.run_type, self.status, self.workflow)


def run(given: ReportArguments) -> int:
    """Write a report, the page of all reports, or a list of them; return the exit code."""
    if given.html is not None:
        _write_page(given, given.html)
        return ExitCode.OK
    if given.name is None:
        _require_list_alone()
        _list(is_json=given.format == "json")
        return ExitCode.OK
    chosen = given.format or ending_format(given.output) or "table"
    if chosen not in REPORT_FORMATS:
        raise UsageError(
            f"reports are not written as {chosen}", hint=f"Use {', '.join(REPORT_FORMATS)}"
        )
    asked = AskedReport(REPORTS[given.name], given.filters, By(given.by) if given.by else None)
    names = _tables(asked, given.table, chosen)
    limit = given.limit
    if limit is None:
        limit = _GLANCE if chosen in ("table", "markdown") else 0
    storage = open_archive(given.archive)
    require_outside(given.output, storage.root)
    damaged: list[str] = []
    _note_if_none(storage, asked)
    tables = run_report(storage, asked, damaged)
    if asked.report is SESSIONS and not tables[0].rows.num_rows:
        click.echo("no session of fetch fits: `archiver ledger` shows which there are", err=True)
    for problem in damaged:
        click.echo(f"left out: {printable(problem)}", err=True)
    cut = write_report(asked, [t for t in tables if t.name in names], chosen, given.output, limit)
    for table, count in cut.items():
        click.echo(f"{table}: {limit} of {counted(count, 'row')}; --limit 0 shows all", err=True)
    return ExitCode.DAMAGED if damaged else ExitCode.OK


def _require_list_alone() -> None:
    """Raises UsageError where the command line says how a report is to be, and not which."""
    context = click.get_current_context()
    others = [
        f"--{name.replace('_', '-')}"
        for name in _OF_A_REPORT
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if others:
        raise UsageError(
            f"{', '.join(others)}: of which report? It needs a NAME",
            hint=f"Use {', '.join(REPORTS)}",
        )


def _write_page(given: ReportArguments, html: Path) -> None:
    # What the page does not have.
    without = {
        "json" if given.format == "json" else "format": given.format,
        "by": given.by,
        "table": given.table,
        "limit": given.limit,
        "output": given.output,
    }
    others = [f"--{option}" for option, value in without.items() if value is not None]
    if given.name is not None or others:
        raise UsageError(
            f"--html cannot be combined with {', '.join(others) or given.name}",
            hint="The page has all reports; choose runs by --since, --until, --run-type, "
            "--status and --workflow",
        )
    storage = open_archive(given.archive)
    require_outside(html, storage.root)
    _note_if_none(storage, AskedReport(OVERVIEW, given.filters))
    with text_output(html) as stream:  # whether it can be written is known before it is drawn
        page = draw_page(storage, given.filters, datetime.now(UTC))
        stream.write(page)
    click.echo(
        f"The report is in {html}, {readable_bytes(len(page.encode()))}: open it in a browser"
    )


def _note_if_none(storage: LocalStorage, asked: AskedReport) -> None:
    if (note := without_runs(storage, asked, datetime.now(UTC))) is not None:
        click.echo(printable(note), err=True)


def _tables(asked: AskedReport, table: str | None, chosen: str) -> list[str]:
    names = [name for name, _ in asked.report.tables]
    if table is None:
        return names[:1] if chosen in _ONE_TABLE else names
    if table not in names:
        raise UsageError(
            f"the report {asked.report.name} has no table {table}",
            hint=f"It has {', '.join(names)}",
        )
    return [table]


def _list(*, is_json: bool) -> None:
    if is_json:
        document = [
            {
                "report": asked.name,
                "question": asked.question,
                "tables": dict(asked.tables),
                "by": asked.groups,
                "default": asked.default,
            }
            for asked in REPORTS.values()
        ]
        print_json(document)
        return
    for asked in REPORTS.values():
        click.echo(f"{asked.name:<10} {asked.question}")
        click.echo(f"{'':<10} --table {', '.join(name for name, _ in asked.tables)}")
        click.echo(f"{'':<10} --by {', '.join(asked.groups)}")
