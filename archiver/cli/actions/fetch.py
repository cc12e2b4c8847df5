"""What ``archiver fetch`` does."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom

import click

from archiver.cli.output.preview import show_preview
from archiver.cli.output.session import reporter, summary_text
from archiver.cli.output.text import print_json
from archiver.cli.run_ids import IdArguments
from archiver.cli.signals import interruptible
from archiver.cli.signing import SigningArguments
from archiver.errors import ArchiverError, UsageError
from archiver.fetch.answer import RunOptions
from archiver.fetch.events import Event, EventSink
from archiver.fetch.http.api import checked_base_url, checked_key
from archiver.fetch.http.client import Timeouts
from archiver.fetch.http.proxies import Proxies, read_proxies
from archiver.fetch.http.tls import TlsOptions, tls_context
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.plan import Selection
from archiver.fetch.preview import preview
from archiver.fetch.session import fetch
from archiver.masking.names import words_of
from archiver.masking.redaction import RedactionRules
from archiver.model.artifact import ArtifactKind
from archiver.model.ids import RunId
from archiver.system.processes import core_count
from archiver.system.stop import StopSwitch

CLOUD = "https://api.skyvern.com"
_SLOWEST = 0.001
"""Requests a second: nobody waits for years."""


@dataclass(frozen=True, kw_only=True)
class FetchArguments(IdArguments, SigningArguments):
    """What the command line, the environment and the config file say. Sizes are in bytes."""

    archive: Path
    refresh: bool
    only: Sequence[str]
    without: Sequence[str]
    without_name: tuple[str, ...]
    without_type: tuple[str, ...]
    redact: tuple[str, ...]
    redact_path: tuple[str, ...]
    unmask: tuple[str, ...]
    max_file_size: int | None
    settle: timedelta
    local_artifacts: Path | None
    dry_run: bool
    api_concurrency: int
    download_concurrency: int
    max_requests_per_second: float | None
    max_bandwidth: int | None
    workers: int | None
    connect_timeout: timedelta
    stall_timeout: timedelta
    attempts: int
    max_document_size: int
    fsync: bool
    mode: int | None
    insecure: bool
    client_cert: Path | None
    client_key: Path | None
    quiet: bool
    log_format: str
    json: bool


def run(given: FetchArguments) -> int:
    """Fetch, show what happens, and return the exit code."""
    warnings: list[str] = []
    ids = given.read(warnings.append)
    options = fetch_options(given)
    warnings += _warnings(given, options.proxies)
    if given.dry_run:
        return _dry_run(ids, given, options, warnings)
    with (
        reporter(given.log_format, quiet=given.quiet) as report,
        interruptible(report.notice) as stop,
    ):
        for warning in warnings:
            report.warn(warning)
        try:
            summary = fetch(ids, options, _context(report.take, stop))
        except ArchiverError as error:  # it could not even begin
            report.fail(error)
            return error.exit_code
        report.close(summary)
        if summary.has_nothing:
            report.warn(
                f"none of the runs could be had from {options.base_url}: check SKYVERN_BASE_URL, "
                "and that the key is of the organization that the runs belong to"
            )
        for problem in filter(None, (summary.unstamped, summary.stopped_by)):
            report.fail(problem)
    with contextlib.suppress(OSError):  # whoever reads or not, the exit code is true
        if given.json:
            print_json(summary.to_json())
        elif not given.quiet:
            click.echo(summary_text(summary, in_lines=sys.stdout.isatty()))
    return summary.exit_code


def _dry_run(
    ids: list[RunId], given: FetchArguments, options: FetchOptions, warnings: list[str]
) -> int:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    with interruptible() as stop:
        previews = preview(ids, options, _context(_ignore, stop))
        return show_preview(previews, asked=len(ids), as_json=given.json)


def _ignore(_event: Event) -> None:
    """A dry run shows no progress."""


def _context(report: EventSink, stop: StopSwitch) -> Context:
    return Context(lambda: datetime.now(UTC), SystemRandom(), report, stop)


def fetch_options(given: FetchArguments) -> FetchOptions:
    """Return what a session is to do. Raises UsageError where that contradicts itself."""
    key = checked_key(os.environ.get("SKYVERN_API_KEY", ""))
    rules = RedactionRules(given.redact, given.redact_path).checked()
    redaction = rules.redaction()
    return FetchOptions(
        archive=given.archive,
        base_url=checked_base_url(os.environ.get("SKYVERN_BASE_URL") or CLOUD),
        key=key,
        run=RunOptions(_selection(given), given.settle, (key,), rules, _unmasked(given)),
        # A pattern may be what is to be masked.
        signing=given.signing(
            secret=frozenset({"redact", "redact_path"}), mask=redaction.text if redaction else str
        ),
        refresh=given.refresh,
        api_concurrency=given.api_concurrency,
        download_concurrency=given.download_concurrency,
        timeouts=Timeouts(
            _seconds(given.connect_timeout, "--connect-timeout"),
            _seconds(given.stall_timeout, "--stall-timeout"),
        ),
        attempts=given.attempts,
        local_artifacts=given.local_artifacts,
        max_document_size=given.max_document_size,
        tls=_tls(given),
        proxies=read_proxies(os.environ),
        fsync=given.fsync,
        mode=given.mode,
        workers=given.workers or min(4, core_count()),
        max_requests_per_second=_rate(given.max_requests_per_second),
        max_bandwidth=_bandwidth(given.max_bandwidth),
    )


def _selection(given: FetchArguments) -> Selection:
    kinds = frozenset(
        kind
        for kind in ArtifactKind
        if (kind in given.only if given.only else kind not in given.without)
    )
    for pattern in given.without_type:
        if "/" not in pattern:
            raise UsageError(
                f"--without-type {pattern!r} is no pattern of media types",
                hint="They have a slash, as in 'video/*'",
            )
    return Selection(kinds, given.max_file_size, given.without_name, given.without_type)


def _unmasked(given: FetchArguments) -> tuple[str, ...]:
    for name in given.unmask:
        if not words_of(name):
            raise UsageError(f"--unmask {name!r} is no name of a field", hint="As in 'page_token'")
    return given.unmask


def _tls(given: FetchArguments) -> TlsOptions:
    """What the user says of TLS. Raises UsageError where a certificate or its key is of no use."""
    chosen = TlsOptions(not given.insecure, given.client_cert, given.client_key)
    tls_context(chosen)  # what is wrong with it is said before anything begins
    return chosen


def _warnings(given: FetchArguments, proxies: Proxies) -> Iterator[str]:
    yield from proxies.warnings
    if given.insecure:
        yield (
            "TLS certificates are not checked (--insecure): whoever is on the way can read the API "
            "key and change what is archived"
        )
    if not given.fsync:
        yield (
            "nothing is made durable (--no-fsync): after a power cut or a crash of the system, "
            "runs that were said to be held may be damaged or gone; check with archiver verify"
        )


def _seconds(duration: timedelta, name: str) -> float:
    if not duration:
        raise UsageError(f"{name} must be longer than zero")
    return duration.total_seconds()


def _rate(per_second: float | None) -> float | None:
    if per_second is not None and not per_second >= _SLOWEST:  # what is no number neither
        raise UsageError(f"--max-requests-per-second must be {_SLOWEST} or more")
    return per_second


def _bandwidth(size: int | None) -> int | None:
    if size == 0:
        raise UsageError("--max-bandwidth must be more than zero")
    return size
