"""Writing a query's result: as a table for people, or in a format for programs."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa

from archiver.adapters.query import QueryResult
from archiver.cli.output import binary_output, text_output
from archiver.cli.text import printable
from archiver.errors import UsageError

_ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".md": "markdown",
    ".parquet": "parquet",
    ".txt": "table",
}


def ending_format(output: Path | None) -> str | None:
    """The format that a file's ending asks for."""
    return _ENDINGS.get(output.suffix.lower()) if output else None


def write_result(result: QueryResult, output_format: str, output: Path | None) -> None:
    """Write a result to a file, whole or not at all, or to standard output."""
    if output_format == "parquet":
        with binary_output(output) as binary:
            _write_parquet(result, binary)
        return
    write = {
        "csv": _write_csv,
        "json": _write_json,
        "ndjson": _write_ndjson,
        "markdown": _write_markdown,
        "table": _write_table,
    }[output_format]
    with text_output(output) as text:
        write(result, text)


def _rows(result: QueryResult) -> Iterator[list[Any]]:
    for batch in result.batches:
        try:
            columns = [column.to_pylist() for column in batch.columns]
        except (OverflowError, ValueError) as error:
            raise UsageError(
                f"the result holds a value that cannot be written: {error}",
                hint="Turn the column into text in the query: column::VARCHAR",
            ) from None
        yield from map(list, zip(*columns, strict=True)) if columns else ()


def _write_csv(result: QueryResult, out: Any) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.schema.names)
    for row in _rows(result):
        writer.writerow("" if value is None else text_of(value) for value in row)


def _write_json(result: QueryResult, out: Any) -> None:
    before = "[\n"
    for line in _json_lines(result):
        out.write(before + line)
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def _write_ndjson(result: QueryResult, out: Any) -> None:
    for line in _json_lines(result):
        out.write(line + "\n")


def _json_lines(result: QueryResult) -> Iterator[str]:
    return (json.dumps(entry, ensure_ascii=False) for entry in json_entries(result))


def json_entries(result: QueryResult) -> Iterator[dict[str, Any]]:
    """The rows as what JSON can say of them."""
    names = result.schema.names
    for row in _rows(result):
        yield dict(zip(names, map(_json_value, row), strict=True))


def _write_parquet(result: QueryResult, out: Any) -> None:
    import pyarrow.parquet as pq

    # Parquet has no intervals: they are written as text, as in the other formats.
    schema = pa.schema(
        pa.field(field.name, pa.string()) if _is_interval(field.type) else field
        for field in result.schema
    )
    try:
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            for batch in result.batches:
                columns = [_without_intervals(column) for column in batch.columns]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    except pa.ArrowException as error:
        raise UsageError(
            f"the result cannot be written as Parquet: {error}",
            hint="Turn the column into text in the query: column::VARCHAR",
        ) from None


def _is_interval(kind: pa.DataType) -> bool:
    return bool(pa.types.is_interval(kind))


def _without_intervals(column: pa.Array) -> pa.Array:
    if not _is_interval(column.type):
        return column
    texts = (value if value is None else _interval(value) for value in column.to_pylist())
    return pa.array(texts, pa.string())


def _interval(value: pa.MonthDayNano) -> str:
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


def _write_markdown(result: QueryResult, out: Any) -> None:
    columns = [(field.name, is_number(field.type)) for field in result.schema]
    rows = (["" if value is None else text_of(value) for value in row] for row in _rows(result))
    print_markdown(columns, rows, out)


def print_markdown(
    columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], out: Any
) -> None:
    """Print a table as Markdown; of each column the name, and whether it holds numbers."""
    out.write("| " + " | ".join(_markdown_cell(name) for name, _ in columns) + " |\n")
    out.write("|" + "|".join(" ---: " if number else " --- " for _, number in columns) + "|\n")
    for row in rows:
        out.write("| " + " | ".join(map(_markdown_cell, row)) + " |\n")


def is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _markdown_cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _write_table(result: QueryResult, out: Any) -> None:
    columns = [(field.name, is_number(field.type)) for field in result.schema]
    rows = (["" if value is None else text_of(value) for value in row] for row in _rows(result))
    print_table(columns, rows, out)


def print_table(
    columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], out: Any
) -> None:
    """Print a table for people; of each column the name, and whether it holds numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED if _is_unicode(out) else box.ASCII2)
    for name, is_number in columns:
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(Text(name), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    terminal = out.isatty()
    # Off a terminal nothing limits the width: what is cut off cannot be searched.
    console = Console(file=out, width=None if terminal else 1_000_000, highlight=False)
    console.print(table, soft_wrap=not terminal, crop=terminal)


def _is_unicode(out: Any) -> bool:
    return "utf" in (getattr(out, "encoding", None) or "utf-8").lower()


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, pa.MonthDayNano):
        return _interval(value)
    if isinstance(value, (list, dict)):
        return json.dumps(_json_value(value), ensure_ascii=False)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _json_value(value: Any) -> Any:
    match value:
        case list():
            return [_json_value(entry) for entry in value]
        case pa.MonthDayNano():
            return _interval(value)
        case tuple():
            return [_json_value(entry) for entry in value]
        case dict():
            return {str(key): _json_value(entry) for key, entry in value.items()}
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
