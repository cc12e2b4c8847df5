"""Files of a table on their way into one: read in batches, written in row groups."""

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged
from archiver.model.schema import ColumnType, Table
from archiver.store.storage import LocalStorage
from archiver.system.files import open_file, unreadable
from archiver.tables.write import arrow_schema, reserve_digest, write_digest

_HINT = "`archiver reindex` rebuilds the tables, without what cannot be read"
_KEYS = ("run_id", "asked_id")
"""What is looked for: a Bloom filter tells that a row group does not have it."""
_FALSE_POSITIVES = 0.01
_MEASURED_FROM = 1_024
"""Rows of a file from which it is measured how many may be read at once."""
_MEASURED = 64
_PAGE_ROWS = 4_096
"""Of each column the page is read that has the row which is looked for."""
_UNIQUE = frozenset(
    {"run_id", "asked_id", "path", "document", "output", "app_url", "url", "artifact_id"}
    | {"document_sha256", "sha256", "expected_sha256", "size", "expected_size", "bytes"}
)
"""Columns of which hardly two values are the same: a dictionary takes time and room for nothing."""
_WITHOUT_DICTIONARY = (ColumnType.DOUBLE, ColumnType.TIMESTAMP, ColumnType.BOOLEAN)


class TableFile:
    """A file of a table, at ``path`` in the archive. Everything raises ArchiveDamaged where it
    cannot be read.

    ``bytes`` are those of its rows before they were compressed, but not before a dictionary took
    the place of values that repeat: in memory they may take many times that.
    """

    def __init__(self, storage: LocalStorage, table: Table, path: str) -> None:
        self.path = path
        self._place = storage.locate(path)
        self._schema = arrow_schema(table)
        with self._damage_found():
            os.close(open_file(self._place))
            metadata = pq.read_metadata(self._place)
            fields = {field.name: field for field in metadata.schema.to_arrow_schema()}
        self.rows: int = metadata.num_rows
        groups = range(metadata.num_row_groups)
        self.bytes: int = sum(metadata.row_group(number).total_byte_size for number in groups)
        names = set(fields)
        if unknown := sorted(names - set(table.column_names)):
            raise ArchiveDamaged(
                f"{path} has columns that this version does not know: {', '.join(unknown)}",
                hint="Use the version of skyvern-archiver that wrote it",
            )
        required = {column.name for column in table.columns if not column.nullable}
        if lacking := sorted(required - names):
            raise ArchiveDamaged(f"{path} lacks columns: {', '.join(lacking)}", hint=_HINT)
        others = [
            f"{field.name} is {fields[field.name].type}, not {field.type}"
            for field in self._schema
            if field.name in names and fields[field.name].type != field.type
        ]
        others += sorted(
            f"{name} may be null" for name in required & names if fields[name].nullable
        )
        if others:
            raise ArchiveDamaged(
                f"{path} has columns of other types: {'; '.join(others)}", hint=_HINT
            )

    @property
    def row_bytes(self) -> float:
        return self.bytes / max(1, self.rows)

    def sample(self, column: str, step: int) -> list[str]:
        """Every so many values of a column of texts."""
        with self._damage_found(), pq.ParquetFile(self._place) as file:
            values = file.read(columns=[column])[column]
            taken: list[str] = values.take(pa.array(range(0, len(values), step))).to_pylist()
            return taken

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        """All rows, about ``size`` bytes of memory at once; a column that it lacks is null."""
        with self._damage_found(), pq.ParquetFile(self._place) as file:
            rows = max(1, self.rows)
            if rows > _MEASURED_FROM:  # smaller ones never hold much: such are flushed
                first = next(file.iter_batches(_MEASURED))
                rows = max(1, int(size * first.num_rows / max(1, first.nbytes)))
            for batch in file.iter_batches(min(rows, self.rows or 1)):
                yield self._fitted(batch)

    def _fitted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        there = frozenset(batch.schema.names)
        columns = [
            batch.column(field.name).cast(field.type)
            if field.name in there
            else pa.nulls(batch.num_rows, field.type)
            for field in self._schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    @contextlib.contextmanager
    def _damage_found(self) -> Iterator[None]:
        try:
            yield
        except pa.ArrowException as error:
            raise ArchiveDamaged(f"{self.path} cannot be read: {error}", hint=_HINT) from None
        except OSError as error:
            problem = unreadable(self.path, error)
            problem.hint = problem.hint or _HINT
            raise problem from None


class RowGroups:
    """Rows that come in order, written into a file in row groups as large as the table's.

    A row group ends earlier where its rows take ``most_bytes`` of memory. ``written`` counts rows.
    The file is whole when the block has ended without an error.
    """

    def __init__(self, table: Table, file: BinaryIO, rows: int, most_bytes: int) -> None:
        """``file`` is for about so many ``rows``."""
        self._size = table.row_group_size
        self._most_bytes = most_bytes
        self._file = file
        self._output = _Output(file)
        self._writer = _writer(table, self._output, rows)
        self._waiting: list[pa.Table] = []
        self.written = 0

    def __enter__(self) -> "RowGroups":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None and self._waiting:
                self._write()
            reserve_digest(self._writer)
            self._output.is_given_up = error is not None
            self._writer.close()
            if error is None:
                write_digest(self._file)
        except BaseException:
            self._output.is_given_up = True
            self._writer.close()
            raise

    def add(self, rows: pa.Table) -> None:
        """Write more rows, as soon as there are enough of them."""
        self._waiting.append(rows)
        while sum(waiting.num_rows for waiting in self._waiting) >= self._size:
            self._write()
        if sum(waiting.nbytes for waiting in self._waiting) >= self._most_bytes:
            self._write()

    def _write(self) -> None:
        rows = pa.concat_tables(self._waiting)
        group, rest = rows.slice(0, self._size), rows.slice(self._size)
        self._writer.write_table(group, self._size)
        self._waiting = [rest] if rest.num_rows else []
        self.written += group.num_rows


class _Output:
    """What the Parquet writer writes to. It cannot be given up itself: it writes an end whatever
    happened, when it is closed or forgotten."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.is_given_up = False

    def write(self, data: bytes) -> int:
        return len(data) if self.is_given_up else self._file.write(data)

    def flush(self) -> None:
        """The file is flushed when it is closed."""

    def close(self) -> None:
        """Whoever opened the file closes it."""


def _writer(table: Table, output: _Output, rows: int) -> pq.ParquetWriter:
    schema = arrow_schema(table)
    distinct = max(1, min(rows, table.row_group_size))
    sorted_by = [(name, "ascending") for name in table.sorted_by]
    return pq.ParquetWriter(
        output,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[
            path
            for column in table.columns
            for path in (column.name, f"{column.name}.list.element")
            if column.name not in _UNIQUE and column.type not in _WITHOUT_DICTIONARY
        ],
        write_page_index=True,
        max_rows_per_page=_PAGE_ROWS,
        sorting_columns=pq.SortingColumn.from_ordering(schema, sorted_by),
        bloom_filter_options={
            name: {"ndv": distinct, "fpp": _FALSE_POSITIVES}
            for name in _KEYS
            if name in table.column_names
        },
    )
