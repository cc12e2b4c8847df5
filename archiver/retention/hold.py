"""Hold, release, accept: what people decide about runs is a record of the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from archiver.errors import UsageError
from archiver.ledger.decisions import ACCEPT, HOLD, REASON, RELEASE, runs_on_hold
from archiver.model.ids import RunId
from archiver.session import ClosedSession, Signing, writing_session
from archiver.store.archive_file import open_archive
from archiver.store.storage import LocalStorage
from archiver.tables.choose import Choice, Where, chosen_runs
from archiver.tables.lookup import asked_for, other_ids

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided: the session, the runs that it is about, and the record's end."""

    session: str
    run_ids: Sequence[str]
    closed: ClosedSession


def decide(
    archive: Path,
    kind: str,
    reason: str,
    choice: Choice,
    signing: Signing,
    now: Callable[[], datetime],
    random: bytes,
) -> Decided:
    """Write down that runs are held, released, or accepted as they are.

    A hold or a release is of runs that the archive has, so that no typing error hides; what is
    accepted may never have been had, but was asked for. Raises UsageError, ArchiveLocked and
    ArchiveUnwritable.
    """
    open_archive(archive)  # raises where there is none
    with writing_session(archive, kind, signing, now, random) as session:
        ids = _ids(session.writer.storage, kind, choice)
        return Decided(session.writer.session, ids, session.close(ids, details={REASON: reason}))


def _ids(storage: LocalStorage, kind: str, choice: Choice) -> list[str]:
    if isinstance(choice, Where) or kind == HOLD:
        ids = [run.run_id for run in chosen_runs(storage, choice).runs]
    else:
        ids = list(choice)
    if kind == ACCEPT:
        _require_asked(storage, ids)
        # Whichever id the next job asks for, it is the same run.
        return sorted({*ids, *(one for pair in other_ids(storage, ids) for one in pair)})
    if kind == RELEASE:
        return _on_hold(storage, ids, is_exact=not isinstance(choice, Where))
    return ids


def _require_asked(storage: LocalStorage, ids: Sequence[str]) -> None:
    """Raises UsageError for ids of which the archive knows nothing."""
    lacking: list[str] = []
    chosen_runs(storage, [RunId(run_id) for run_id in ids], lacking=lacking)
    asked = set(asked_for(storage, lacking))
    if unknown := [run_id for run_id in lacking if run_id not in asked]:
        more = " …" if len(unknown) > _MOST_NAMED else ""
        raise UsageError(
            f"never asked for: {', '.join(unknown[:_MOST_NAMED])}{more}; nothing was accepted",
            hint="`archiver fetch` asks for them first",
        )


def _on_hold(storage: LocalStorage, ids: Sequence[str], *, is_exact: bool) -> list[str]:
    """The runs on hold among these; all must be where it ``is_exact``. Raises UsageError."""
    holds, own = runs_on_hold(storage), dict(other_ids(storage, ids))
    runs = {run_id: run_id if run_id in holds else own.get(run_id, run_id) for run_id in ids}
    free = [run_id for run_id, run in runs.items() if run not in holds]
    if free and (is_exact or len(free) == len(runs)):
        more = " …" if len(free) > _MOST_NAMED else ""
        raise UsageError(
            f"not on hold: {', '.join(free[:_MOST_NAMED])}{more}; nothing was released",
            hint="`archiver hold --list` shows which are",
        )
    return sorted({run for run in runs.values() if run in holds})
