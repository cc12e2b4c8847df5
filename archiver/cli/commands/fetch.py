"""``archiver fetch``: the main job."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from archiver.cli.options import Duration, Line, Size, archive_option, json_option
from archiver.cli.signing import signing, signing_options
from archiver.errors import ArchiverError, UsageError

if TYPE_CHECKING:
    from archiver.fetch.options import Context, FetchOptions
    from archiver.fetch.plan import Selection
    from archiver.masking.redaction import RedactionRules

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

KINDS = ("recording", "screenshot", "download")


def selection_options(command: CommandT) -> CommandT:
    """Which artifacts are kept, and what is masked."""
    for option in (
        click.option(
            "--max-file-size",
            type=Size(),
            help="Leave larger files out, for example 500MB [default: none]",
        ),
        click.option(
            "--redact-path",
            type=Line(),
            multiple=True,
            metavar="JSONPATH",
            help="Mask what stands there in answers, for example '$.output.name' (repeatable).",
        ),
        click.option(
            "--redact",
            type=Line(),
            multiple=True,
            metavar="REGEX",
            help="Mask what matches in all texts that are kept, by *** (RE2; repeatable).",
        ),
        click.option(
            "--without-type",
            type=Line(),
            multiple=True,
            metavar="PATTERN",
            help="Leave files of such a media type out, for example 'video/*' (repeatable).",
        ),
        click.option(
            "--without-name",
            type=Line(),
            multiple=True,
            metavar="PATTERN",
            help="Leave files of such a name out, for example '*.exe' (repeatable).",
        ),
        click.option(
            "--without",
            multiple=True,
            type=click.Choice(KINDS),
            help="Leave artifacts of this kind out (repeatable).",
        ),
        click.option(
            "--only",
            multiple=True,
            type=click.Choice([*KINDS, "none"]),
            help="Keep only artifacts of this kind (repeatable); none: the metadata alone.",
        ),
    ):
        command = option(command)
    return command


def selection(options: dict[str, Any]) -> "Selection":
    """Which artifacts the user wants. Raises UsageError where that contradicts itself."""
    from archiver.fetch.plan import Selection
    from archiver.model.artifact import ArtifactKind

    only, without = _chosen_kinds(options)
    kinds = frozenset(
        kind for kind in ArtifactKind if (kind in only if only else kind not in without)
    )
    names, types = options["without_name"], options["without_type"]
    for pattern in types:
        if "/" not in pattern:
            raise UsageError(
                f"--without-type {pattern!r} is no pattern of media types",
                hint="They have a slash, as in 'video/*'",
            )
    return Selection(kinds, options["max_file_size"], names, types)


def redaction_rules(options: dict[str, Any]) -> "RedactionRules":
    """What the user wants masked. Raises UsageError where a pattern or a path is none."""
    from archiver.masking.redaction import RedactionRules

    return RedactionRules(options["redact"], options["redact_path"]).checked()


def _chosen_kinds(options: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``--only`` and ``--without``: one of them; the command line overrides the environment's or
    the config file's."""
    only, without = options["only"], options["without"]
    if only and without:
        source = click.get_current_context().get_parameter_source
        given = {name: source(name) is ParameterSource.COMMANDLINE for name in ("only", "without")}
        if given["only"] == given["without"]:
            raise UsageError("--only and --without exclude each other")
        return (only, ()) if given["only"] else ((), without)
    return only, without


CLOUD = "https://api.skyvern.com"
_SLOWEST = 0.001
"""Requests a second: nobody waits for years."""


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option(
    "--ids",
    multiple=True,
    metavar="FILE",
    help="File with run ids, - for standard input: an id a line, or CSV, NDJSON, Parquet.",
)
@click.option(
    "--column",
    default="run_id",
    show_default=True,
    help="The column of CSV, NDJSON or Parquet files that holds the ids.",
)
@archive_option
@click.option("--refresh", is_flag=True, help="Ask for runs that are held complete too.")
@selection_options
@click.option(
    "--settle",
    type=Duration(),
    default="10m",
    show_default=True,
    help="Take artifacts only so long after a run's end: before, the service may replace them.",
)
@click.option(
    "--local-artifacts",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder below which file:// URLs of a self-hosted server may be read.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be asked and fetched, write nothing."
)
@click.option("--api-concurrency", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--download-concurrency", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option(
    "--max-requests-per-second",
    type=click.FLOAT,
    help="Ask the API no faster than that; where it answers 429, it is asked slower anyway.",
)
@click.option(
    "--max-bandwidth",
    type=Size(),
    help="Download no more than that a second, for example 10MB [default: any]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes that share the work where there are 500 ids or more; all limits are for them "
    "together [default: one per core, 4 at most]",
)
@click.option("--connect-timeout", type=Duration(), default="10s", show_default=True)
@click.option(
    "--stall-timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    help="Give a request up that makes no progress for so long.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="How often a request is made at most.",
)
@click.option(
    "--max-document-size",
    type=Size(),
    default="64MB",
    show_default=True,
    help="Refuse larger answers of the API.",
)
@click.option(
    "--fsync/--no-fsync",
    default=True,
    show_default=True,
    help="Make each run durable before it counts. Without, a power cut may lose or damage runs.",
)
@click.option(
    "--insecure", is_flag=True, help="Accept any TLS certificate (self-signed servers). Dangerous."
)
@signing_options
@click.option("--quiet", is_flag=True, help="Say nothing but what could not be had.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="Progress on standard error: bars on a terminal, else lines; text: lines; json: NDJSON.",
)
@json_option
def fetch(**options: Any) -> int:
    """Fetch runs and keep them: metadata, recordings, screenshots and files.

    Runs that the archive holds complete are not asked for again. RUN_IDs come from arguments, from
    files (--ids) and from standard input (-).
    """
    from archiver.cli.run_ids import read_ids

    ids = read_ids(options["run_ids"], options["ids"], options["column"])
    chosen = _fetch_options(options)
    if options["dry_run"]:
        for warning in _warnings(options):
            click.echo(f"warning: {warning}", err=True)
        return _dry_run(ids, chosen, as_json=options["json"])
    from archiver.cli.progress import reporter, summary_line
    from archiver.cli.signals import interruptible
    from archiver.fetch.session import fetch as run_fetch

    with (
        reporter(options["log_format"], quiet=options["quiet"]) as report,
        interruptible(report.notice) as stop,
    ):
        for warning in _warnings(options):
            report.warn(warning)
        try:
            summary = run_fetch(ids, chosen, _surroundings(report.take, stop))
        except ArchiverError as error:  # it could not even begin
            report.fail(error)
            return error.exit_code
        report.close(summary)
        for problem in filter(None, (summary.unstamped, summary.stopped_by)):
            report.fail(problem)
    with contextlib.suppress(OSError):  # whoever reads or not, the exit code is true
        if options["json"]:
            click.echo(json.dumps(summary.to_json(), indent=2))
        elif not options["quiet"]:
            click.echo(summary_line(summary))
    return summary.exit_code


