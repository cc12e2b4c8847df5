"""The values of a query's result, one by one: as text, and as JSON."""

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

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


def text_of(value: Any) -> str:
    """A value that is not NULL as people and CSV have it; lists and structs as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, pa.MonthDayNano):
        return interval_text(value)
    if isinstance(value, (list, dict)):
        return json.dumps(json_value(value), ensure_ascii=False)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def json_value(value: Any) -> Any:
    """A value as JSON can have it: times in ISO 8601, bytes in hexadecimal."""
    match value:
        case list():
            return [json_value(entry) for entry in value]
        case pa.MonthDayNano():
            return interval_text(value)
        case tuple():
            return [json_value(entry) for entry in value]
        case dict():
            return {str(key): json_value(entry) for key, entry in value.items()}
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case UUID():
            return str(value)
        case _:
            return value


def interval_text(value: pa.MonthDayNano) -> str:
    """An interval as DuckDB writes it: ``1 month 2 days 03:04:05.678``, in seconds of a day."""
    sign = "-" if value.nanoseconds < 0 else ""
    seconds, nanoseconds = divmod(abs(value.nanoseconds), 1_000_000_000)
    clock = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    fraction = f".{nanoseconds // 1000:06d}".rstrip("0").rstrip(".")
    parts = [
        f"{count} {name}{'' if abs(count) == 1 else 's'}"
        for count, name in ((value.months, "month"), (value.days, "day"))
        if count
    ]
    return " ".join([*parts, clock + fraction] if value.nanoseconds or not parts else parts)
