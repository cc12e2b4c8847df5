"""What ``archiver hold``, ``release`` and ``accept`` do."""

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from archiver.cli.output.tables import print_table
from archiver.cli.output.text import printable
from archiver.cli.run_ids import ChoiceArguments
from archiver.cli.signing import SigningArguments
from archiver.errors import ExitCode, UsageError
from archiver.ledger.decisions import Decision, runs_accepted, runs_on_hold
from archiver.retention.hold import decide
from archiver.store.lock import open_archive

_DONE = {"hold": "put on hold", "release": "released", "accept": "accepted as they are"}
_LISTED = {"hold": runs_on_hold, "accept": runs_accepted}
_COLUMNS = (("run_id", False), ("since", False), ("by", False), ("reason", False))


@dataclass(frozen=True, kw_only=True)
class DecisionArguments(ChoiceArguments, SigningArguments):
    """What the command line, the environment and the config file say."""

    archive: Path
    reason: str | None
    json: bool
    is_list: bool = False


def run(kind: str, given: DecisionArguments) -> int:
    """Decide, or show what was decided, and return the exit code."""
    if given.is_list:
        return _show(_LISTED[kind](open_archive(given.archive)), as_json=given.json)
    choice, reason = given.choice(), reason_of(given.reason)
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
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(
            f"{len(decided.run_ids)} runs are {_DONE[kind]}. "
            f"Session {decided.session}, ledger head {closed.head}"
        )
    return ExitCode.INCOMPLETE if closed.unstamped else ExitCode.OK


def reason_of(text: str | None) -> str:
    """Return why. Raises UsageError where it is not said."""
    reason = (text or "").strip()
    if not reason:
        raise UsageError("it is not said why", hint="Give a --reason; it is kept in the ledger")
    return reason


def _show(decisions: Mapping[str, Decision], *, as_json: bool) -> int:
    if as_json:
        shown = [{"run_id": run, **decision.to_json()} for run, decision in decisions.items()]
        click.echo(json.dumps({"runs": shown}, indent=2, ensure_ascii=False))
    elif not decisions:
        click.echo("there are none")
    else:
        rows = [
            (run, f"{d.at:%Y-%m-%d %H:%M}", f"{d.by.user} on {d.by.host}" if d.by else "", d.reason)
            for run, d in decisions.items()
        ]
        print_table(_COLUMNS, rows, sys.stdout)
    return ExitCode.OK
