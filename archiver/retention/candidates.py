"""Which runs are to be pruned or erased, and how much that is."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.errors import RunsOnHold, UsageError
from archiver.ledger.decisions import Decision, runs_on_hold
from archiver.ledger.records import ledger_records, listed_revisions
from archiver.model.ids import sha256_of
from archiver.model.manifest import RemovalKind
from archiver.model.paths import TEMPORARY_FOLDER, download_prefix, revision_name
from archiver.model.run import ChosenRun
from archiver.retention.prune import Kinds, next_manifests
from archiver.retention.removal import files_of
from archiver.retention.rules import Disposal
from archiver.store.revisions import earlier_revisions, revision_numbers, run_folders
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import Order
from archiver.tables.choose import Choice, Where, chosen_runs
from archiver.tables.lookup import asked_for
from archiver.tables.views import select

_UNKNOWN = "unknown"


def runs_with_folders(
    storage: LocalStorage, ids: Sequence[str], fetched_at: datetime
) -> list[ChosenRun]:
    """Those that have a folder: their manifests may say more, or be damaged.

    ``fetched_at`` is what is said of them where nothing is known, as their status is ``unknown``
    and their document's digest that of no bytes.
    """
    wanted = frozenset(ids)
    found = {}
    for folder in run_folders(storage) if wanted else ():
        name = folder.rpartition("/")[2]
        if name in wanted and (numbers := revision_numbers(storage, folder)):
            found[name] = folder, numbers[-1]
    return [
        _unknown(run_id, f"{folder}/{revision_name(number)}", fetched_at)
        for run_id, (folder, number) in sorted(found.items())
    ]


def listed_runs(
    storage: LocalStorage, ids: Collection[str], fetched_at: datetime
) -> list[ChosenRun]:
    """Those that only the ledger's lists know: what there was of them is gone."""
    last = listed_revisions(storage, ids) if ids else {}
    return [_unknown(run_id, folder, fetched_at) for run_id, folder in sorted(last.items())]


def _unknown(run_id: str, revision_folder: str, fetched_at: datetime) -> ChosenRun:
    return ChosenRun(
        run_id=run_id,
        revision=int(revision_folder.rpartition("/r")[2]),
        path=revision_folder,
        run_type=None,
        status=_UNKNOWN,
        is_final=True,
        is_settled=True,
        title=None,
        failure_reason=None,
        request_url=None,
        created_at=None,
        queued_at=None,
        started_at=None,
        finished_at=None,
        fetched_at=fetched_at,
        document_sha256=sha256_of(b""),
        removed=None,
    )


def begun_downloads(storage: LocalStorage, ids: Sequence[str]) -> list[str]:
    """Those of which a download was begun, and is to go on."""
    names = storage.own_names(TEMPORARY_FOLDER)
    return [run_id for run_id in ids if any(n.startswith(download_prefix(run_id)) for n in names)]


_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class DisposalPlan:
    """What would go, and what stays.

    ``runs`` go whole, of those in ``artifacts`` some kinds. ``asked`` are ids that never became a
    run. Those ``on_hold`` stay, and of ``erased`` nothing is left to go.
    """

    runs: Sequence[ChosenRun] = ()
    artifacts: Sequence[tuple[ChosenRun, Kinds]] = ()
    asked: Sequence[str] = ()
    on_hold: Sequence[tuple[str, Decision]] = ()
    erased: Sequence[str] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.runs or self.artifacts or self.asked)


_AHEAD = timedelta(days=90)
_NEWEST = """
SELECT max(greatest(fetched_at, finished_at, modified_at, created_at)) FROM run_revisions
"""


def check_clock(storage: LocalStorage, now: datetime) -> None:
    """Raises UsageError where ``now`` is far ahead of all that the archive knows: of its newest
    record, and of every moment of its runs. By a wrong clock, all are old enough to go.
    """
    moments = [record.record.finished_at for record in ledger_records(storage, [])]
    moments += [moment for (moment,) in select(storage, _NEWEST) if moment is not None]
    newest = max(moments, default=now)
    if now - newest > _AHEAD:
        raise UsageError(
            f"this clock says {now:%Y-%m-%d}, and the newest that the archive knows of is "
            f"{newest:%Y-%m-%d}: nothing was removed",
            hint="Is the clock right? Then say --trust-clock",
        )


