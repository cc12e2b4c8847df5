"""What ``archiver hold``, ``release`` and ``accept`` do."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from archiver.cli.output.text import counted, print_json, printable
from archiver.cli.run_ids import ChoiceArguments
from archiver.cli.signing import SigningArguments
from archiver.errors import ExitCode, UsageError
from archiver.retention.hold import decide
from archiver.store.archive_file import open_archive

_DONE = {"hold": "put on hold", "release": "released", "accept": "accepted as they are"}


@dataclass(frozen=True, kw_only=True)
class DecisionArguments(ChoiceArguments, SigningArguments):
    """What the command line, the environment and the config file say."""

    archive: Path
    reason: str | None
    json: bool


def run(kind: str, given: DecisionArguments) -> int:
    """Decide, and return the exit code."""
    choice, reason = given.choice(), reason_of(given.reason)
    if not choice:
        return _nothing(given)
    # The condition may say what is to be forgotten some day.
    signing = given.signing(secret=frozenset({"where"}))
    decided = decide(
        given.archive,
        kind,
        reason,
        choice,
        signing,
        lambda: datetime.now(UTC),
        secrets.token_bytes(4),
    )
    closed = decided.closed
    if closed.unstamped is not None:
        click.echo(f"Error: {printable(str(closed.unstamped))}", err=True)
    if given.json:
        document = {"session": decided.session, "head": closed.head, "runs": decided.run_ids}
        print_json(document)
    else:
        click.echo(
            f"{counted(len(decided.run_ids), 'run is', 'runs are')} {_DONE[kind]}. "
            f"Session {decided.session}, ledger head {closed.head}"
        )
    return ExitCode.INCOMPLETE if closed.unstamped else ExitCode.OK


def _nothing(given: DecisionArguments) -> int:
    """Say that there was nothing to decide: the sources of ids are empty."""
    open_archive(given.archive)  # raises where there is none
    if given.json:
        print_json({"session": None, "head": None, "runs": []})
    else:
        click.echo("nothing to do")
    return ExitCode.OK


def reason_of(text: str | None) -> str:
    """Return why. Raises UsageError where it is not said."""
    reason = (text or "").strip()
    if not reason:
        raise UsageError("it is not said why", hint="Give a --reason; it is kept in the ledger")
    return reason
