"""What ``archiver show`` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from archiver.cli.output.text import print_json, printable, readable_bytes
from archiver.errors import ExitCode
from archiver.model.ids import RunId
from archiver.model.rows import Outcome
from archiver.query.show import last_asked, show_run
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
        why = _why_not(last_asked(storage, asked))
        hint = f"`archiver fetch {asked}` fetches it"
        click.echo(
            f"Error: the archive {given.archive} does not hold {asked}{why}. {hint}", err=True
        )
        return ExitCode.INCOMPLETE
    if given.json:
        print_json(shown)
    else:
        _print(shown)
    return ExitCode.OK


def _why_not(fetched: dict[str, Any] | None) -> str:
    """What came of an id the last time that it was asked for."""
    if fetched is None:
        return ": it was never asked for"
    said = f"{fetched['at']:%Y-%m-%d %H:%M} UTC (session {fetched['session']})"
    if fetched["outcome"] == Outcome.NOT_FOUND:
        return f": the API did not know it on {said}"
    reason = fetched["reason"]
    return f": it could not be had on {said}: {_short(reason)}" if reason else ""


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
