"""Tables as Parquet files: one file per table and flush, partitioned by month of fetching."""

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum, auto
from operator import itemgetter
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.model.ids import SessionId
from archiver.model.paths import TABLES_FOLDER
from archiver.model.rows import Row
from archiver.model.schema import (
    ARTIFACTS,
    CHECKS,
    DOCUMENTS,
    ERRORS,
    FETCHES,
    RUNS,
    TABLES,
    ColumnType,
    Table,
)
from archiver.store.storage import LocalStorage

KEY = "archiver.sha256"
_PLACE = b"0" * 64
_MAGIC = b"PAR1"
_DIGEST = re.compile(rb"[0-9a-f]{64}")
"""What stands in the footer under another key where the key was harmed."""
_PIECE = 1 << 20


class DigestCheck(Enum):
    """What a table file's own digest says of it."""

    INTACT = auto()
    """The file is what was written."""
    ALTERED = auto()
    NONE = auto()
    """It has none; so does a file that is cut off, which cannot be read either."""


def reserve_digest(writer: pq.ParquetWriter) -> None:
    """Leave room for the digest in a file that is about to be closed."""
    writer.add_key_value_metadata({KEY: _PLACE.decode()})


def write_digest(file: BinaryIO) -> None:
    """Put the digest into a finished file that has room for it (format, 6.3)."""
    found = _find(file, _PLACE)
    if found is not None:
        digest = _digest(file, found)
        file.seek(found)
        file.write(digest.encode())


def check_digest(file: BinaryIO) -> DigestCheck:
    """Compare a table file with the digest in its footer. Raises OSError."""
    found = _find(file, None)
    if found is None:
        return DigestCheck.ALTERED if _has_digest(file) else DigestCheck.NONE
    file.seek(found)
    is_intact = file.read(len(_PLACE)) == _digest(file, found).encode()
    return DigestCheck.INTACT if is_intact else DigestCheck.ALTERED


def _has_digest(file: BinaryIO) -> bool:
    """Whether the metadata have a digest under whatever key."""
    file.seek(0)
    try:
        metadata = pq.read_metadata(file).metadata or {}
    except (pa.ArrowException, OSError):  # whoever reads the file finds that out
        return False
    return any(_DIGEST.fullmatch(value) for value in metadata.values())


def _find(file: BinaryIO, value: bytes | None) -> int | None:
    """Where in the file the value stands that belongs to the key; behind it lies its length."""
    begin, footer = _footer(file)
    # In thrift's compact protocol a text is its length and its bytes; then a field's header.
    key = footer.rfind(KEY.encode())
    if key < 0:
        return None
    offset = key + len(KEY) + 2
    there = footer[offset : offset + len(_PLACE)]
    if len(there) < len(_PLACE) or (value is not None and there != value):
        return None
    return begin + offset


def _digest(file: BinaryIO, offset: int) -> str:
    """Of the file with zeros at ``offset``."""
    digest = hashlib.sha256()
    file.seek(0)
    left = offset
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    digest.update(_PLACE)
    file.seek(offset + len(_PLACE))
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer begins, and its bytes; none where the end is not that of a Parquet file."""
    end = file.seek(0, 2)
    if end < 12:
        return 0, b""
    file.seek(end - 8)
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > end - 12:
        return 0, b""
    file.seek(end - 8 - length)
    return end - 8 - length, file.read(length)


_ARROW_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.JSON: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    ColumnType.DATE: pa.date32(),
    ColumnType.TEXT_LIST: pa.list_(pa.string()),
}
WRITE_ORDER = (DOCUMENTS, ARTIFACTS, ERRORS, FETCHES, CHECKS, RUNS)
"""``runs`` last: a flush whose runs are there is there as a whole."""
_REPEATING = frozenset(
    {"run_type", "status", "run_with", "request_engine", "request_proxy_location", "workflow_id"}
    | {"kind", "state", "media_type", "served_type", "reason", "error_code", "outcome", "session"}
    | {"depth"}
)
"""Columns with few different values; a dictionary of the others takes time and room for nothing."""


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table, without metadata, as every one of its files has it."""
    return pa.schema(
        pa.field(column.name, _ARROW_TYPES[column.type], nullable=column.nullable)
        for column in table.columns
    )


def to_arrow(table: Table, rows: Iterable[Row]) -> pa.Table:
    """Rows as an Arrow table, sorted as the table is."""
    schema = arrow_schema(table)
    ordered = sorted(rows, key=itemgetter(*map(table.column_names.index, table.sorted_by)))
    columns = list(zip(*ordered, strict=True)) or [()] * len(schema)
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def to_parquet(table: Table, rows: Iterable[Row]) -> bytes:
    """Rows as a Parquet file."""
    return encode(table, to_arrow(table, rows))


def encode(table: Table, rows: pa.Table) -> bytes:
    """Sorted rows as the Parquet file of a flush."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        rows.schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in table.column_names if name in _REPEATING],
        write_page_index=True,
    ) as writer:
        writer.write_table(rows, table.row_group_size)
        reserve_digest(writer)
    write_digest(buffer)
    return buffer.getvalue()


class RowBuffer:
    """Rows on their way into the tables, and about how much memory they take."""

    def __init__(self, folder: str = TABLES_FOLDER) -> None:
        self._folder = folder
        self._rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self.bytes = 0

    def add(self, table: Table, rows: Sequence[Row], at: datetime) -> None:
        """Take rows whose answer came ``at``."""
        if rows:
            month = at.date().isoformat()[:7]
            self._rows[table.name, month].extend(rows)
            self.bytes += _size(table, rows)

    def write(self, storage: LocalStorage, name: str, *, every_table: bool = False) -> None:
        """Write one file per table and month, ``runs`` last, and forget the rows.

        With ``every_table`` one that has no file yet gets one without rows, for those who read it
        with other tools.
        """
        month = max((month for _, month in self._rows), default=None) if every_table else None
        for table in WRITE_ORDER:
            if month is not None and not self._has_files(storage, table):
                self._rows.setdefault((table.name, month), [])
        for table in WRITE_ORDER:
            for (of, month), rows in self._rows.items():
                if of == table.name:
                    path = flush_path(table, month, name)
                    storage.put(f"{self._folder}/{path}", to_parquet(table, rows))
        self._rows.clear()
        self.bytes = 0

    def _has_files(self, storage: LocalStorage, table: Table) -> bool:
        folder = f"{self._folder}/{table.name}"
        months = storage.own_names(folder)
        return any(storage.own_names(f"{folder}/{month}") for month in months)


def flush_name(session: SessionId, number: int) -> str:
    return f"{session}-{number:04d}"


def flush_path(table: Table, month: str, name: str) -> str:
    """Where a flush's rows of a table lie, below the folder of the tables."""
    return f"{table.name}/{table.partition}={month}/{name}.parquet"


def _size(table: Table, rows: Sequence[Row]) -> int:
    texts = _texts[table.name]
    characters = sum(sum(map(len, filter(None, texts(row)))) for row in rows)
    return 64 * len(table.columns) * len(rows) + characters


_TEXT_TYPES = (ColumnType.TEXT, ColumnType.JSON)
_texts = {
    table.name: itemgetter(*(n for n, c in enumerate(table.columns) if c.type in _TEXT_TYPES))
    for table in TABLES
}
"""What takes the texts out of a row of each table."""
