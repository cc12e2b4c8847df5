"""``archiver verify``: does the archive still hold what it says, and is everything there."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.options import Duration, Moment, archive_option, json_option
from archiver.cli.signing import signing, signing_options
from archiver.errors import ArchiverError, ExitCode, NotAnArchive, UsageError

if TYPE_CHECKING:
    from archiver.store.storage import LocalStorage
    from archiver.system.stop import StopSwitch
    from archiver.verify.findings import Scope, VerifyReport
    from archiver.verify.history import CheckLog
    from archiver.verify.ledger import Signatures
    from archiver.verify.verify import Checking

_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)


class Share(click.ParamType[float]):
    """A share in percent: ``5%``."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = _SHARE.fullmatch(str(value).strip())
        if match is None or not 0 < float(match[1]) <= 100:
            self.fail(f"{value!r} is no share: use 5% or 0.5%", param, ctx)
        return float(match[1]) / 100


@click.command()
@click.option("--quick", is_flag=True, help="Compare names and sizes only; no file is read.")
@click.option(
    "--run", "run_ids", multiple=True, metavar="RUN_ID", help="Only this run (repeatable)."
)
@click.option("--since", type=Moment(), help="Only revisions fetched since then: 2026-11-25, 30d.")
@click.option("--sample", type=Share(), help="Only a random share of the revisions: 5%.")
@click.option("--seed", type=int, help="Choose the same share as a --sample that showed this seed.")
@click.option(
    "--rotate",
    type=Duration(),
    help="Check what was not read for longest, so that every byte is read once in this time "
    "however often the command is run: 30d.",
)
@click.option("--resume", is_flag=True, help="Go on with the last check if it was interrupted.")
@click.option(
    "--require-complete", is_flag=True, help="End with 3 where anything is missing that should be."
)
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check the signatures of the ledger's records by this Ed25519 key (PEM or OpenSSH).",
)
@click.option(
    "--tsa-ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check their time stamps; the file has the certificates to trust, in PEM.",
)
@click.option(
    "--record/--no-record",
    default=True,
    show_default=True,
    help="Remember in the archive what was checked, and say so in the ledger.",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that read [default: cores].")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@signing_options
@archive_option
@json_option
def verify(archive: Path, **options: Any) -> int:
    """Hold every level of the archive against the next, and tell what is not there.

    Files against manifests (size, SHA-256), manifests against the tables and against the ledger,
    and what lies there that nothing lists. Exit code 4 when something is not as it was stored; what
    is missing because it could not be had is a verdict of its own, and no damage.
    """
    import secrets
    from datetime import UTC
    from random import Random, SystemRandom

    from archiver.cli.output.verdict import progress, write_report
    from archiver.cli.signals import interruptible
    from archiver.model.ids import SessionId
    from archiver.verify.verify import verify as run_verify

    _check_options(options)
    storage = _opened(archive)
    now = datetime.now(UTC)
    scope = _scope(storage, options)
    seed = options["seed"] if options["seed"] is not None else secrets.randbits(32)
    session: str = SessionId.at(now, secrets.token_bytes(4))
    with progress(quiet=options["quiet"]) as show, interruptible() as stop:
        how = _checking(storage, options, now, stop, Random(seed))  # noqa: S311 # to be repeated
        if options["resume"]:
            session, how = _resumed(storage, session, how)
        log = None
        if options["record"]:
            log = _log(archive, session, now, scope, options, stop, SystemRandom())
        how = _with(how, log, show)
        report = run_verify(storage, scope, how)
        report.started = session
        if options["sample"] is not None:
            report.notes.append(f"the revisions were chosen with --seed {seed}")
        head = _record(log, report)
    if options["json"]:
        document = report.to_json() | {"head": head}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    write_report(report, head, as_json=options["json"])
    return _exit_code(report, require_complete=options["require_complete"])


def _exit_code(report: "VerifyReport", *, require_complete: bool) -> int:
    if not report.is_intact:
        return ExitCode.DAMAGED
    if report.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.INCOMPLETE if require_complete and report.open_gaps else ExitCode.OK


def _check_options(options: dict[str, Any]) -> None:
    chosen = [name for name in ("run_ids", "since", "sample", "rotate") if options[name]]
    if options["rotate"] is not None and (len(chosen) > 1 or options["quick"]):
        raise UsageError("--rotate chooses by itself, and reads: it takes no other choice")
    if options["resume"] and options["rotate"]:
        raise UsageError("--rotate goes on by itself: leave out --resume")
    if options["seed"] is not None and options["sample"] is None:
        raise UsageError("--seed is of use with --sample only")
    if options["rotate"] == timedelta():
        raise UsageError("--rotate must be longer than zero")
    if options["rotate"] and not options["record"]:
        raise UsageError("--rotate must remember what it read: leave out --no-record")


def _opened(archive: Path) -> "LocalStorage":
    """The archive; one whose first file is not what the ledger says is opened all the same."""
    from archiver.store.lock import open_archive
    from archiver.store.storage import LocalStorage
    from archiver.verify.ledger import is_marker_harmed

    try:
        return open_archive(archive)
    except NotAnArchive:
        storage = LocalStorage(archive)
        if is_marker_harmed(storage):
            return storage
        raise


def _scope(storage: "LocalStorage", options: dict[str, Any]) -> "Scope":
    from archiver.model.ids import RunId
    from archiver.verify.findings import Scope
    from archiver.verify.verify import runs_meant

    ids = frozenset(str(RunId(text)) for text in options["run_ids"])
    return Scope(
        run_ids=runs_meant(storage, ids) if ids else ids,
        since=options["since"],
        share=options["sample"],
        quick=options["quick"],
        is_rotating=options["rotate"] is not None,
    )


def _checking(
    storage: "LocalStorage", options: dict[str, Any], now: datetime, stop: "StopSwitch", random: Any
) -> "Checking":
    from archiver.verify.history import revisions_due
    from archiver.verify.verify import Checking

    chosen: frozenset[str] = frozenset()
    if options["rotate"] is not None:
        chosen = revisions_due(storage, now, options["rotate"])
    workers = options["workers"] or min(4, _cores())
    return Checking(stop, _signatures(options), random, workers, chosen)


def _signatures(options: dict[str, Any]) -> "Signatures":
    from archiver.verify.ledger import Signatures

    verifies = stamped_at = None
    if options["public_key"] is not None:
        from archiver.ledger.signing import verifier

        verifies = verifier(options["public_key"])
    if options["tsa_ca"] is not None:
        from archiver.ledger.timestamps import stamp_verifier

        stamped_at = stamp_verifier(options["tsa_ca"])
    return Signatures(verifies, stamped_at)


def _resumed(storage: "LocalStorage", session: str, how: "Checking") -> tuple[str, "Checking"]:
    from dataclasses import replace

    from archiver.verify.history import unfinished_check

    unfinished = unfinished_check(storage)
    if unfinished is None:
        click.echo("no check was interrupted: this one begins anew", err=True)
        return session, how
    click.echo(
        f"going on with {unfinished.session}: {len(unfinished.done)} revisions are read", err=True
    )
    return unfinished.session, replace(how, done=unfinished.done)


def _log(
    archive: Path,
    session: str,
    now: datetime,
    scope: "Scope",
    options: dict[str, Any],
    stop: "StopSwitch",
    random: Any,
) -> "CheckLog":
    from datetime import UTC

    from archiver.verify.history import ROTATED_AT, CheckLog, Recording

    details = {ROTATED_AT: now.isoformat()} if scope.is_rotating else {}
    return CheckLog(
        Recording(
            archive,
            session,
            now,
            lambda: datetime.now(UTC),
            random,
            signing(options),
            stop,
            details,
        )
    )


def _with(how: "Checking", log: "CheckLog | None", show: Any) -> "Checking":
    from dataclasses import replace

    if log is None:
        return replace(how, progress=show)
    return replace(how, progress=show, looked_at=log.take)


def _record(log: "CheckLog | None", report: "VerifyReport") -> str | None:
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


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