def plan_prune(storage: LocalStorage, disposals: Iterable[Disposal]) -> DisposalPlan:
    """What rules let go, but for runs on hold. Raises ArchiveDamaged."""
    whole: dict[str, ChosenRun] = {}
    parts: dict[str, tuple[ChosenRun, Kinds]] = {}
    for disposal in disposals:
        for run in chosen_runs(storage, Where(disposal.condition), lacking=[]).runs:
            if disposal.kinds:
                _, kinds = parts.get(run.run_id, (run, frozenset()))
                parts[run.run_id] = run, kinds | disposal.kinds
            else:
                whole[run.run_id] = run
    holds = runs_on_hold(storage)
    meant = sorted({*whole, *parts})
    return DisposalPlan(
        runs=[run for run in whole.values() if run.run_id not in holds],
        artifacts=[one for run_id, one in sorted(parts.items()) if run_id not in {*whole, *holds}],
        on_hold=[(run_id, holds[run_id]) for run_id in meant if run_id in holds],
    )


def plan_erase(storage: LocalStorage, choice: Choice, now: datetime) -> DisposalPlan:
    """What is meant to go for good, also where the tables do not know it any more.

    Raises RunsOnHold where one of the runs is, UsageError for ids of which the archive has nothing
    and for a condition that is none or that no run fulfils, and ArchiveDamaged.
    """
    lacking: list[str] = []
    by_ids = not isinstance(choice, Where)
    found = [*chosen_runs(storage, choice, lacking=lacking if by_ids else None).runs]
    found += runs_with_folders(storage, lacking, now)
    found += listed_runs(storage, {*lacking} - {run.run_id for run in found}, now)
    known = {run.run_id for run in found}
    left = [run_id for run_id in lacking if run_id not in known]
    asked = sorted({*asked_for(storage, left), *begun_downloads(storage, left)})
    if unknown := [run_id for run_id in lacking if run_id not in {*known, *asked}]:
        more = " …" if len(unknown) > _MOST_NAMED else ""
        raise UsageError(
            f"the archive has nothing of {len(unknown)} of these runs: "
            f"{', '.join(unknown[:_MOST_NAMED])}{more}; nothing was erased",
            hint="`archiver query` shows what there is",
        )
    erased = [
        run.run_id
        for run in found
        if run.removed == RemovalKind.ERASED and not earlier_revisions(storage, run.path)
    ]
    there = [run for run in found if run.run_id not in set(erased)]
    holds = runs_on_hold(storage)
    if on_hold := [
        run_id for run_id in (*(run.run_id for run in there), *asked) if run_id in holds
    ]:
        named = ", ".join(f"{run} ({holds[run].reason})" for run in on_hold[:_MOST_NAMED])
        raise RunsOnHold(
            f"{len(on_hold)} of these runs are on hold: {named}; nothing was erased",
            hint="`archiver release` ends a hold",
        )
    return DisposalPlan(runs=there, asked=asked, erased=erased)


@dataclass(frozen=True, slots=True)
class DisposalSize:
    """How many files of how many bytes would go, and why some of the artifacts would not.

    ``pruned_of`` are the runs that have artifacts to go.
    """

    files: int
    bytes: int
    pruned_of: Collection[str] = ()
    damaged: Sequence[str] = ()


def extent(storage: LocalStorage, order: Order, plan: DisposalPlan) -> DisposalSize:
    """How much would go."""
    files, size = files_of(storage, plan.runs)
    damaged: list[str] = []
    pruned_of = set()
    for run, manifest in next_manifests(storage, order, plan.artifacts, damaged):
        pruned_of.add(run.run_id)
        pruned = manifest.pruned.files if manifest.pruned is not None else ()
        files += len(pruned)
        size += sum(file.size for file in pruned)
    return DisposalSize(files, size, pruned_of, damaged)
