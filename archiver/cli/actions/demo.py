"""What ``archiver demo`` does."""

import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom

import click

from archiver.cli.output.formats import write_result
from archiver.cli.output.session import reporter, summary_text
from archiver.cli.output.text import counted, readable_bytes
from archiver.cli.signals import interruptible
from archiver.demo.runs import demo_runs
from archiver.demo.server import DemoServer
from archiver.errors import ExitCode
from archiver.fetch.answer import RunOptions
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.plan import Selection
from archiver.fetch.session import fetch
from archiver.model.ids import RunId
from archiver.query.sql import run_query
from archiver.store.archive_file import open_archive
from archiver.verify.verify import verify

_KEY = "demo-key"
_QUESTIONS = (
    (
        "How did the runs end, and how long did they take?",
        "SELECT status, count(*) AS runs, round(median(run_seconds), 1) AS median_seconds "
        "FROM runs GROUP BY ALL ORDER BY runs DESC, status",
    ),
    (
        "What failed, and why?",
        "SELECT run_id, status, error_codes, failure_reason FROM failures ORDER BY created_at",
    ),
    (
        "What was kept of which kind?",
        "SELECT kind, state, count(*) AS artifacts, sum(size) AS bytes "
        "FROM artifacts GROUP BY ALL ORDER BY kind, state",
    ),
)


def run(archive: Path | None) -> int:
    """Show the whole story, and return the exit code; without ``archive`` in a new folder."""
    folder = archive or Path(tempfile.mkdtemp(prefix="archiver-demo-"))
    server = DemoServer(
        demo_runs(datetime.now(UTC)),
        api_key=_KEY,
        signing_secret=secrets.token_bytes(32),
        clock=time.time,
    )
    with server, reporter("text", quiet=True) as report, interruptible() as stop:
        click.echo(f"A Skyvern-compatible server runs at {server.base_url}")
        click.echo(f"with {counted(len(server.run_ids), 'run')}. Fetching them into {folder} …\n")
        summary = fetch(
            [RunId(text) for text in server.run_ids],
            FetchOptions(
                archive=folder,
                base_url=server.base_url,
                key=_KEY,
                run=RunOptions(Selection(), timedelta(minutes=10), (_KEY,)),
            ),
            Context(lambda: datetime.now(UTC), SystemRandom(), report.take, stop),
        )
    click.echo(summary_text(summary, in_lines=sys.stdout.isatty()))
    storage = open_archive(folder)
    verified = verify(storage)
    findings = verified.findings
    click.echo(
        f"Verified {counted(verified.files, 'file')}, {readable_bytes(verified.bytes)}: "
        + (f"{len(findings)} damaged" if findings else "all intact")
    )
    for question, sql in _QUESTIONS:
        click.echo(f'\n{question}\n  archiver query "{sql}"')
        sys.stdout.flush()
        write_result(run_query(storage, sql), "table", None)
    click.echo(f"\nThe archive is in {folder}; README.txt in it says what is where. Ask it more:")
    click.echo(f'  archiver query --archive {folder} "FROM durations"')
    click.echo(f"  archiver show --archive {folder} {server.run_ids[0]}")
    return ExitCode.DAMAGED if findings else summary.exit_code
