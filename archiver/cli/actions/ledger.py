"""What ``archiver ledger``, ``archiver prove`` and ``archiver hold --list`` do."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from archiver.cli.actions.proof import digest_of
from archiver.cli.output.text import print_json, printable
from archiver.cli.output.wide import print_table
from archiver.errors import ExitCode, UsageError
from archiver.ledger import proofs
from archiver.ledger.decisions import runs_accepted, runs_on_hold
from archiver.ledger.records import ShownRecord, shown_records
from archiver.model.ids import RunId, SessionId
from archiver.model.ledger import LedgerRecord
from archiver.model.proof import encode_proof
from archiver.recovery import ADOPTED
from archiver.store.archive_file import open_archive
from archiver.system.atomic import require_outside, text_output

_COLUMNS = (
    *(("session", False), ("kind", False), ("by", False), ("runs", True), ("revisions", True)),
    *(("signed", False), ("stamped", False), ("sha256", False)),
)

_DECIDED = {"hold": runs_on_hold, "accept": runs_accepted}
_DECISION_COLUMNS = (("run_id", False), ("since", False), ("by", False), ("reason", False))


@dataclass(frozen=True, kw_only=True)
class LedgerArguments:
    """What the command line, the environment and the config file say of ``ledger``."""

    archive: Path
    limit: int
    json: bool


@dataclass(frozen=True, kw_only=True)
class ProveArguments:
    """What the command line, the environment and the config file say of ``prove``."""

    run_id: str
    archive: Path
    revision: int | None
    session: str | None
    head: str | None
    output: Path | None
    overwrite: bool


def run(given: LedgerArguments) -> int:
    """Show the ledger's records, and return the exit code."""
    damaged: list[str] = []
    records = shown_records(open_archive(given.archive), given.limit, damaged)
    for problem in damaged:
        click.echo(f"left out: {printable(problem)}", err=True)
    if given.json:
        head = records[-1].sha256 if records else None
        documents = [record.to_json() for record in records]
        print_json({"head": head, "records": documents})
    else:
        _print(records)
    return ExitCode.DAMAGED if damaged else ExitCode.OK


def _print(records: list[ShownRecord]) -> None:
    if not records:
        click.echo("the ledger is empty")
        return
    rows = [
        (
            shown.record.session,
            shown.record.kind + (", interrupted" if shown.record.interrupted else ""),
            f"{by.user} on {by.host}" if (by := shown.record.by) else "",
            f"{shown.record.ids_asked:,}",
            f"{shown.record.manifests:,}",
            "yes" if shown.is_signed else "",
            "yes" if shown.is_stamped else "",
            f"{shown.sha256[:12]}…",
        )
        for shown in records
    ]
    print_table(_COLUMNS, rows, sys.stdout)
    for shown in records:
        for line in _taken_over(shown.record):
            click.echo(printable(f"{shown.record.session} {line}"))
    click.echo(f"head {records[-1].sha256}")


def _taken_over(record: LedgerRecord) -> Iterator[str]:
    """What a record lists that other sessions committed."""
    if record.recovered:
        yield f"recovered what was killed: {', '.join(record.recovered)}"
    match record.details.get(ADOPTED):
        case {"manifests": count, "sessions": list(sessions)}:
            of = ", ".join(map(str, sessions))
            yield f"took in {count} revisions that nothing named, of {of}"


def decisions(kind: str, archive: Path, *, as_json: bool) -> int:
    """Show which runs are on hold, or accepted, and return the exit code."""
    decided = _DECIDED[kind](open_archive(archive))
    if as_json:
        shown = [{"run_id": run, **decision.to_json()} for run, decision in decided.items()]
        print_json({"runs": shown})
    elif not decided:
        click.echo("there are none")
    else:
        rows = [
            (run, f"{d.at:%Y-%m-%d %H:%M}", f"{d.by.user} on {d.by.host}" if d.by else "", d.reason)
            for run, d in decided.items()
        ]
        print_table(_DECISION_COLUMNS, rows, sys.stdout)
    return ExitCode.OK


def prove(given: ProveArguments) -> int:
    """Write the proof of a run, and return the exit code."""
    storage = open_archive(given.archive)
    if given.session is not None and given.head is not None:
        raise UsageError("--session and --head name the same: give one of them")
    try:
        until = SessionId(given.session) if given.session is not None else None
    except ValueError:
        raise UsageError(f"{given.session!r} is no session", hint="See `archiver ledger`") from None
    if given.head is not None:
        until = proofs.session_of_head(storage, digest_of(given.head))
    require_outside(given.output, storage.root)
    data = encode_proof(proofs.prove(storage, RunId(given.run_id), given.revision, until))
    with text_output(given.output, overwrite=given.overwrite) as out:
        out.write(data.decode())
    return ExitCode.OK
