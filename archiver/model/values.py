"""The values of tables, one by one: as text, for people, CSV and packages, and as JSON."""

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID


def text_of(value: Any) -> str:
    """Return a value as people and CSV have it: nothing for NULL, lists and structs as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case tuple() if hasattr(value, "nanoseconds"):
            return interval_text(value)
        case list() | tuple() | dict():
            return json.dumps(json_value(value), ensure_ascii=False)
        case bytes():
            return value.hex()
        case _:
            return str(value)


def json_value(value: Any) -> Any:
    """Return a value as JSON can have it: times in ISO 8601, bytes in hexadecimal."""
    match value:
        case tuple() if hasattr(value, "nanoseconds"):
            return interval_text(value)
        case list() | tuple():
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


def interval_text(value: Any) -> str:
    """Return an interval as DuckDB writes it: ``1 month 2 days 03:04:05.678``.

    It has months, days and nanoseconds, as Arrow gives it.
    """
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
