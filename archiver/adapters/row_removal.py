"""Table files without the rows of runs that were removed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged
from archiver.model.schema import FETCHES, Table
from archiver.store.storage import LocalStorage
from archiver.tables.files import RowGroups, TableFile
from archiver.tables.merge import MEMORY

_REASON = FETCHES.column_names.index("reason")


@dataclass(frozen=True, slots=True)
class Gone:
    """The ``runs`` that were removed; and of those that were erased every id that was asked for."""

    runs: Collection[str]
    erased_ids: Collection[str]


def has_rows_of(storage: LocalStorage, table: Table, path: str, gone: Gone) -> bool:
    """Whether a table file has rows that do not belong there when these runs are removed.

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


def write_without(storage: LocalStorage, table: Table, source: str, target: str, gone: Gone) -> int:
    """Write the rows of ``source`` that may stay into the new file ``target``, not synced yet.

    Of ``fetches`` all rows stay, without the words of the server where a run was erased. Returns
    how many rows were written: where it is none the file is of no use.
    """
    file = TableFile(storage, table, source)
    with storage.create(target) as output:
        return _write(table, file, output, gone)


def _write(table: Table, file: TableFile, output: BinaryIO, gone: Gone) -> int:
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


def _unwanted(table: Table, rows: pa.Table, gone: Gone) -> pa.Array:
    """Which rows are not to be kept as they are. A tombstone's own rows come later."""
    if table is not FETCHES:
        return pc.is_in(rows["run_id"], pa.array(gone.runs, pa.string()))
    erased = pa.array(gone.erased_ids, pa.string())
    of_run = pc.or_(
        pc.fill_null(pc.is_in(rows["run_id"], erased), False), pc.is_in(rows["asked_id"], erased)
    )
    return pc.and_(of_run, pc.is_valid(rows["reason"]))
