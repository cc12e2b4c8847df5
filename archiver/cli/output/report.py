"""Writing a report: tables that people read at a glance, or exact values for programs."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from archiver.cli.output.formats import json_entries, print_markdown, write_result
from archiver.cli.output.text import readable_bytes, visible_on_terminals
from archiver.cli.output.values import is_number
from archiver.cli.output.wide import parts, print_table, table_width
from archiver.query.reports.options import AskedReport, By
from archiver.query.reports.run import ReportTable
from archiver.query.sql import QueryResult
from archiver.system.atomic import text_output

_LONGEST = 120
"""Characters of a text that a table for people shows."""
_GROUPS = ("group", *By)
_NO_GROUP = "(none)"
"""What stands for the group of those that have none, which is not that of an empty text."""
_WIDE = 8
"""Columns from which a single row is turned: it is read line by line."""


def write_report(
    asked: AskedReport,
    tables: Sequence[ReportTable],
    output_format: str,
    output: Path | None,
    limit: int,
) -> dict[str, int]:
    """Write a report's tables, of each at most ``limit`` rows (0: all).

    Returns how many rows there are of the tables that were cut. csv and parquet take one table.
    """
    shown = [
        ReportTable(table.name, table.title, table.rows.slice(0, limit or None)) for table in tables
    ]
    if output_format in ("csv", "parquet"):
        write_result(_result(shown[0]), output_format, output)
    else:
        with text_output(output) as out:
            if output_format == "json":
                text = json.dumps(_document(asked, shown), indent=2, ensure_ascii=False)
                visible_on_terminals(out).write(text + "\n")
            else:
                _write_for_people(shown, out, is_markdown=output_format == "markdown")
    return {
        table.name: table.rows.num_rows for table in tables if limit and table.rows.num_rows > limit
    }


def _result(table: ReportTable) -> QueryResult:
    return QueryResult(table.rows.schema, iter(table.rows.to_batches()))


def _document(asked: AskedReport, tables: Sequence[ReportTable]) -> dict[str, Any]:
    filters = asked.filters
    return {
        "report": asked.report.name,
        "by": asked.grouped_by,
        "filters": {
            "since": filters.since.isoformat() if filters.since else None,
            "until": filters.until.isoformat() if filters.until else None,
            "run_type": filters.run_types,
            "status": filters.statuses,
            "workflow": filters.workflows,
        },
        "tables": {table.name: list(json_entries(_result(table))) for table in tables},
    }


def _write_for_people(tables: Sequence[ReportTable], out: Any, *, is_markdown: bool) -> None:
    for number, table in enumerate(tables):
        if number:
            out.write("\n")
        out.write(f"## {table.title}\n\n" if is_markdown else f"{table.title}\n")
        fields = list(table.rows.schema)
        columns = [(field.name.replace("_", " "), is_number(field.type)) for field in fields]
        rows = list(_readable_rows(table.rows))
        if len(rows) == 1 and len(columns) > _WIDE:
            (row,) = rows
            rows = [[name, value] for (name, _), value in zip(columns, row, strict=True)]
            columns = [("", False), ("", True)]
        if is_markdown:
            print_markdown(columns, rows, out)
        else:
            _print_parts(columns, rows, out)


def _print_parts(
    columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], out: Any
) -> None:
    for part in parts(columns, rows, table_width(out)):
        print_table(
            [(column.heading, columns[column.index][1]) for column in part],
            ([row[column.index] for column in part] for row in rows),
            out,
            [column.width for column in part],
        )


def _readable_rows(rows: pa.Table) -> Iterator[Sequence[str]]:
    readers = [_reader(name) for name in rows.column_names]
    blanks = [_NO_GROUP if name in _GROUPS else "" for name in rows.column_names]
    columns = [column.to_pylist() for column in rows.columns]
    for row in zip(*columns, strict=True):
        yield [
            blank if value is None else read(value)
            for read, blank, value in zip(readers, blanks, row, strict=True)
        ]


def _reader(column: str) -> Callable[[Any], str]:
    """What makes a column's values readable: its name says what they are."""
    if column.endswith(("_rate", "_rate_7_days", "share_of_failures")):
        return _percent
    if column.startswith("change"):
        return lambda value: f"{100 * value:+.1f} pp"
    if "seconds" in column or "_p95" in column:
        return lambda value: f"{value:,.1f}"
    if column.endswith(("bytes", "size")):
        return readable_bytes
    return _readable


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 or not share else "<0.1 %"


def _readable(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case list():
            return ", ".join(map(str, value))
        case _:
            text = str(value)
            return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
