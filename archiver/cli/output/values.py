"""The rows of a query's result, and how its types are shown."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from archiver.errors import UsageError
from archiver.query.sql import QueryResult


def rows_of(result: QueryResult) -> Iterator[list[Any]]:
    """The rows one by one, as Python's values. Raises UsageError for what Python cannot hold."""
    for batch in result.batches:
        try:
            columns = [column.to_pylist() for column in batch.columns]
        except (OverflowError, ValueError) as error:
            raise UsageError(
                f"the result holds a value that cannot be written: {error}",
                hint="Turn the column into text in the query: column::VARCHAR",
            ) from None
        yield from map(list, zip(*columns, strict=True)) if columns else ()


def is_number(kind: pa.DataType) -> bool:
    """Whether it is written to the right, so that digits stand below digits."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def is_interval(kind: pa.DataType) -> bool:
    """Whether it is DuckDB's INTERVAL, which many formats do not have."""
    return bool(pa.types.is_interval(kind))
