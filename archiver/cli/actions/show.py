"""What ``archiver show`` does."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from archiver.cli.output.text import print_json, printable, readable_bytes
from archiver.errors import ExitCode
from archiver.model.ids import RunId
from archiver.model.rows import Outcome
from archiver.query.show import last_answer, show_run
from archiver.store.archive_file import open_archive


@dataclass(frozen=True, kw_only=True)
class ShowArguments:
    """What the command line, the environment and the config file say."""

    run_id: str
    archive: Path
    json: bool


def run(given: ShowArguments) -> int:
    """Show a run, and return the exit code."""
    asked = RunId(given.run_id)
    storage = open_archive(given.archive)
    shown = show_run(storage, asked)
    if shown is None:
        why = _why_not(asked, last_answer(storage, asked))
        message = f"Error: the archive {given.archive} does not hold {asked}. {why}"
        click.echo(printable(message), err=True)
        return ExitCode.INCOMPLETE
    if given.json:
        print_json(shown)
    else:
        _print(shown)
    return ExitCode.OK


def _why_not(asked: RunId, last: tuple[str, str | None, datetime] | None) -> str:
    """What is known of an id that the archive does not hold."""
    if last is None:
        return f"`archiver fetch {asked}` fetches it"
    outcome, reason, at = last
    said = "the API did not know it" if outcome == Outcome.NOT_FOUND else f"it {outcome}"
    why = f" ({reason})" if reason else ""
    return f"When it was last asked for, {at:%Y-%m-%d %H:%M} UTC, {said}{why}"


def _print(shown: dict[str, Any]) -> None:
    run = shown["run"]
    state = "complete" if run["is_complete"] else "settled" if run["is_settled"] else "not settled"
    click.echo(f"{run['run_id']}  {_short(run['status'])}  revision {run['revision']}, {state}")
    for name, said in (("hold", "on hold since"), ("accepted", "accepted as it is since")):
        _print_decision(said, shown[name])
    if (removal := shown["removal"]) is not None:
        _print_decision(removal["kind"], removal)
    for name, value in run.items():
        if value not in (None, [], "") and name not in ("run_id", "status", "revision"):
            click.echo(f"  {name:<24} {_short(value)}")
    for error in shown["errors"]:
        code = _short(error["error_code"])
        click.echo(f"  error {error['ordinal']}: {code} {_short(error['reasoning'])}")
    click.echo("artifacts")
    for artifact in shown["artifacts"] or ():
        name = f"{artifact['kind']} {artifact['ordinal']}"
        size = readable_bytes(artifact["size"]) if artifact["size"] is not None else ""
        place = shown["location"][artifact["path"]] if artifact["path"] else artifact["reason"]
        click.echo(f"  {name:<14} {artifact['state']:<11} {size:>9}  {printable(place)}")
        if artifact["filename"]:
            click.echo(f"  {'':<14} named {artifact['filename']!r}")
    if not shown["artifacts"]:
        click.echo("  none")


def _print_decision(said: str, decision: dict[str, Any] | None) -> None:
    if decision is not None:
        by = decision["by"] and decision["by"]["user"]
        who = f" by {_short(by)}" if by else ""
        click.echo(f"  {said} {decision['at'][:10]}{who}: {_short(decision['reason'])}")


def _short(value: Any) -> str:
    text = printable(str(value).replace("\n", " "))
    return text if len(text) <= 200 else text[:199] + "…"
