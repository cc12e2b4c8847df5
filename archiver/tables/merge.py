"""Many files of a table merged into one, in the table's order, in little memory.

The rows are read once, a piece at a time. Where they are many, each piece is sorted and shared out
to ranges of the first key, which are set aside; then range after range is sorted and written.
"""

import contextlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from archiver.errors import ArchiveDamaged, SystemLimit
from archiver.model.schema import Table
from archiver.store.storage import LocalStorage
from archiver.tables.files import RowGroups, TableFile

MEMORY = 64 << 20
"""Bytes of rows that are dealt with at once; all that is in memory is several times as much."""
_SAMPLED = 200_000
"""Rows whose keys say where to divide."""


def merge_files(
    storage: LocalStorage,
    table: Table,
    sources: Sequence[str],
    target: str,
    aside: str,
    check_stop: Callable[[], None],
    memory: int = MEMORY,
) -> None:
    """Write the rows of all ``sources`` into the new file ``target``, which is not synced yet.

    What does not fit into memory goes through the file ``aside``. Raises ArchiveDamaged, which
    names the file that cannot be read, ArchiveUnwritable, and what ``check_stop`` raises.
    """
    files = [TableFile(storage, table, path) for path in sources]
    expected = sum(file.rows for file in files)
    key = table.sorted_by[0]
    with _refusals_explained(target), contextlib.ExitStack() as stack:
        pieces = _pieces(files, memory, check_stop)
        piece = next(pieces, None)
        boundaries = _boundaries(files, key, piece, memory)
        spill = stack.enter_context(_temporary(storage, aside)) if boundaries else None
        ranges = _Ranges(boundaries, spill)
        while piece is not None:
            ranges.add(_in_order(table, piece), key)
            piece = next(pieces, None)
        file = stack.enter_context(storage.create(target))
        with RowGroups(table, file, expected, most_bytes=4 * memory) as output:
            for rows in ranges.take():
                check_stop()
                output.add(_in_order(table, rows))
    if output.written != expected:
        raise ArchiveDamaged(f"{target} has {output.written} rows instead of {expected}")


def check_file(storage: LocalStorage, table: Table, path: str) -> None:
    """Read a file from end to end. Raises ArchiveDamaged where that cannot be done."""
    for _ in TableFile(storage, table, path).batches(MEMORY):
        pass


class _Ranges:
    """Rows by the range that their first key is in; ``boundaries`` begin all ranges but the first.

    Where there is a file, they are in that until they are taken.
    """

    def __init__(self, boundaries: Sequence[str], file: BinaryIO | None) -> None:
        self._boundaries = boundaries
        self._file = file
        self._parts: list[list[Callable[[], pa.Table]]] = [[] for _ in range(len(boundaries) + 1)]

    def add(self, rows: pa.Table, key: str) -> None:
        """Share out rows that are sorted by their first key."""
        keys = rows[key].combine_chunks()
        begin = 0
        for number, boundary in enumerate(self._boundaries):
            end = bisect_left(keys, boundary, begin, key=lambda one: one.as_py())
            self._keep(number, rows.slice(begin, end - begin))
            begin = end
        self._keep(len(self._boundaries), rows.slice(begin))

    def take(self) -> Iterator[pa.Table]:
        """The rows of one range after another, and forget them."""
        for parts in self._parts:
            if parts:
                yield pa.concat_tables(part() for part in parts)
            parts.clear()

    def _keep(self, number: int, rows: pa.Table) -> None:
        if rows.num_rows:
            file = self._file
            self._parts[number].append((lambda: rows) if file is None else _put(rows, file))


def _put(rows: pa.Table, file: BinaryIO) -> Callable[[], pa.Table]:
    """Write rows at a file's end; what comes back reads them again."""
    offset = file.tell()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(file, rows.schema, options=options) as stream:
        stream.write_table(rows)

    def read() -> pa.Table:
        file.seek(offset)
        return pa.ipc.open_stream(file).read_all()

    return read


def _boundaries(
    files: Sequence[TableFile], key: str, first: pa.Table | None, memory: int
) -> list[str]:
    """Values of the key between which lie rows of about half of ``memory``, if all take more.

    The ``first`` rows tell how much more there is of them in memory than in a file.
    """
    if first is None or not first.num_rows:
        return []
    row_bytes = sum(file.bytes for file in files) / sum(file.rows for file in files)
    growth = first.nbytes / first.num_rows / row_bytes
    if growth * sum(file.bytes for file in files) <= memory:
        return []
    step = max(1, sum(file.rows for file in files) // _SAMPLED)
    sampled = sorted((one, file.row_bytes) for file in files for one in file.sample(key, step))
    boundaries: list[str] = []
    between = 0.0
    for one, row_bytes in sampled:
        if between >= memory // 2 and boundaries[-1:] != [one]:
            boundaries.append(one)
            between = 0.0
        between += step * row_bytes * growth
    return boundaries


def _pieces(
    files: Iterable[TableFile], size: int, check_stop: Callable[[], None]
) -> Iterator[pa.Table]:
    """All rows, so many at once that they take about ``size`` bytes."""
    batches: list[pa.RecordBatch] = []
    taken = 0
    for file in files:
        for batch in file.batches(size // 8):
            check_stop()
            batches.append(batch)
            taken += batch.nbytes
            if taken >= size:
                yield pa.Table.from_batches(batches)
                batches, taken = [], 0
    if batches:
        yield pa.Table.from_batches(batches)


def _in_order(table: Table, rows: pa.Table) -> pa.Table:
    return rows.combine_chunks().sort_by([(name, "ascending") for name in table.sorted_by])


@contextlib.contextmanager
def _temporary(storage: LocalStorage, path: str) -> Iterator[BinaryIO]:
    try:
        with storage.create(path) as file:
            yield file
    finally:
        storage.remove(path)


@contextlib.contextmanager
def _refusals_explained(target: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise SystemLimit(
            f"not enough memory to write {target}", hint="Try again when there is more of it"
        ) from None
    except pa.ArrowException as error:
        raise ArchiveDamaged(
            f"{target} cannot be written: {error}", hint="`archiver reindex` rebuilds the tables"
        ) from None
