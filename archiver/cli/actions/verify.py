"""What ``archiver verify`` does."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom

import click

from archiver.cli.output.progress import Amount, Display, display
from archiver.cli.output.text import counted, print_json
from archiver.cli.output.verdict import write_report
from archiver.cli.signals import interruptible
from archiver.cli.signing import SigningArguments
from archiver.errors import ArchiverError, ExitCode, NotAnArchive, UsageError
from archiver.ledger.signing import verifier
from archiver.model.ids import RunId, SessionId
from archiver.store.archive_file import open_archive
from archiver.store.storage import LocalStorage
from archiver.system.processes import core_count
from archiver.system.stop import StopSwitch
from archiver.verify.findings import Scope, VerifyReport
from archiver.verify.history import (
    ROTATED_AT,
    CheckLog,
    Recording,
    revisions_due,
    unfinished_check,
)
from archiver.verify.ledger import Signatures, is_marker_harmed
from archiver.verify.verify import Checking, VerifyProgress, runs_meant, verify


@dataclass(frozen=True, kw_only=True)
class VerifyArguments(SigningArguments):
    """What the command line, the environment and the config file say."""

    archive: Path
    quick: bool
    run_ids: tuple[str, ...]
    since: datetime | None
    sample: float | None
    seed: int | None
    rotate: timedelta | None
    resume: bool
    require_complete: bool
    public_key: Path | None
    tsa_ca: Path | None
    record: bool
    workers: int | None
    quiet: bool
    json: bool


def run(given: VerifyArguments) -> int:
    """Check, show what was found, and return the exit code."""
    now = datetime.now(UTC)
    _check(given, now)
    storage = _opened(given.archive)
    scope = _scope(storage, given)
    seed = given.seed if given.seed is not None else secrets.randbits(32)
    session: str = SessionId.at(now, secrets.token_bytes(4))
    with display(quiet=given.quiet) as shown_on, interruptible() as stop:
        notes: list[str] = []
        random = Random(seed)  # noqa: S311 # to be repeated
        how = replace(
            _checking(storage, given, now, stop, random, notes), progress=_shown(shown_on)
        )
        if given.resume:
            session, how = _resumed(storage, session, how, now)
        log = None
        if given.record:
            log = _log(given, session, now, scope, stop)
            how = replace(how, looked_at=log.take)
        report = verify(storage, scope, how)
        report.started = session
        report.notes += notes
        if given.since is not None and not report.revisions and report.skipped:
            there = counted(report.skipped, "revision was", "revisions were")
            report.notes.append(f"nothing was checked: {there} fetched before --since")
        if given.sample is not None:
            report.notes.append(f"the revisions were chosen with --seed {seed}")
        head = _record(log, report)
    if given.json:
        document = report.to_json() | {"head": head}
        print_json(document)
    write_report(report, head, as_json=given.json)
    return _exit_code(report, require_complete=given.require_complete)


def _shown(shown_on: Display) -> Callable[[VerifyProgress], None]:
    """What shows how far a check is."""
    amount = Amount("revisions")
    shown_on.start(amount)

    def show(at: VerifyProgress) -> None:
        amount.done, amount.total, amount.bytes = at.revisions, at.total or None, at.bytes
        amount.note = counted(at.findings, "finding") if at.findings else ""
        shown_on.update(amount)

    return show


def _check(given: VerifyArguments, now: datetime) -> None:
    if given.since is not None and given.since > now:
        raise UsageError(f"--since {given.since:%Y-%m-%d %H:%M} UTC lies in the future")
    chosen = [one for one in (given.run_ids, given.since, given.sample, given.rotate) if one]
    if given.rotate is not None and (len(chosen) > 1 or given.quick):
        raise UsageError("--rotate chooses by itself, and reads: it takes no other choice")
    if given.resume and given.rotate:
        raise UsageError("--rotate goes on by itself: leave out --resume")
    if given.seed is not None and given.sample is None:
        raise UsageError("--seed is of use with --sample only")
    if given.rotate == timedelta():
        raise UsageError("--rotate must be longer than zero")
    if given.rotate and not given.record:
        raise UsageError("--rotate must remember what it read: leave out --no-record")


def _opened(archive: Path) -> LocalStorage:
    """The archive; one whose first file is not what the ledger says is opened all the same."""
    try:
        return open_archive(archive)
    except NotAnArchive:
        storage = LocalStorage(archive)
        if is_marker_harmed(storage):
            return storage
        raise


def _scope(storage: LocalStorage, given: VerifyArguments) -> Scope:
    ids = frozenset(str(RunId(text)) for text in given.run_ids)
    return Scope(
        run_ids=runs_meant(storage, ids) if ids else ids,
        since=given.since,
        share=given.sample,
        quick=given.quick,
        is_rotating=given.rotate is not None,
    )


def _checking(
    storage: LocalStorage,
    given: VerifyArguments,
    now: datetime,
    stop: StopSwitch,
    random: Random,
    notes: list[str],
) -> Checking:
    chosen: frozenset[str] = frozenset()
    if given.rotate is not None:
        chosen = revisions_due(storage, now, given.rotate, notes)
    return Checking(stop, _signatures(given), random, given.workers or min(4, core_count()), chosen)


def _signatures(given: VerifyArguments) -> Signatures:
    stamped_at = None
    if given.tsa_ca is not None:
        # What it asks over the network with takes long to import.
        from archiver.ledger.timestamps import stamp_verifier

        stamped_at = stamp_verifier(given.tsa_ca)
    return Signatures(
        verifier(given.public_key) if given.public_key is not None else None, stamped_at
    )


def _resumed(
    storage: LocalStorage, session: str, how: Checking, now: datetime
) -> tuple[str, Checking]:
    unfinished = unfinished_check(storage, now)
    if unfinished is None:
        click.echo("no check was interrupted: this one begins anew", err=True)
        return session, how
    click.echo(
        f"going on with {unfinished.session}: "
        f"{counted(len(unfinished.done), 'revision is', 'revisions are')} read",
        err=True,
    )
    return unfinished.session, replace(how, done=unfinished.done)


def _log(
    given: VerifyArguments, session: str, now: datetime, scope: Scope, stop: StopSwitch
) -> CheckLog:
    details = {ROTATED_AT: now.isoformat()} if scope.is_rotating else {}
    return CheckLog(
        Recording(
            given.archive,
            session,
            now,
            lambda: datetime.now(UTC),
            SystemRandom(),
            given.signing(),
            stop,
            details,
        )
    )


def _record(log: CheckLog | None, report: VerifyReport) -> str | None:
    """Write down what was checked; where that cannot be, the verdict counts all the same."""
    if log is None:
        return None
    try:
        closed = log.close(report)
    except ArchiverError as error:
        report.notes.append(f"this check could not be recorded in the archive: {error}")
        return None
    if closed.unstamped is not None:
        report.notes.append(f"the record has no time stamp: {closed.unstamped}")
    return closed.head


def _exit_code(report: VerifyReport, *, require_complete: bool) -> int:
    if not report.is_intact:
        return ExitCode.DAMAGED
    if report.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.INCOMPLETE if require_complete and report.open_gaps else ExitCode.OK
