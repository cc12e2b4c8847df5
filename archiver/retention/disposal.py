"""Prune and erase: a whole session of removing runs, from the choice to the ledger."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from archiver.errors import ArchiveDamaged, StampRefused, UsageError
from archiver.model.ids import Sha256
from archiver.model.manifest import RemovalKind
from archiver.retention.candidates import DisposalPlan
from archiver.retention.prune import next_manifests
from archiver.retention.removal import commit_and_remove, remove_copies, tombstones
from archiver.session import Signing, WritingSession, writing_session
from archiver.store.archive_file import TOOL, open_archive
from archiver.store.lock import Writer
from archiver.store.revisions import read_manifest
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import (
    Order,
    read_tombstones,
    removal_of,
    removals_begun,
    remove_unfinished,
)
from archiver.tables.pin import remove_replaced_tables
from archiver.tables.rebuild import add_rows, project
from archiver.tables.rewrite import remove_rows
from archiver.tables.write import RowBuffer, flush_name

_COMMANDS = {RemovalKind.PRUNED: "prune", RemovalKind.ERASED: "erase"}


@dataclass(slots=True)
class DisposalResult:
    """What went. ``head`` is the digest of the session's record, None where there is none."""

    session: str | None = None
    runs: list[str] = field(default_factory=list)
    pruned_of: list[str] = field(default_factory=list)
    """Runs of which artifacts went, and all else stays."""
    asked: list[str] = field(default_factory=list)
    """Ids that never became a run, of which the server's words went."""
    files: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    """Why runs are still there of which it could not be told what they had."""
    on_hold: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    """Runs whose removal a session had begun that was killed, and that this one finished."""
    head: Sha256 | None = None
    unstamped: StampRefused | None = None


def order_of(kind: RemovalKind, reason: str, signing: Signing, now: datetime) -> Order:
    """An order that no session has yet: to tell what it would do."""
    by = signing.by
    user, host = (by.user, by.host) if by else (None, None)
    return Order(kind, now, user, host, reason, "", TOOL)


def dispose(
    archive: Path,
    kind: RemovalKind,
    reason: str,
    choose: Callable[[LocalStorage], DisposalPlan],
    signing: Signing,
    now: Callable[[], datetime],
    random: bytes,
    on_progress: Callable[[int], None] = lambda _: None,
) -> DisposalResult:
    """Remove what is chosen, and write down who did it and why.

    What cannot be pruned is named, and stays. Where nothing went there is no session. Raises
    RunsOnHold, UsageError, ArchiveLocked, ArchiveDamaged and ArchiveUnwritable. What was begun is
    brought to its end by whoever writes next.
    """
    open_archive(archive)  # raises where there is none
    with writing_session(archive, _COMMANDS[kind], signing, now, random) as session:
        writer = session.writer
        begun = _finished(session, kind)
        try:
            plan = choose(writer.storage)
        except UsageError:
            if not begun and not removals_begun(writer.storage, kind):
                raise
            plan = DisposalPlan()  # all that was meant is removed
        result = DisposalResult(writer.session, on_hold=[run for run, _ in plan.on_hold])
        order = replace(order_of(kind, reason, signing, session.started_at), session=writer.session)
        committed: list[str] = []
        if kind is RemovalKind.ERASED:
            remove_copies(writer.storage, plan.runs)
        whole = tombstones(writer.storage, order, plan.runs, result.damaged)
        parts = next_manifests(writer.storage, order, plan.artifacts, result.damaged)
        for of_kind, revisions in ((result.runs, whole), (result.pruned_of, parts)):
            for some in commit_and_remove(writer, revisions):
                for one in some:
                    session.manifests.add(one.manifest)
                    committed.append(one.manifest.path.rpartition("/")[0])
                    of_kind.append(one.run_id)
                    result.files += one.files
                    result.bytes += one.bytes
                on_progress(len(committed))
        for run_id in plan.asked:
            remove_unfinished(writer.storage, run_id)
        result.asked += plan.asked
        if not (committed or plan.asked or session.recovered or session.adopted.manifests):
            writer.clear_journals()
            return replace(result, session=None)
        try:
            _level_tables(writer, committed, plan.asked)
        except ArchiveDamaged as error:
            raise ArchiveDamaged(
                f"the files of {len(committed)} runs are {kind.value}, their rows are still in the "
                f"tables: {error.message}",
                hint="`archiver reindex` rebuilds the tables without them",
            ) from None
        details = {
            "reason": reason,
            "files": result.files,
            "bytes": result.bytes,
            "on_hold": len(result.on_hold),
            "pruned_of": len(result.pruned_of),
        }
        ids = sorted({*begun, *result.runs, *result.pruned_of, *result.asked})
        result.finished = sorted({*begun}.difference(result.runs, result.pruned_of))
        closed = session.close(ids, details=details)
        result.head, result.unstamped = closed.head, closed.unstamped
        writer.clear_journals()
        with contextlib.suppress(OSError):
            remove_replaced_tables(writer.storage)
    return result


def _finished(session: WritingSession, kind: RemovalKind) -> list[str]:
    """The runs whose removal was begun by killed sessions, and is finished."""
    folders = [path.rpartition("/")[0] for path in session.unlisted]
    manifests = [read_manifest(session.writer.storage, folder) for folder in folders]
    return [manifest.run_id for manifest in manifests if removal_of(manifest) is kind]


def _level_tables(writer: Writer, revision_folders: Sequence[str], asked: Sequence[str]) -> None:
    storage = writer.storage
    tombstones = read_tombstones(storage, revision_folders)
    remove_rows(writer, list(tombstones.values()), erased_ids=asked)
    buffer = RowBuffer()
    for folder in revision_folders:
        manifest, rows = project(storage, folder)
        add_rows(buffer, rows, manifest.fetched_at)
    buffer.write(storage, flush_name(writer.session, 1), every_table=True)
