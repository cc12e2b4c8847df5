"""Merging the tables' small files, while whoever reads them goes on reading.

The new tables are put together aside, of the files that stay and the new ones, and take the old
ones' place all at once: month after month, so that what was merged stays merged whatever comes.
"""

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged, ArchiverError
from archiver.model.manifest import Manifest, RemovalKind
from archiver.model.paths import REPLACED_TABLES, TABLES_FOLDER, TEMPORARY_FOLDER
from archiver.model.schema import FETCHES, TABLES, Table
from archiver.store.lock import Writer
from archiver.store.names import is_own
from archiver.store.storage import LocalStorage
from archiver.tables.files import RowGroups, TableFile
from archiver.tables.lookup import other_ids
from archiver.tables.merge import MEMORY, merge_files
from archiver.tables.write import WRITE_ORDER, flush_name, flush_path

LARGE = 256 << 20
"""Bytes from which a flush is left as it is."""
LARGEST = 1 << 30
"""Bytes that are merged into one, at most."""
MANY = 16
"""Flushes of the month that still grows which are merged, at least."""
FACTOR = 4
"""How many times larger than each of them what they are merged into is, at least."""

Group: TypeAlias = tuple[str, ...]
"""The names of flushes that become one, in order."""


@dataclass(frozen=True, slots=True)
class Flush:
    """The files of one name in a month; ``bytes`` are those of all tables."""

    name: str
    bytes: int


def flushes_to_merge(flushes: Iterable[Flush], *, grows: bool) -> list[Group]:
    """Return which flushes of a month are to be merged with which.

    What is large stays. Of a month to which nothing is added any more all else is merged. In one
    that ``grows``, only the smallest are, as soon as they are many and what they become is several
    times as large as each: so no row is written again more often than the logarithm of their number
    tells, and never are there very many files.
    """
    small = [flush for flush in flushes if flush.bytes < LARGE]
    return [group for group in groups(_many(small) if grows else small) if len(group) > 1]


def groups(flushes: Iterable[Flush]) -> list[Group]:
    """Return all flushes in the order of their names, as many in a group as may become one."""
    found: list[list[str]] = []
    size = LARGEST
    for flush in sorted(flushes, key=lambda flush: flush.name):
        size += flush.bytes
        if size > LARGEST or not found:
            found.append([])
            size = flush.bytes
        found[-1].append(flush.name)
    return [tuple(names) for names in found]


def _many(flushes: Sequence[Flush]) -> Sequence[Flush]:
    smallest_first = sorted(flushes, key=lambda flush: flush.bytes)
    merged = together = 0
    for count, flush in enumerate(smallest_first, 1):
        together += flush.bytes
        if count >= MANY and together >= FACTOR * flush.bytes:
            merged = count
    return smallest_first[:merged]


_ENDING = ".parquet"
_FOLDERS = {table: f"{TABLES_FOLDER}/{table.name}" for table in TABLES}


@dataclass(frozen=True, slots=True)
class MonthFiles:
    """The table files of a month, ``fetched`` in YYYY-MM: by flush and table, their paths."""

    fetched: str
    flushes: Mapping[str, Mapping[Table, str]]

    def paths(self, names: Iterable[str]) -> list[str]:
        """Return the paths of all files of some flushes."""
        return [path for name in names for path in self.flushes[name].values()]

    def sizes(self, storage: LocalStorage) -> list[Flush]:
        """Return the flushes with what their files take."""
        return [
            Flush(name, sum(storage.size(path) or 0 for path in self.paths([name])))
            for name in self.flushes
        ]


def months_in(storage: LocalStorage, folders: Mapping[Table, str]) -> list[MonthFiles]:
    """Return the table files by month, in order. ``folders`` has the folder of each table."""
    months: dict[str, dict[str, dict[Table, str]]] = defaultdict(lambda: defaultdict(dict))
    for table, folder in folders.items():
        for name in storage.own_names(folder):
            month = name.partition("=")[2]
            for file in storage.own_names(f"{folder}/{name}"):
                flush = months[month][file.removesuffix(_ENDING)]
                flush[table] = f"{folder}/{name}/{file}"
    return [MonthFiles(month, flushes) for month, flushes in sorted(months.items())]


NewFile: TypeAlias = tuple[str, Callable[[str], int | None]]
"""A table file's path, and what writes it to the path where it lies until then: how many rows where
some may not stay, and a file of none is of no use."""


