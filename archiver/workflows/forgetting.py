"""Prune and erase: a whole session of removing runs, from the choice to the ledger."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from archiver.adapters.archive import TOOL, Writer, hold_archive, open_archive
from archiver.adapters.chosen_runs import Choice, Where, chosen_runs
from archiver.adapters.decisions import held_runs
from archiver.adapters.parquet import RowBuffer, flush_name
from archiver.adapters.storage import LocalStorage
from archiver.adapters.tables_aside import remove_tables_aside
from archiver.domain.decisions import Decision
from archiver.domain.digest import Sha256
from archiver.domain.ledger import LedgerRecord
from archiver.domain.manifest import RemovalKind
from archiver.domain.package import ChosenRun
from archiver.domain.removal import Order
from archiver.errors import RunsOnHold, StampRefused, UsageError
from archiver.workflows.ledger import SignOff, close_session
from archiver.workflows.removal import (
    check_readable,
    files_of,
    read_tombstones,
    remove_rows,
    remove_runs,
)
from archiver.workflows.tables import add_rows, project, recover

_COMMANDS = {RemovalKind.PRUNED: "prune", RemovalKind.ERASED: "erase"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What would go: the runs; and those on hold, which stay."""

    runs: Sequence[ChosenRun]
    on_hold: Sequence[tuple[str, Decision]] = ()


@dataclass(slots=True)
class Forgotten:
    """What went. ``head`` is the digest of the session's record, None where there is none."""

    session: str | None = None
    runs: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    """Why runs are still there of which it could not be told what they had."""
    on_hold: list[str] = field(default_factory=list)
    head: Sha256 | None = None
    unstamped: StampRefused | None = None


def choose(storage: LocalStorage, kind: RemovalKind, choice: Choice) -> Chosen:
    """The runs that are meant and still there. Those on hold stay where it is pruned.

    Raises RunsOnHold where some are to be erased, UsageError where ids or condition are none.
    """
    found = chosen_runs(storage, choice)
    gone = _removed_runs(storage)
    there = [run for run in found.runs if run.run_id not in gone]
    holds = held_runs(storage)
    on_hold = [(run.run_id, holds[run.run_id]) for run in there if run.run_id in holds]
    if on_hold and kind is RemovalKind.ERASED:
        named = ", ".join(f"{run} ({decision.reason})" for run, decision in on_hold[:10])
        raise RunsOnHold(
            f"{len(on_hold)} of these runs are on hold: {named}; nothing was erased",
            hint="`archiver release` ends a hold",
        )
    free = [run for run in there if run.run_id not in holds]
    return Chosen(free, on_hold)


def extent(storage: LocalStorage, chosen: Chosen) -> tuple[int, int]:
    """How many files of how many bytes would go."""
    return files_of(storage, (run.path for run in chosen.runs))


def _removed_runs(storage: LocalStorage) -> set[str]:
    try:
        return {run.run_id for run in chosen_runs(storage, Where("removed IS NOT NULL")).runs}
    except UsageError:  # no run is
        return set()


def forget(
    archive: Path,
    kind: RemovalKind,
    reason: str,
    choice: Choice,
    sign_off: SignOff,
    now: Callable[[], datetime],
    random: bytes,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Forgotten:
    """Remove runs, and write down who did it and why.

    All are erased or none; what cannot be pruned is named, and stays. Raises RunsOnHold,
    UsageError, ArchiveLocked, ArchiveDamaged and ArchiveUnwritable. What was begun is brought to
    its end by whoever writes next.
    """
    started_at = now()
    open_archive(archive)  # raises where there is none
    with hold_archive(archive, started_at, random) as writer:
        recovered = recover(writer)
        chosen = choose(writer.storage, kind, choice)
        forgotten = Forgotten(writer.session, on_hold=[run for run, _ in chosen.on_hold])
        by = sign_off.by
        user, host = (by.user, by.host) if by else (None, None)
        order = Order(kind, started_at, user, host, reason, writer.session, TOOL)
        manifests = recovered.listed()
        tombstones = []
        folders = [run.path for run in chosen.runs]
        if kind is RemovalKind.ERASED:
            check_readable(writer.storage, folders)
        for removed in remove_runs(writer, order, folders, forgotten.damaged):
            for one in removed:
                manifests.add(one.manifest)
                tombstones.append(one.manifest.path.rpartition("/")[0])
                forgotten.runs.append(one.run_id)
                forgotten.files += one.files
                forgotten.bytes += one.bytes
            on_progress(len(forgotten.runs))
        _level_tables(writer, tombstones)
        record = LedgerRecord(
            kind=_COMMANDS[kind],
            session=writer.session,
            tool=TOOL,
            by=by,
            started_at=started_at,
            finished_at=now(),
            recovered=recovered.sessions,
            details={
                "reason": reason,
                "files": forgotten.files,
                "bytes": forgotten.bytes,
                "on_hold": len(forgotten.on_hold),
            },
        )
        closed = close_session(writer, sign_off, record, manifests, forgotten.runs)
        forgotten.head, forgotten.unstamped = closed.head, closed.unstamped
        writer.forget_own()
        with contextlib.suppress(OSError):
            remove_tables_aside(writer.storage)
    return forgotten


def _level_tables(writer: Writer, tombstone_folders: Sequence[str]) -> None:
    storage = writer.storage
    remove_rows(writer, list(read_tombstones(storage, tombstone_folders).values()))
    buffer = RowBuffer()
    for folder in tombstone_folders:
        manifest, rows = project(storage, folder)
        add_rows(buffer, rows, manifest.fetched_at)
    buffer.write(storage, flush_name(writer.session, 1))
