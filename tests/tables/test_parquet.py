"""Table files: sorted, pruned by statistics, and written by about how much memory they take."""

import io
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from archiver.model.schema import ARTIFACTS, DOCUMENTS, FETCHES, RUNS, TABLES, ColumnType, Table
from archiver.tables.write import RowBuffer, to_parquet

AT = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
_VALUES = {
    ColumnType.TEXT: "text",
    ColumnType.JSON: '{"é":1}',
    ColumnType.INTEGER: 1,
    ColumnType.DOUBLE: 0.5,
    ColumnType.BOOLEAN: True,
    ColumnType.TIMESTAMP: AT,
    ColumnType.TEXT_LIST: ["one", "two"],
}


def row(table: Table, *, key: str, full: bool = True) -> tuple[object, ...]:
    return tuple(
        key
        if column.name in ("run_id", "asked_id")
        else _VALUES[column.type]
        if full or not column.nullable
        else None
        for column in table.columns
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_come_back_sorted_with_all_their_values(table: Table) -> None:
    rows = [row(table, key=key, full=key != "tsk_2") for key in ("tsk_3", "tsk_1", "tsk_2")]
    read = pq.read_table(io.BytesIO(to_parquet(table, rows)))
    found = [tuple(values[name] for name in table.column_names) for values in read.to_pylist()]
    assert found == [rows[1], rows[2], rows[0]]


@pytest.mark.parametrize("table", [RUNS, DOCUMENTS, ARTIFACTS, FETCHES], ids=lambda t: t.name)
def test_statistics_tell_which_runs_and_times_a_file_holds(table: Table) -> None:
    rows = [row(table, key=key) for key in ("tsk_2", "tsk_1")]
    group = pq.ParquetFile(io.BytesIO(to_parquet(table, rows))).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    key = columns["asked_id" if table is FETCHES else "run_id"]
    at = columns["at" if table is FETCHES else "fetched_at"]
    assert (key.statistics.min, key.statistics.max) == ("tsk_1", "tsk_2")
    assert (at.statistics.min, at.statistics.max) == (AT, AT)
    assert key.has_column_index
    assert not key.has_dictionary_page
    assert columns["session"].has_dictionary_page


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_buffer_counts_every_text_that_it_holds(table: Table) -> None:
    rows = [row(table, key="tsk_1"), row(table, key="tsk_22", full=False)]
    buffer = RowBuffer()
    buffer.add(table, rows, AT)
    texts = sum(len(value) for values in rows for value in values if isinstance(value, str))
    assert buffer.bytes == 2 * 64 * len(table.columns) + texts