def rewrite(writer: Writer, replaced: Collection[str], added: Iterable[NewFile]) -> None:
    """Put tables together aside, and give them the place of the old ones, at once and durably.

    They have all files of the old ones but those that are ``replaced``, and those ``added``.
    Readers see the old tables or the new ones. Whatever is raised on the way, the old ones stay.
    """
    storage = writer.storage
    aside = f"{REPLACED_TABLES}/{writer.session}"
    folders: set[str] = set()

    def place(path: str) -> str:
        target = f"{aside}/{path.removeprefix(f'{TABLES_FOLDER}/')}"
        folder = target.rpartition("/")[0]
        if folder not in folders:
            storage.make_new_folder(folder)
            while folder != TEMPORARY_FOLDER:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        return target

    try:
        stay = [path for path in storage.files(TABLES_FOLDER) if path not in replaced]
        unsynced = [new for path in stay if not _taken_along(storage, path, new := place(path))]
        for path, write in added:
            target = place(path)
            if write(target) == 0:
                storage.remove(target)
            else:
                unsynced.append(target)
        storage.sync([str(storage.locate(path)) for path in unsynced], sorted(folders))
        storage.replace_folder(aside, TABLES_FOLDER)
        storage.remove_empty(REPLACED_TABLES)
    except BaseException:
        with contextlib.suppress(ArchiverError):  # said already is what ails the disk
            storage.remove(aside)
            storage.remove_empty(REPLACED_TABLES)
        raise


def _taken_along(storage: LocalStorage, path: str, new: str) -> bool:
    """Give a file its place in the new tables; False where it was copied, and is to be synced.

    What others left there goes along where it can.
    """
    try:
        return storage.link(path, new)
    except ArchiverError:
        folder, _, name = path.rpartition("/")
        if is_own(folder, name):
            raise
        return True


def merged(
    writer: Writer, month: MonthFiles, names: Group, number: int, check_stop: Callable[[], None]
) -> Iterator[NewFile]:
    """Yield for each table the file that the files of some flushes become, a flush of this session.

    ``number`` is that of the flush; ``check_stop`` is called often while they are merged.
    """
    storage, session = writer.storage, writer.session
    for table in WRITE_ORDER:
        sources = [path for n in names if (path := month.flushes[n].get(table)) is not None]
        if sources:
            target = flush_path(table, month.fetched, flush_name(session, number))
            aside = f"{TEMPORARY_FOLDER}/{session}.rows"
            merge = partial(
                merge_files, storage, table, sources, aside=aside, check_stop=check_stop
            )
            yield f"{TABLES_FOLDER}/{target}", merge


def compact(
    writer: Writer,
    check_stop: Callable[[], None],
    *,
    growing_since: str | None = None,
    on_start: Callable[[int], None] = lambda _: None,
) -> tuple[int, int]:
    """Merge all table files that are not large.

    Of months from ``growing_since`` on (YYYY-MM, UTC), only where they are many. ``on_start`` hears
    how many it will be, if any.

    Returns how many there are now, instead of how many. Raises ArchiveDamaged, ArchiveUnwritable,
    and what ``check_stop`` raises: then some months are as they were, and no row is lost.
    """
    storage = writer.storage
    plan = []
    for month in months_in(storage, _FOLDERS):
        grows = growing_since is not None and month.fetched >= growing_since
        if groups := flushes_to_merge(month.sizes(storage), grows=grows):
            plan.append((month, groups))
    before = sum(len(month.paths(names)) for month, groups in plan for names in groups)
    if plan:
        on_start(before)
    numbers = itertools.count(first_free_number(writer))
    after = 0
    damage: ArchiveDamaged | None = None
    for month, groups in plan:
        try:
            after += _compact_month(writer, check_stop, month, groups, numbers)
        except ArchiveDamaged as error:  # the other months can be merged
            damage = damage or error
    if damage is not None:
        raise damage
    return after, before


def _compact_month(
    writer: Writer,
    check_stop: Callable[[], None],
    month: MonthFiles,
    groups: Sequence[Group],
    numbers: Iterator[int],
) -> int:
    """Merge each group of a month's flushes into one, and put that in place: how many files."""
    new = [new for g in groups for new in merged(writer, month, g, next(numbers), check_stop)]
    rewrite(writer, frozenset(path for names in groups for path in month.paths(names)), new)
    return len(new)


def first_free_number(writer: Writer) -> int:
    """Return the number of the session's next flush, one from 1 on that no table has."""
    prefix = f"{writer.session}-"
    taken = [
        int(number)
        for month in months_in(writer.storage, _FOLDERS)
        for name in month.flushes
        if (number := name.removeprefix(prefix)) != name and number.isdecimal()
    ]
    return max(taken, default=0) + 1


_REASON = FETCHES.column_names.index("reason")


