"""Table files of many flushes merged into one: what is written, and how."""

from typing import Any

import pyarrow.parquet as pq

from archiver.adapters.parquet import arrow_schema
from archiver.domain.tables import ColumnType, Table

_KEYS = ("run_id", "asked_id")
"""What is looked for: a Bloom filter tells that a row group does not have it."""
_FALSE_POSITIVES = 0.01
_UNIQUE = frozenset(
    {"run_id", "asked_id", "path", "document", "output", "app_url", "artifact_id"}
    | {"document_sha256", "sha256", "expected_sha256"}
)
"""Columns of which hardly two values are the same: a dictionary takes time and room for nothing."""
_PLAIN = (ColumnType.DOUBLE, ColumnType.TIMESTAMP, ColumnType.BOOLEAN)


def compacted_writer(table: Table, file: Any, rows: int) -> pq.ParquetWriter:
    """Writes about so many ``rows``, in the table's order, into a binary file."""
    distinct = max(1, min(rows, table.row_group_size))
    keys = [name for name in _KEYS if name in table.column_names]
    return pq.ParquetWriter(
        file,
        arrow_schema(table),
        compression="zstd",
        compression_level=3,
        use_dictionary=[
            path
            for column in table.columns
            for path in (column.name, f"{column.name}.list.element")
            if column.name not in _UNIQUE and column.type not in _PLAIN
        ],
        write_page_index=True,
        bloom_filter_options={name: {"ndv": distinct, "fpp": _FALSE_POSITIVES} for name in keys},
    )
