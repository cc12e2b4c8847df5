"""Merging the tables' small files, while whoever reads them goes on reading.

The new tables are put together aside, of the files that stay and the new ones, and take the old
ones' place all at once: month after month, so that what was merged stays merged whatever comes.
"""

import contextlib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from archiver.domain.compaction import Flush, Group, flushes_to_merge
from archiver.errors import ArchiveDamaged, ArchiverError, Interrupted
from archiver.fetch.events import CompactionFailed, CompactionStarted
from archiver.fetch.options import Surroundings
from archiver.model.paths import TABLES_ASIDE, TABLES_FOLDER, TEMPORARY_FOLDER
from archiver.model.schema import TABLES, Table
from archiver.store.lock import Writer
from archiver.store.storage import LocalStorage
from archiver.tables.merge import merge_files
from archiver.tables.write import WRITE_ORDER, flush_name, flush_path

_MONTH = re.compile(r"(?:fetched|checked)=([0-9]{4}-[0-9]{2})", re.ASCII)
_ENDING = ".parquet"
_FOLDERS = {table: f"{TABLES_FOLDER}/{table.name}" for table in TABLES}


@dataclass(frozen=True, slots=True)
class MonthFiles:
    """The table files of a month, ``fetched`` in YYYY-MM: by flush and table, their paths."""

    fetched: str
    flushes: Mapping[str, Mapping[Table, str]]

    def paths(self, names: Iterable[str]) -> list[str]:
        """All files of some flushes."""
        return [path for name in names for path in self.flushes[name].values()]

    def sizes(self, storage: LocalStorage) -> list[Flush]:
        """The flushes with what their files take."""
        return [
            Flush(name, sum(storage.size(path) or 0 for path in self.paths([name])))
            for name in self.flushes
        ]


def months_in(storage: LocalStorage, folders: Mapping[Table, str]) -> list[MonthFiles]:
    """The table files by month, in order. ``folders`` has the folder of each table."""
    months: dict[str, dict[str, dict[Table, str]]] = defaultdict(lambda: defaultdict(dict))
    for table, folder in folders.items():
        for name in storage.names(folder):
            if month := _MONTH.fullmatch(name):
                for file in storage.names(f"{folder}/{name}"):
                    if file.endswith(_ENDING):
                        flush = months[month[1]][file.removesuffix(_ENDING)]
                        flush[table] = f"{folder}/{name}/{file}"
    return [MonthFiles(month, flushes) for month, flushes in sorted(months.items())]


class NewTables:
    """Tables that are put together aside, and removed again unless they get their place."""

    def __init__(self, writer: Writer, check_stop: Callable[[], None]) -> None:
        self._storage = writer.storage
        self._session = writer.session
        self._check_stop = check_stop
        self._aside = f"{TABLES_ASIDE}/{writer.session}"
        self._folders: set[str] = set()
        self._unsynced: list[str] = []

    def __enter__(self) -> "NewTables":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            with contextlib.suppress(ArchiverError):  # said already is what ails the disk
                self._storage.remove(self._aside)
                self._storage.remove_empty(TABLES_ASIDE)

    def keep(self, path: str) -> None:
        """Take over a file of the old tables."""
        new = self.place(path.removeprefix(f"{TABLES_FOLDER}/"))
        if not self._storage.link(path, new):
            self._unsynced.append(new)

    def merge(self, month: MonthFiles, names: Group, number: int) -> None:
        """Merge the files of some flushes, in each table, into one flush of this session."""
        for table in WRITE_ORDER:
            sources = [path for n in names if (path := month.flushes[n].get(table)) is not None]
            if sources:
                name = flush_name(self._session, number)
                target = self.place(flush_path(table, month.fetched, name))
                rows_aside = f"{TEMPORARY_FOLDER}/{self._session}.rows"
                merge_files(self._storage, table, sources, target, rows_aside, self._check_stop)
                self.written(target)

    def written(self, path: str) -> None:
        """A new file is whole, not synced yet."""
        self._unsynced.append(path)

    def replace_old(self) -> None:
        """Give the new tables the place of the old ones, at once and durably."""
        files = [str(self._storage.locate(path)) for path in self._unsynced]
        self._storage.sync(files, sorted(self._folders))
        self._storage.replace_folder(self._aside, TABLES_FOLDER)
        self._storage.remove_empty(TABLES_ASIDE)

    def place(self, path: str) -> str:
        """Where a file of the tables lies aside; its folders are made."""
        folder = f"{self._aside}/{path}".rpartition("/")[0]
        if folder not in self._folders:
            self._storage.make_new_folder(folder)
            while folder != TEMPORARY_FOLDER:
                self._folders.add(folder)
                folder = folder.rpartition("/")[0]
        return f"{self._aside}/{path}"


def compact(
    writer: Writer,
    check_stop: Callable[[], None],
    *,
    growing_since: str | None = None,
    on_start: Callable[[int], None] = lambda _: None,
) -> tuple[int, int]:
    """Merge table files: how many there are now instead of how many.

    All that are not large, or, of months from ``growing_since`` on (YYYY-MM), only where they are
    many. ``on_start`` hears how many it will be, if any. Raises ArchiveDamaged, ArchiveUnwritable,
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
    storage = writer.storage
    merged = frozenset(path for names in groups for path in month.paths(names))
    with NewTables(writer, check_stop) as tables:
        for path in storage.files(TABLES_FOLDER):
            if path not in merged:
                tables.keep(path)
        for names in groups:
            tables.merge(month, names, next(numbers))
        tables.replace_old()
    return sum(len({t for name in names for t in month.flushes[name]}) for names in groups)


def compact_if_many(writer: Writer, world: Surroundings) -> None:
    """Merge table files at a session's end, which is the same whatever comes of it."""
    try:
        compact(
            writer,
            world.stop.check,
            growing_since=f"{world.now():%Y-%m}",
            on_start=lambda files: world.report(CompactionStarted(files)),
        )
    except Interrupted:
        pass
    except ArchiverError as error:
        world.report(CompactionFailed(error))


def first_free_number(writer: Writer) -> int:
    """The number of the session's next flush, one from 1 on that no table has."""
    prefix = f"{writer.session}-"
    taken = [
        int(number)
        for month in months_in(writer.storage, _FOLDERS)
        for name in month.flushes
        if (number := name.removeprefix(prefix)) != name and number.isdecimal()
    ]
    return max(taken, default=0) + 1