@dataclass(frozen=True, slots=True)
class RemovedRuns:
    """The ``runs`` that were removed; and of those that were erased every id that was asked for."""

    runs: Collection[str]
    erased_ids: Collection[str]


def has_rows_of(storage: LocalStorage, table: Table, path: str, gone: RemovedRuns) -> bool:
    """Say whether a table file has rows that do not belong there when these runs are removed.

    Raises ArchiveDamaged where it cannot be read.
    """
    columns = ["run_id", "asked_id", "reason"] if table is FETCHES else ["run_id", "revision"]
    try:
        rows = pq.read_table(storage.locate(path), columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise ArchiveDamaged(
            f"{path} cannot be read: {error}", hint="`archiver reindex` rebuilds the tables"
        ) from None
    return pc.any(_unwanted(table, rows, gone)).as_py() or False


def write_without(
    storage: LocalStorage, table: Table, source: str, target: str, gone: RemovedRuns
) -> int:
    """Write the rows of ``source`` that may stay into the new file ``target``, not synced yet.

    Of ``fetches`` all rows stay, without the words of the server where a run was erased. Returns
    how many rows were written: where it is none the file is of no use.
    """
    file = TableFile(storage, table, source)
    with storage.create(target) as output:
        return _write(table, file, output, gone)


def _write(table: Table, file: TableFile, output: BinaryIO, gone: RemovedRuns) -> int:
    with RowGroups(table, output, file.rows, most_bytes=4 * MEMORY) as groups:
        for batch in file.batches(MEMORY // 8):
            rows = pa.Table.from_batches([batch])
            unwanted = _unwanted(table, rows, gone)
            if table is FETCHES:
                reasons = pc.if_else(unwanted, pa.scalar(None, pa.string()), rows["reason"])
                rows = rows.set_column(_REASON, rows.schema.field(_REASON), reasons)
            else:
                rows = rows.filter(pc.invert(unwanted))
            if rows.num_rows:
                groups.add(rows)
    return groups.written


def _unwanted(table: Table, rows: pa.Table, gone: RemovedRuns) -> pa.Array:
    """Which rows are not to be kept as they are. A tombstone's own rows come later."""
    if table is not FETCHES:
        return pc.is_in(rows["run_id"], pa.array(gone.runs, pa.string()))
    erased = pa.array(gone.erased_ids, pa.string())
    of_run = pc.or_(
        pc.fill_null(pc.is_in(rows["run_id"], erased), False), pc.is_in(rows["asked_id"], erased)
    )
    return pc.and_(of_run, pc.is_valid(rows["reason"]))


def remove_rows(
    writer: Writer,
    tombstones: Collection[Manifest],
    tables: Collection[Table] = TABLES,
    erased_ids: Collection[str] = (),
) -> None:
    """Take the rows of removed runs out of ``tables``, those of their tombstones too.

    ``erased_ids`` are others that were asked for: of them the words of the server go.

    Only the files that have such rows are written anew; readers see the old tables or the new ones.
    Where a run was erased, those who still read the old ones find them gone. Raises ArchiveDamaged
    where a file cannot be read: `archiver reindex` leaves nothing either.
    """
    gone = _gone(writer.storage, tombstones, erased_ids)
    _remove_rows(writer, gone, tables)
    if gone.erased_ids:
        writer.storage.remove(REPLACED_TABLES)


def remove_rows_of_runs(writer: Writer, run_ids: Sequence[str]) -> None:
    """Take all rows of these runs out of the tables that are no logs. Raises ArchiveDamaged."""
    projected = [table for table in TABLES if not table.is_log]
    _remove_rows(writer, RemovedRuns(run_ids, ()), projected)


def _remove_rows(writer: Writer, gone: RemovedRuns, tables: Collection[Table]) -> None:
    storage = writer.storage
    folders = {table: f"{TABLES_FOLDER}/{table.name}" for table in tables}
    affected = {
        path: table
        for month in months_in(storage, folders)
        for of_flush in month.flushes.values()
        for table, path in of_flush.items()
        if has_rows_of(storage, table, path, gone)
    }
    if affected:
        new = ((p, partial(write_without, storage, t, p, gone=gone)) for p, t in affected.items())
        rewrite(writer, affected, new)


def _gone(
    storage: LocalStorage, tombstones: Collection[Manifest], erased_ids: Collection[str]
) -> RemovedRuns:
    erased = [m.run_id for m in tombstones if m.removed_kind is RemovalKind.ERASED]
    others = [asked for asked, _ in other_ids(storage, erased)] if erased else []
    return RemovedRuns([m.run_id for m in tombstones], [*erased, *others, *erased_ids])
