"""A view's rows as one CSV or Parquet file, whatever their number."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.domain.views import ALL_REVISIONS, DAILY, View
from archiver.model.schema import DOCUMENTS, Column, ColumnType

_ROW_GROUP = 122_880
_LARGE = {DOCUMENTS.name, ALL_REVISIONS[DOCUMENTS]}
_SECONDS = "%Y-%m-%d %H:%M:%S"


def write_csv(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> int:
    """Write a view to a new CSV file; returns the number of rows. Raises duckdb.Error.

    Times and lists are written as ``archiver query`` writes them.
    """
    columns = ", ".join(map(_as_text, view.columns))
    target = str(path).replace("'", "''")
    copied = connection.execute(
        f"COPY (SELECT {columns} {_from(view)}) TO '{target}' (FORMAT csv, HEADER)"
    )
    ((rows,),) = copied.fetchall()
    return int(rows)


def write_parquet(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> int:
    """Write a view to a new Parquet file; returns the number of rows. Raises duckdb.Error.

    What a row is stands in the file's metadata, what a column means in the column's (``comment``
    and ``unit``).
    """
    names = ", ".join(f'"{column.name}"' for column in view.columns)
    size = DOCUMENTS.row_group_size if view.name in _LARGE else _ROW_GROUP
    reader = connection.sql(f"SELECT {names} {_from(view)}").to_arrow_reader(size)
    schema = pa.schema(
        [
            field.with_metadata(_metadata(column)).with_nullable(column.nullable)
            for field, column in zip(reader.schema, view.columns, strict=True)
        ],
        {"view": view.name, "row": view.row},
    )
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(reader):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            rows += batch.num_rows
    return rows


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches. What goes wrong on the way is OSError as Arrow has it, and DuckDB's here."""
    while True:
        try:
            batch = next(reader, None)
        except OSError as error:
            is_memory = str(error).startswith("Out of Memory")
            kind = duckdb.OutOfMemoryException if is_memory else duckdb.IOException
            raise kind(str(error)) from None
        if batch is None:
            return
        yield batch


def _from(view: View) -> str:
    """Days come one after the other; all else as it comes, for sorting it takes memory."""
    return f"FROM {view.name}" + (" ORDER BY day, run_type" if view is DAILY else "")


def _metadata(column: Column) -> dict[str, str]:
    return {"comment": column.meaning} | ({"unit": column.unit} if column.unit else {})


def _as_text(column: Column) -> str:
    name = f'"{column.name}"'
    if column.type is ColumnType.TIMESTAMP:
        text = (
            f"CASE WHEN epoch_us({name}) % 1000000 = 0 THEN strftime({name}, '{_SECONDS}+00:00') "
            f"ELSE strftime({name}, '{_SECONDS}.%f+00:00') END"
        )
    elif column.type is ColumnType.TEXT_LIST:
        text = f"to_json({name})"
    else:
        return name
    return f"{text} AS {name}"
