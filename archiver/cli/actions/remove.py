"""What ``archiver prune`` and ``archiver erase`` do."""

import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click

from archiver.cli.actions.hold import reason_of
from archiver.cli.output.text import counted, print_json, printable, readable_bytes
from archiver.cli.param_types import Duration
from archiver.cli.run_ids import ChoiceArguments
from archiver.cli.signing import SigningArguments
from archiver.errors import ExitCode, UsageError
from archiver.model.manifest import RemovalKind
from archiver.retention.candidates import (
    DisposalPlan,
    DisposalSize,
    check_clock,
    extent,
    plan_erase,
    plan_prune,
)
from archiver.retention.disposal import DisposalResult, dispose, order_of
from archiver.retention.rules import Rule, disposals, split_rule
from archiver.store.archive_file import open_archive
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import removals_begun
from archiver.tables.choose import require_statuses
from archiver.tables.views import read_tables

_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class PruneArguments(SigningArguments):
    """What the command line, the environment and the config file say of ``prune``."""

    archive: Path
    older_than: timedelta | None
    trust_clock: bool
    rule: Sequence[str]
    reason: str | None
    dry_run: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class EraseArguments(ChoiceArguments, SigningArguments):
    """What the command line, the environment and the config file say of ``erase``."""

    archive: Path
    reason: str | None
    dry_run: bool
    yes: bool
    json: bool


def prune(given: PruneArguments) -> int:
    """Remove runs by rules, and return the exit code."""
    words = [*given.rule]
    if given.older_than is not None:
        words.insert(0, f"older-than={given.older_than.days}d")
    reason = (given.reason or "").strip() or "kept long enough: " + "; ".join(words)
    now = datetime.now(UTC)
    if not given.trust_clock:
        check_clock(open_archive(given.archive), now)
    rules = _rules(given)
    statuses = [value for rule in rules for key, value in rule.only if key == "status"]

    def choose(storage: LocalStorage) -> DisposalPlan:
        # A rule with a misspelt status would keep for good what is to go.
        check = partial(require_statuses, statuses=statuses)
        read_tables(storage, check, derived=("runs",))
        return plan_prune(storage, disposals(rules, now))

    return _remove(RemovalKind.PRUNED, reason, choose, given)


def erase(given: EraseArguments) -> int:
    """Erase chosen runs, and return the exit code."""
    reason, choice = reason_of(given.reason), given.choice()
    choose = partial(plan_erase, choice=choice, now=datetime.now(UTC))
    return _remove(RemovalKind.ERASED, reason, choose, given)


def _rules(given: PruneArguments) -> list[Rule]:
    rules = []
    if given.older_than is not None:
        rules.append(Rule(_positive(given.older_than)))
    for text in given.rule:
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
    kind: RemovalKind,
    reason: str,
    choose: Callable[[LocalStorage], DisposalPlan],
    given: PruneArguments | EraseArguments,
) -> int:
    # The condition may say what is to be forgotten.
    signing = given.signing(secret=frozenset({"where"}))
    storage = open_archive(given.archive)
    try:
        plan = choose(storage)
    except UsageError:
        # A session that was killed late has removed all that was meant, and left no record.
        if given.dry_run or not removals_begun(storage, kind):
            raise
        plan = DisposalPlan()
    is_shown = given.dry_run or (plan.is_nothing and not removals_begun(storage, kind))
    asks = isinstance(given, EraseArguments) and not given.yes and not plan.is_nothing
    if is_shown or asks:
        order = order_of(kind, reason, signing, datetime.now(UTC))
        there = extent(storage, order, plan)
        if is_shown:
            return _show(kind, plan, there, as_json=given.json)
        if not _agrees(len(plan.runs) + len(plan.asked), there.files):
            click.echo("nothing was erased", err=True)
            return ExitCode.INCOMPLETE
    result = dispose(
        given.archive,
        kind,
        reason,
        choose,
        signing,
        lambda: datetime.now(UTC),
        secrets.token_bytes(4),
    )
    if result.unstamped is not None:
        click.echo(f"Error: {printable(str(result.unstamped))}", err=True)
    for problem in result.damaged:
        click.echo(f"not {kind.value}: {printable(problem)}", err=True)
    _report(kind, result, as_json=given.json)
    if result.damaged:
        return ExitCode.DAMAGED
    return ExitCode.INCOMPLETE if result.unstamped else ExitCode.OK


def _agrees(runs: int, files: int) -> bool:
    """Ask whether so much is to be erased. Raises UsageError where nobody is there to answer."""
    what = f"{counted(runs, 'run')} with {counted(files, 'file')}"
    if not sys.stdin.isatty():
        raise UsageError(f"{what} would be erased for good", hint="Say --yes, or try --dry-run")
    return click.confirm(f"Erase {what} for good?", err=True)


def _show(kind: RemovalKind, plan: DisposalPlan, extent: DisposalSize, *, as_json: bool) -> int:
    ids = [run.run_id for run in plan.runs]
    if as_json:
        document = {
            "runs": ids,
            "pruned_of": sorted(extent.pruned_of),
            "asked": plan.asked,
            "files": extent.files,
            "bytes": extent.bytes,
            "on_hold": [{"run_id": run, **why.to_json()} for run, why in plan.on_hold],
            "damaged": extent.damaged,
        }
        print_json(document)
        return ExitCode.OK
    for run_id, decision in plan.on_hold:
        click.echo(f"on hold: {run_id}: {printable(decision.reason)}", err=True)
    for problem in extent.damaged[:_NAMED]:
        click.echo(f"would not be pruned: {printable(problem)}", err=True)
    if plan.is_nothing:
        if plan.erased:
            click.echo(
                f"nothing to do: {counted(len(plan.erased), 'run was', 'runs were')} erased before"
            )
        else:
            click.echo("no run is old enough" if kind is RemovalKind.PRUNED else "nothing to do")
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
    of_others = f" and artifacts of {counted(others, 'other')}" if plan.artifacts else ""
    click.echo(
        f"{counted(len(ids) + len(plan.asked), 'run')}{of_others} with "
        f"{counted(extent.files, 'file')} "
        f"({readable_bytes(extent.bytes)}) would go, {len(plan.on_hold)} are on hold"
    )
    return ExitCode.OK


def _report(kind: RemovalKind, result: DisposalResult, *, as_json: bool) -> None:
    if as_json:
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
            "finished": result.finished,
        }
        print_json(document)
        return
    if result.session is None:
        click.echo("nothing to do")
        return
    if result.finished:
        killed = f"of {len(result.finished)} runs that a session had begun which was killed"
        click.echo(f"finished the removal {killed}")
    others = len(result.pruned_of)
    click.echo(
        f"{counted(len(result.runs) + len(result.asked), 'run')} {kind.value}"
        f"{', and artifacts of ' + counted(others, 'other') if others else ''}: "
        f"{counted(result.files, 'file')}, "
        f"{readable_bytes(result.bytes)}; {len(result.on_hold)} on hold stay. "
        f"Session {result.session}, ledger head {result.head}"
    )
