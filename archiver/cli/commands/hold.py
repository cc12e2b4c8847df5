"""``archiver hold``, ``release`` and ``accept``: what people decide about runs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archiver.cli.options import archive_option, json_option
from archiver.cli.output.text import printable
from archiver.cli.signing import signing, signing_options
from archiver.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from archiver.ledger.decisions import Decision
    from archiver.tables.choose import Choice

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
_DONE = {"hold": "put on hold", "release": "released", "accept": "accepted as they are"}
_COLUMNS = (("run_id", False), ("since", False), ("by", False), ("reason", False))


def decision_options(command: CommandT) -> CommandT:
    """Which runs, why, and where."""
    for option in reversed(
        (
            click.argument("run_ids", nargs=-1, metavar="[RUN_ID]..."),
            click.option(
                "--ids", multiple=True, metavar="FILE", help="File with run ids, as fetch takes it."
            ),
            click.option(
                "--column", default="run_id", show_default=True, help="Its column with the ids."
            ),
            click.option(
                "--where",
                metavar="SQL",
                help="Runs for which this condition over the view runs holds.",
            ),
            click.option("--reason", help="Why; it stays in the ledger for good: name nobody."),
            archive_option,
            signing_options,
            json_option,
        )
    ):
        command = option(command)
    return command


@click.command()
@click.option("--list", "is_list", is_flag=True, help="Show which runs are on hold, and why.")
@decision_options
def hold(archive: Path, is_list: bool, **options: Any) -> int:
    """Put runs on hold: they are neither pruned nor erased until they are released."""
    if not is_list:
        return _decide("hold", archive, options)
    from archiver.ledger.decisions import runs_on_hold
    from archiver.store.lock import open_archive

    return _show(runs_on_hold(open_archive(archive)), as_json=options["json"])


@click.command()
@decision_options
def release(archive: Path, **options: Any) -> int:
    """End the hold of runs."""
    return _decide("release", archive, options)


@click.command()
@click.option("--list", "is_list", is_flag=True, help="Show which runs are accepted, and why.")
@decision_options
def accept(archive: Path, is_list: bool, **options: Any) -> int:
    """Declare that what is missing of runs will stay so: fetch asks, and fails, for it no more.

    For artifacts that never match, or ids that the API does not know. `fetch --refresh` asks all
    the same.
    """
    if not is_list:
        return _decide("accept", archive, options)
    from archiver.ledger.decisions import runs_accepted
    from archiver.store.lock import open_archive

    return _show(runs_accepted(open_archive(archive)), as_json=options["json"])


def choice_of(options: dict[str, Any]) -> "Choice":
    """The runs that are meant. Raises UsageError where that is not clear."""
    from archiver.cli.run_ids import read_ids
    from archiver.tables.choose import Where

    has_ids = bool(options["run_ids"] or options["ids"])
    if has_ids == (options["where"] is not None):
        raise UsageError("it is not said which runs", hint="Name them by their ids, or by --where")
    if has_ids:
        return read_ids(options["run_ids"], options["ids"], options["column"])
    return Where(options["where"])


def reason_of(options: dict[str, Any]) -> str:
    """Why. Raises UsageError where it is not said."""
    reason = (options["reason"] or "").strip()
    if not reason:
        raise UsageError("it is not said why", hint="Give a --reason; it is kept in the ledger")
    return str(reason)


def _decide(kind: str, archive: Path, options: dict[str, Any]) -> int:
    import secrets
    from datetime import UTC, datetime

    from archiver.retention.hold import decide

    choice, reason = choice_of(options), reason_of(options)
    # The condition may say what is to be forgotten some day.
    vouched = signing(options, secret=frozenset({"where"}))
    decided = decide(
        archive, kind, reason, choice, vouched, lambda: datetime.now(UTC), secrets.token_bytes(4)
    )
    closed = decided.closed
    if closed.unstamped is not None:
        click.echo(f"Error: {printable(str(closed.unstamped))}", err=True)
    if options["json"]:
        document = {"session": decided.session, "head": closed.head, "runs": decided.run_ids}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(
            f"{len(decided.run_ids)} runs are {_DONE[kind]}. "
            f"Session {decided.session}, ledger head {closed.head}"
        )
    return ExitCode.INCOMPLETE if closed.unstamped else ExitCode.OK


def _show(decisions: "dict[str, Decision]", *, as_json: bool) -> int:
    from archiver.cli.output.tables import print_table

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
