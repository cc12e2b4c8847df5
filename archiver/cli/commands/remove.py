"""``archiver prune`` and ``archiver erase``: runs that are not kept any longer."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.commands.hold import choice_of, reason_of
from archiver.cli.options import Duration, archive_option, json_option
from archiver.cli.output.text import printable, readable_bytes
from archiver.cli.signing import signing, signing_options
from archiver.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from archiver.model.manifest import RemovalKind
    from archiver.retention.candidates import DisposalPlan, DisposalSize
    from archiver.retention.disposal import DisposalResult
    from archiver.store.storage import LocalStorage

_NAMED = 20


@click.command()
@archive_option
@click.option(
    "--older-than",
    type=Duration(),
    help="Runs that ended so long ago, whatever they are: 7y, 90d.",
)
@click.option(
    "--rule",
    multiple=True,
    metavar="RULE",
    help="Runs of a kind: 'older-than=90d status=completed run-type=task_v2 workflow=wpid_1'; with "
    "kind=recording,screenshot,download only such artifacts of them (repeatable; all but "
    "older-than may be left out).",
)
@click.option("--reason", help="Why, for the ledger [default: the rules].")
@click.option("--dry-run", is_flag=True, help="Show what would go, remove nothing.")
@signing_options
@json_option
def prune(archive: Path, **options: Any) -> int:
    """Remove the artifacts and documents of old runs, but for those on hold.

    Of each run a tombstone stays: id, status, times, and the digests of what was there. A rule with
    kind= removes artifacts only. A run's age is counted from its end.
    """
    from datetime import UTC, datetime
    from functools import partial

    from archiver.model.manifest import RemovalKind
    from archiver.retention.candidates import plan_prune
    from archiver.retention.rules import disposals

    rules = _rules(options)
    words = [*options["rule"]]
    if options["older_than"] is not None:
        words.insert(0, f"older-than={options['older_than'].days}d")
    reason = (options["reason"] or "").strip() or "kept long enough: " + "; ".join(words)
    choose = partial(plan_prune, disposals=disposals(rules, datetime.now(UTC)))
    return _remove(archive, RemovalKind.PRUNED, reason, choose, options)


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option("--ids", multiple=True, metavar="FILE", help="File with run ids, as fetch takes it.")
@click.option("--column", default="run_id", show_default=True, help="Its column with the ids.")
@click.option(
    "--where", metavar="SQL", help="Runs for which this condition over the view runs holds."
)
@archive_option
@click.option("--reason", help="Why, for the ledger and the tombstones; name nobody in it.")
@click.option("--dry-run", is_flag=True, help="Show what would go, remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@signing_options
@json_option
def erase(archive: Path, **options: Any) -> int:
    """Remove all that is known of runs, for good: files, documents, names, rows of the tables.

    A tombstone without any content stays: id, status, times, digests. Runs that were pruned, that
    are damaged, or that never were had can be erased too. What was handed on to others is out of
    reach.
    """
    from datetime import UTC, datetime
    from functools import partial

    from archiver.model.manifest import RemovalKind
    from archiver.retention.candidates import plan_erase

    reason, choice = reason_of(options), choice_of(options)
    choose = partial(plan_erase, choice=choice, now=datetime.now(UTC))
    return _remove(archive, RemovalKind.ERASED, reason, choose, options)


def _rules(options: dict[str, Any]) -> list[Any]:
    from archiver.retention.rules import Rule, split_rule

    rules = []
    if options["older_than"] is not None:
        rules.append(Rule(_positive(options["older_than"])))
    for text in options["rule"]:
        try:
            age, only, kinds = split_rule(text)
            older_than = _positive(Duration().convert(age, None, None))
            rules.append(Rule(older_than, tuple(only.items()), kinds))
        except (ValueError, click.BadParameter) as error:
            raise UsageError(f"the rule {text!r} cannot be understood: {error}") from None
    if not rules:
        raise UsageError("it is not said what may go", hint="Give --older-than, or a --rule")
    return rules


def _positive(age: timedelta) -> timedelta:
    if not age:
        raise UsageError("older-than must be longer than zero")
    return age


def _remove(
    archive: Path,
    kind: "RemovalKind",
    reason: str,
    choose: "Callable[[LocalStorage], DisposalPlan]",
    options: dict[str, Any],
) -> int:
    import secrets
    from datetime import UTC, datetime

    from archiver.model.manifest import RemovalKind
    from archiver.retention.candidates import extent
    from archiver.retention.disposal import dispose, order_of
    from archiver.store.lock import open_archive

    # The condition may say what is to be forgotten.
    vouched = signing(options, secret=frozenset({"where"}))
    storage = open_archive(archive)
    plan = choose(storage)
    is_shown = options["dry_run"] or plan.is_nothing
    asks = kind is RemovalKind.ERASED and not options["yes"]
    if is_shown or asks:
        order = order_of(kind, reason, vouched, datetime.now(UTC))
        there = extent(storage, order, plan)
        if is_shown:
            return _show(plan, there, options)
        _ask(len(plan.runs) + len(plan.asked), there.files)
    result = dispose(
        archive, kind, reason, choose, vouched, lambda: datetime.now(UTC), secrets.token_bytes(4)
    )
    if result.unstamped is not None:
        click.echo(f"Error: {printable(str(result.unstamped))}", err=True)
    for problem in result.damaged:
        click.echo(f"not {kind.value}: {printable(problem)}", err=True)
    _report(kind, result, options)
    if result.damaged:
        return ExitCode.DAMAGED
    return ExitCode.INCOMPLETE if result.unstamped else ExitCode.OK


def _ask(runs: int, files: int) -> None:
    what = f"{runs} runs with {files} files"
    if not sys.stdin.isatty():
        raise UsageError(f"{what} would be erased for good", hint="Say --yes, or try --dry-run")
    click.confirm(f"Erase {what} for good?", abort=True, err=True)


def _show(plan: "DisposalPlan", extent: "DisposalSize", options: dict[str, Any]) -> int:
    ids = [run.run_id for run in plan.runs]
    if options["json"]:
        document = {
            "runs": ids,
            "pruned_of": sorted(extent.pruned_of),
            "asked": plan.asked,
            "files": extent.files,
            "bytes": extent.bytes,
            "on_hold": [{"run_id": run, **why.to_json()} for run, why in plan.on_hold],
            "damaged": extent.damaged,
        }
        click.echo(json.dumps(document, indent=2))
        return ExitCode.OK
    for run_id, decision in plan.on_hold:
        click.echo(f"on hold: {run_id}: {printable(decision.reason)}", err=True)
    for problem in extent.damaged[:_NAMED]:
        click.echo(f"would not be pruned: {printable(problem)}", err=True)
    if plan.is_nothing:
        if plan.erased:
            click.echo(f"nothing to do: {len(plan.erased)} of these runs were erased before")
        else:
            click.echo("no run is old enough")
        return ExitCode.OK
    lines = [*ids, *(f"{run_id} (never had)" for run_id in plan.asked)]
    lines += (
        f"{run.run_id} ({', '.join(sorted(kinds))})"
        for run, kinds in plan.artifacts
        if run.run_id in extent.pruned_of
    )
    for line in lines[:_NAMED]:
        click.echo(line)
    if len(lines) > _NAMED:
        click.echo(f"… and {len(lines) - _NAMED} more; --json names all")
    others = len(extent.pruned_of)
    of_others = f" and artifacts of {others} others" if plan.artifacts else ""
    click.echo(
        f"{len(ids) + len(plan.asked)} runs{of_others} with {extent.files} files "
        f"({readable_bytes(extent.bytes)}) would go, {len(plan.on_hold)} are on hold"
    )
    return ExitCode.OK


def _report(kind: "RemovalKind", result: "DisposalResult", options: dict[str, Any]) -> None:
    if options["json"]:
        document = {
            "session": result.session,
            "head": result.head,
            "runs": result.runs,
            "pruned_of": result.pruned_of,
            "asked": result.asked,
            "files": result.files,
            "bytes": result.bytes,
            "on_hold": result.on_hold,
            "damaged": result.damaged,
        }
        click.echo(json.dumps(document, indent=2))
        return
    if result.session is None:
        click.echo("nothing to do")
        return
    others = len(result.pruned_of)
    click.echo(
        f"{len(result.runs) + len(result.asked)} runs {kind.value}"
        f"{f', and artifacts of {others} others' if others else ''}: {result.files} files, "
        f"{readable_bytes(result.bytes)}; {len(result.on_hold)} on hold stay. "
        f"Session {result.session}, ledger head {result.head}"
    )
