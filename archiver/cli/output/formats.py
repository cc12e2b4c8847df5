"""Writing a query's result: as a table for people, or in a format for programs."""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from archiver.cli.output.tables import Screen, show, write_lines, write_table
from archiver.cli.output.text import printable, visible_on_terminals
from archiver.cli.output.values import is_interval, is_number, rows_of
from archiver.errors import UsageError
from archiver.model.rows import interval_text, json_value, text_of
from archiver.query.sql import QueryResult
from archiver.system.atomic import binary_output, text_output

_ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".md": "markdown",
    ".parquet": "parquet",
    ".txt": "table",
}


_EXACT = ("csv", "json", "ndjson")


def ending_format(output: Path | None) -> str | None:
    """The format that a file's ending asks for, if it has one. Raises UsageError for others."""
    ending = output.suffix.lower() if output else ""
    if ending and ending not in _ENDINGS:
        raise UsageError(
            f"nothing is written as {ending}",
            hint=f"There are {', '.join(_ENDINGS)}; or say with --format how it is to be written",
        )
    return _ENDINGS.get(ending)


def write_result(
    result: QueryResult, output_format: str, output: Path | None, screen: Screen | None = None
) -> None:
    """Write a result to a file, whole or not at all, or to standard output.

    With ``screen``, a terminal is shown what is for people as that says.
    """
    is_for_people = output_format in ("table", "line")
    if screen is not None and is_for_people and output is None and sys.stdout.isatty():
        show(result, screen, lines=output_format == "line")
        return
    if output_format == "parquet":
        with binary_output(output) as binary:
            _write_parquet(result, binary)
        return
    write = {
        "csv": _write_csv,
        "json": _write_json,
        "ndjson": _write_ndjson,
        "markdown": _write_markdown,
        "line": write_lines,
        "table": write_table,
    }[output_format]
    with text_output(output) as text:
        write(result, visible_on_terminals(text) if output_format in _EXACT else text)


def _write_csv(result: QueryResult, out: Any) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.schema.names)
    for row in rows_of(result):
        writer.writerow(map(text_of, row))


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
    for row in rows_of(result):
        yield dict(zip(names, map(json_value, row), strict=True))


def _write_parquet(result: QueryResult, out: Any) -> None:
    import pyarrow.parquet as pq

    # Parquet has no intervals: they are written as text, as in the other formats.
    schema = pa.schema(
        pa.field(field.name, pa.string()) if is_interval(field.type) else field
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


def _without_intervals(column: pa.Array) -> pa.Array:
    if not is_interval(column.type):
        return column
    texts = (value if value is None else interval_text(value) for value in column.to_pylist())
    return pa.array(texts, pa.string())


def _write_markdown(result: QueryResult, out: Any) -> None:
    columns = [(field.name, is_number(field.type)) for field in result.schema]
    print_markdown(columns, (list(map(text_of, row)) for row in rows_of(result)), out)


def print_markdown(
    columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], out: Any
) -> None:
    """Print a table as Markdown; of each column the name, and whether it holds numbers."""
    out.write("| " + " | ".join(_markdown_cell(name) for name, _ in columns) + " |\n")
    out.write("|" + "|".join(" ---: " if number else " --- " for _, number in columns) + "|\n")
    for row in rows:
        out.write("| " + " | ".join(map(_markdown_cell, row)) + " |\n")


_MARKDOWN = re.compile(r"[\\|`*\[<&]")


def _markdown_cell(text: str) -> str:
    """A text as it is, on one line, whatever it holds: no link, no image, no tag."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(map(printable, text.split())))
