"""``archiver fetch``: the main job."""

from typing import Any

import click

from archiver.cli.command import WRITES, Command
from archiver.cli.options import (
    PASSPHRASE_MEANING,
    CommandT,
    archive_option,
    ids_options,
    json_option,
    mode_option,
    several,
    signing_options,
    stronger,
)
from archiver.cli.param_types import Duration, Line, Location, Size
from archiver.errors import UsageError

KINDS = ("recording", "screenshot", "download")
GROUPS = {
    "Which runs": ("ids", "column", "refresh", "dry_run"),
    "What is kept of them": (
        *("only", "without", "without_name", "without_type", "max_file_size"),
        *("settle", "local_artifacts"),
    ),
    "What is masked": ("redact", "redact_path", "unmask"),
    "Speed and limits": (
        *("api_concurrency", "download_concurrency", "workers"),
        *("max_requests_per_second", "max_bandwidth", "max_document_size"),
    ),
    "Connections": (
        "connect_timeout",
        "stall_timeout",
        "attempts",
        "client_cert",
        "client_key",
        "insecure",
    ),
    "The archive": ("archive", "mode", "fsync", "sign_key", "tsa_url", "tsa_timeout"),
    "What is shown": ("quiet", "log_format", "json"),
}


def selection_options(command: CommandT) -> CommandT:
    """Which artifacts are kept, and what is masked."""
    return several(
        command,
        click.option(
            "--only",
            multiple=True,
            type=click.Choice([*KINDS, "none"]),
            metavar="KIND",
            help="Keep only artifacts of this kind, recording, screenshot or download "
            "(repeatable); none: the metadata alone.",
        ),
        click.option(
            "--without",
            multiple=True,
            type=click.Choice(KINDS),
            metavar="KIND",
            help="Leave artifacts of this kind out (repeatable).",
        ),
        click.option(
            "--without-name",
            type=Line(),
            multiple=True,
            metavar="PATTERN",
            help="Leave files of such a name out, for example '*.exe' (repeatable).",
        ),
        click.option(
            "--without-type",
            type=Line(),
            multiple=True,
            metavar="PATTERN",
            help="Leave files of such a media type out, for example 'video/*' (repeatable).",
        ),
        click.option(
            "--redact",
            type=Line(),
            multiple=True,
            metavar="REGEX",
            help="Mask what matches in all texts that are kept, by *** (RE2; repeatable).",
        ),
        click.option(
            "--redact-path",
            type=Line(),
            multiple=True,
            metavar="JSONPATH",
            help="Mask what stands there in answers, for example '$.output.name' (repeatable).",
        ),
        click.option(
            "--unmask",
            type=Line(),
            multiple=True,
            metavar="KEY",
            help="Keep values of fields of this name, although it is a secret's, for example "
            "'next_page_token' (repeatable).",
        ),
        click.option(
            "--max-file-size",
            type=Size(),
            help="Leave larger files out, for example 500MB.  [default: none]",
        ),
    )


@click.command(
    cls=Command,
    groups=GROUPS,
    environment={
        "SKYVERN_API_KEY": "The API's key, which is needed.",
        "SKYVERN_BASE_URL": "The API's address.  [default: https://api.skyvern.com]",
        **PASSPHRASE_MEANING,
    },
    examples={
        "archiver fetch tsk_123 wr_456": "Fetch two runs into ./archive.",
        "archiver fetch --ids ids.csv --column run_id": "Fetch the runs whose ids a file has.",
        "archiver fetch --ids - --json < ids.txt": "Take ids from standard input; say as JSON "
        "what came of them.",
        "archiver fetch --ids ids.txt --dry-run": "Show what would be fetched, write nothing.",
        "archiver fetch tsk_123 --without-type 'video/*'": "Keep all but videos.",
    },
    exit_codes=WRITES
    | {
        0: "all that was asked for is held, or not settled yet",
        3: "some runs or artifacts could not be had, or the record has no time stamp",
        12: "the API refused the key",
    },
)
@ids_options
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
    type=Location(exists=True, file_okay=False),
    help="Folder below which file:// URLs of a self-hosted server may be read.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be asked and fetched, write nothing."
)
@click.option(
    "--api-concurrency",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    metavar="N",
    help="Requests to the API at a time.",
)
@click.option(
    "--download-concurrency",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    metavar="N",
    help="Downloads at a time.",
)
@click.option(
    "--max-requests-per-second",
    type=click.FLOAT,
    metavar="N",
    help="Ask the API no faster than that; where it answers 429, it is asked slower anyway.",
)
@click.option(
    "--max-bandwidth",
    type=Size(),
    help="Download no more than that a second, for example 10MB.  [default: any]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes that share the work where there are 500 ids or more; all limits are for them "
    "together.  [default: one per core, 4 at most]",
)
@click.option(
    "--connect-timeout",
    type=Duration(in_seconds=True),
    default="10s",
    show_default=True,
    help="Give up a server that takes no connection for so long.",
)
@click.option(
    "--stall-timeout",
    type=Duration(in_seconds=True),
    default="30s",
    show_default=True,
    help="Give a request up that makes no progress for so long.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    metavar="N",
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
@mode_option(
    "Rights of files in the archive, as 0640 for those who share it; folders get what belongs to "
    "it.  [default: by the rights of the archive's folder; a new one is yours alone, 0600]"
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Accept any TLS certificate: whoever is on the way can read the key and change what is "
    "archived. SSL_CERT_FILE names the authority of a self-signed server.",
)
@click.option(
    "--client-cert",
    type=Location(),
    envvar="ARCHIVER_CLIENT_CERT",
    show_envvar=True,
    help="File in PEM with the certificate to show to servers that ask for one.",
)
@click.option(
    "--client-key",
    type=Location(),
    envvar="ARCHIVER_CLIENT_KEY",
    show_envvar=True,
    help="File in PEM with its key, not encrypted [default: in --client-cert]",
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
    from archiver.cli.actions import fetch as action

    if options["only"] and options["without"]:
        counts = stronger("only", "without")
        if counts is None:
            raise UsageError("--only and --without exclude each other")
        options["without" if counts == "only" else "only"] = ()
    return action.run(action.FetchArguments(**options))