def _fetch_options(options: dict[str, Any]) -> "FetchOptions":
    import os

    from archiver.fetch.answer import RunOptions
    from archiver.fetch.http.api import checked_base_url, checked_key
    from archiver.fetch.http.client import Timeouts
    from archiver.fetch.options import FetchOptions

    key = checked_key(os.environ.get("SKYVERN_API_KEY", ""))
    rules = redaction_rules(options)
    redaction = rules.redaction()
    return FetchOptions(
        archive=options["archive"],
        base_url=checked_base_url(os.environ.get("SKYVERN_BASE_URL") or CLOUD),
        key=key,
        run=RunOptions(
            selection(options),
            options["settle"],
            (key,),
            rules,
        ),
        # A pattern may be what is to be masked.
        signing=signing(
            options,
            secret=frozenset({"redact", "redact_path"}),
            mask=redaction.text if redaction else str,
        ),
        refresh=options["refresh"],
        api_concurrency=options["api_concurrency"],
        download_concurrency=options["download_concurrency"],
        timeouts=Timeouts(
            _seconds(options["connect_timeout"], "--connect-timeout"),
            _seconds(options["stall_timeout"], "--stall-timeout"),
        ),
        attempts=options["attempts"],
        local_artifacts=options["local_artifacts"],
        max_document_size=options["max_document_size"],
        verify_tls=not options["insecure"],
        fsync=options["fsync"],
        workers=options["workers"] or min(4, _cores()),
        max_requests_per_second=_rate(options["max_requests_per_second"]),
        max_bandwidth=_above_zero(options["max_bandwidth"], "--max-bandwidth"),
    )


def _warnings(options: dict[str, Any]) -> Iterator[str]:
    from archiver.fetch.http.client import why_default_transport

    if options["insecure"]:
        yield "TLS certificates are not checked (--insecure)"
    if not options["fsync"]:
        yield (
            "nothing is made durable (--no-fsync): after a power cut or a crash of the system, "
            "runs that were said to be held may be damaged or gone; check with archiver verify"
        )
    if (reason := why_default_transport()) is not None:
        yield f"{reason}; downloads go over httpx's own transport, which is slower"


def _seconds(duration: timedelta, name: str) -> float:
    if not duration:
        raise UsageError(f"{name} must be longer than zero")
    return duration.total_seconds()


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _rate(per_second: float | None) -> float | None:
    if per_second is not None and not per_second >= _SLOWEST:  # what is no number neither
        raise UsageError(f"--max-requests-per-second must be {_SLOWEST} or more")
    return per_second


def _above_zero(size: int | None, name: str) -> int | None:
    if size == 0:
        raise UsageError(f"{name} must be more than zero")
    return size


def _surroundings(report: Any, stop: Any) -> "Context":
    from datetime import UTC, datetime
    from random import SystemRandom

    from archiver.fetch.options import Context

    return Context(lambda: datetime.now(UTC), SystemRandom(), report, stop)


def _ignore(event: object) -> None:
    """A dry run shows no progress."""


def _dry_run(ids: list[Any], options: "FetchOptions", *, as_json: bool) -> int:
    from archiver.cli.output.preview import show_preview
    from archiver.cli.signals import interruptible
    from archiver.fetch.preview import preview

    with interruptible() as stop:
        previews = preview(ids, options, _surroundings(_ignore, stop))
        return show_preview(previews, asked=len(ids), as_json=as_json)
