"""What ``archiver query`` does."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from archiver.cli.output.formats import ending_format
from archiver.cli.output.tables import Screen
from archiver.cli.prompt.answer import Settings, answer
from archiver.errors import UsageError
from archiver.query.sql import Attached, Limits, run_query
from archiver.store.archive_file import open_archive

_PARAMETER = re.compile(r"([A-Za-z_]\w*|[1-9]\d*)=(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class QueryArguments:
    """What the command line, the environment and the config file say."""

    sql: str | None
    archive: Path
    param: Sequence[str]
    attach: Sequence[Path]
    format: str | None
    output: Path | None
    max_rows: int
    pager: bool
    timing: bool
    allow_files: bool
    timeout: timedelta | None
    memory: int | None


def run(given: QueryArguments) -> None:
    """Answer the query, or begin the prompt where there is none."""
    ask = partial(
        run_query,
        open_archive(given.archive),
        parameters=_parameters(given.param),
        attached=[Attached.parse(str(named)) for named in given.attach],
        allow_files=given.allow_files,
        limits=Limits(
            given.timeout.total_seconds() if given.timeout is not None else None, given.memory
        ),
    )
    settings = Settings(
        given.archive,
        given.format or ending_format(given.output) or "table",
        given.output,
        given.timing,
        Screen(given.max_rows, given.pager),
    )
    if given.sql is None and sys.stdin.isatty() and sys.stdout.isatty():
        # What draws it takes long to import, and few questions need it.
        from archiver.cli.prompt.prompt import run_prompt

        run_prompt(partial(ask, spare=True), settings)
    else:
        answer(_text_of(given.sql), ask, settings)


def _parameters(texts: Sequence[str]) -> dict[str, str]:
    parameters = {}
    for text in texts:
        match = _PARAMETER.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no parameter", hint="Write --param name=value")
        parameters[match[1]] = match[2]
    return parameters


def _text_of(sql: str | None) -> str:
    if sql is None and sys.stdin.isatty():
        raise UsageError("there is no SQL", hint="Give a query; only a terminal gets a prompt")
    reads_input = sql in (None, "-")
    if sql is not None and not reads_input and not sql.endswith(".sql"):
        return sql
    try:
        data = sys.stdin.buffer.read() if sql is None or reads_input else Path(sql).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        name = "standard input" if reads_input else sql
        raise UsageError(f"cannot read {name}: {said}") from None
