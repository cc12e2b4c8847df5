"""Merged table files: the same rows, in order, in row groups that are found without being read."""

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.errors import ArchiveDamaged, Interrupted
from archiver.model.rows import Row
from archiver.model.schema import DOCUMENTS, ERRORS, FETCHES, RUNS, TABLES, Table
from archiver.store.storage import LocalStorage
from archiver.tables.merge import merge_files
from archiver.tables.write import arrow_schema, to_parquet
from tests.tables.test_parquet import row

_KEY = {table.name: "asked_id" if table is FETCHES else "run_id" for table in TABLES}


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    storage = LocalStorage(tmp_path / "archive")
    storage.make_root()
    storage.make_folder("tmp")
    return storage


def never() -> None:
    """Nobody asks to stop."""


def put(storage: LocalStorage, table: Table, rows: Sequence[Row], number: int = 0) -> str:
    path = f"tables/{number}.parquet"
    storage.put(path, to_parquet(table, rows))
    return path


def merge(
    storage: LocalStorage, table: Table, sources: Sequence[str], **options: Any
) -> pq.ParquetFile:
    merge_files(storage, table, sources, "tmp/merged", "tmp/aside", never, **options)
    assert storage.names("tmp") == ["merged"]
    return pq.ParquetFile(storage.locate("tmp/merged"))


def rows_of(table: Table, file: pq.ParquetFile) -> list[Row]:
    columns = [file.read()[name].to_pylist() for name in table.column_names]
    return list(zip(*columns, strict=True))


def scattered(table: Table, count: int) -> list[list[Row]]:
    """Rows with different keys, shared out to files at random."""
    chance = random.Random(count)
    files: list[list[Row]] = [[] for _ in range(7)]
    for number in range(count):
        key = f"{chance.choice(('tsk', 'wr', 'tsk_v2'))}_{chance.randrange(10**6):06d}é"
        chance.choice(files).append(row(table, key=key, full=number % 3 > 0))
    return files


@pytest.mark.parametrize("memory", [5_000, 50_000, 64 << 20])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_all_rows_are_there_in_order_however_little_memory_there_is(
    storage: LocalStorage, table: Table, memory: int
) -> None:
    files = scattered(table, 200)
    sources = [put(storage, table, rows, number) for number, rows in enumerate(files)]
    merged = merge(storage, table, sources, memory=memory)

    places = [table.column_names.index(name) for name in table.sorted_by]
    expected = sorted((r for rows in files for r in rows), key=lambda r: [r[n] for n in places])
    assert rows_of(table, merged) == expected
    assert merged.schema_arrow.equals(arrow_schema(table))
    assert merged.metadata.row_group(0).sorting_columns == tuple(
        pq.SortingColumn(place) for place in places
    )


def many_fetches(first: int, count: int) -> pa.Table:
    """Very many rows of ``fetches``, made of columns."""
    model = pq.read_table(io.BytesIO(to_parquet(FETCHES, [row(FETCHES, key="x")])))
    numbers = pa.array(range(first, first + 2 * count, 2))
    columns = [
        pa.compute.binary_join_element_wise("tsk_", numbers.cast(pa.string()), "")
        if name == "asked_id"
        else model[name].combine_chunks().take(pa.array([0] * count))
        for name in FETCHES.column_names
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(FETCHES))


def test_row_groups_are_as_large_as_the_tables_and_can_be_told_by_their_filters(
    storage: LocalStorage,
) -> None:
    storage.make_folder("tables")
    for first in (100_000, 100_001):
        pq.write_table(many_fetches(first, 80_000), storage.locate(f"tables/{first}.parquet"))
    sources = [f"tables/{first}.parquet" for first in (100_001, 100_000)]
    merged = merge(storage, FETCHES, sources, memory=4 << 20)

    metadata = merged.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [122_880, 37_120]
    asked = [group.column(1).statistics for group in groups]
    assert [(s.min, s.max) for s in asked] == [
        ("tsk_100000", "tsk_222879"), ("tsk_222880", "tsk_259999"),
    ]  # fmt: skip
    assert groups[0].column(0).has_dictionary_page
    assert not groups[0].column(1).has_dictionary_page
    assert {groups[0].column(1).compression} == {"ZSTD"}
    assert all(group.column(1).has_offset_index for group in groups)
    path = storage.locate("tmp/merged")
    with duckdb.connect() as connection:

        def excluded(asked_id: str) -> list[bool]:
            probe = f"FROM parquet_bloom_probe('{path}', 'asked_id', '{asked_id}')"
            return [bool(row[-1]) for row in connection.sql(probe).fetchall()]

        assert excluded("tsk_100001") == [False, True]
        assert excluded("tsk_259999") == [True, False]
        absent = [excluded(f"tsk_1{number}x") for number in range(20)]
        assert sum(map(sum, absent)) >= 36


@pytest.mark.parametrize("table", [RUNS, DOCUMENTS], ids=lambda table: table.name)
def test_a_run_is_found_without_reading_other_row_groups(
    storage: LocalStorage, table: Table
) -> None:
    sources = [put(storage, table, rows, n) for n, rows in enumerate(scattered(table, 50))]
    merge(storage, table, sources)
    with duckdb.connect() as connection:
        path = storage.locate("tmp/merged")
        filters = connection.sql(
            f"SELECT path_in_schema FROM parquet_metadata('{path}') "
            "WHERE bloom_filter_offset IS NOT NULL"
        ).fetchall()
    assert filters == [("run_id",)]


def test_row_groups_of_large_documents_end_sooner(storage: LocalStorage) -> None:
    large = [
        (*row(DOCUMENTS, key=f"tsk_{number}")[:3], "x" * 100_000, *row(DOCUMENTS, key="")[4:])
        for number in range(10, 40)
    ]
    sources = [put(storage, DOCUMENTS, large[n::3], n) for n in range(3)]
    metadata = merge(storage, DOCUMENTS, sources, memory=100_000).metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sum(groups) == 30
    assert max(groups) <= 5


def test_memory_is_bounded_also_where_files_hold_the_same_over_and_over(
    storage: LocalStorage,
) -> None:
    storage.make_folder("tables")
    for first in (100_000, 100_001):
        rows = many_fetches(first, 4_000)
        reason = pa.array(["x" * 20_000]).take(pa.array([0] * 4_000))
        place = FETCHES.column_names.index("reason")
        rows = rows.set_column(place, rows.schema.field("reason"), reason)
        pq.write_table(rows, storage.locate(f"tables/{first}.parquet"))
        del rows, reason
    before, counting = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counting)
    try:
        sources = ["tables/100000.parquet", "tables/100001.parquet"]
        merge_files(storage, FETCHES, sources, "tmp/new", "tmp/aside", never, memory=2 << 20)
    finally:
        pa.set_memory_pool(before)
    assert pq.read_metadata(storage.locate("tmp/new")).num_rows == 8_000
    assert counting.max_memory() < 25 << 20, "160 MB of rows are many times the memory allowed"


def test_very_many_tiny_files_become_one(storage: LocalStorage) -> None:
    storage.make_folder("tables")
    sources = [f"tables/{number}.parquet" for number in range(1_100)]
    for number, path in enumerate(sources):
        data = to_parquet(ERRORS, [row(ERRORS, key=f"tsk_{(number * 7) % 1_100:04d}")])
        storage.locate(path).write_bytes(data)
    merged = merge(storage, ERRORS, sources)
    assert merged.metadata.num_row_groups == 1
    found = merged.read()["run_id"].to_pylist()
    assert found == [f"tsk_{number:04d}" for number in range(1_100)]


def test_a_column_that_came_later_is_null_in_older_files(storage: LocalStorage) -> None:
    old = put(storage, FETCHES, [row(FETCHES, key="tsk_1")])
    place = storage.locate(old)
    pq.write_table(pq.read_table(place, partitioning=None).drop_columns(["reason"]), place)
    new = put(storage, FETCHES, [row(FETCHES, key="tsk_2")], 1)
    merged = merge(storage, FETCHES, [new, old])
    assert merged.read()["reason"].to_pylist() == [None, "text"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flip(path: Path) -> None:
    """Change bytes of a page, of which the file's end knows nothing."""
    data = bytearray(path.read_bytes())
    data[40:80] = bytes(40)
    path.write_bytes(data)


def drop(path: Path) -> None:
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["run_id"]), path)


def add(path: Path) -> None:
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.append_column("newer", pa.nulls(len(table))), path)


@pytest.mark.parametrize("harm", [cut, flip, drop, add, Path.unlink])
@pytest.mark.parametrize("memory", [1_000, 64 << 20])
def test_a_file_that_is_damaged_is_named_and_nothing_is_left_aside(
    storage: LocalStorage, harm: Any, memory: int
) -> None:
    files = scattered(ERRORS, 100)
    sources = [put(storage, ERRORS, rows, number) for number, rows in enumerate(files)]
    harm(storage.locate(sources[3]))
    with pytest.raises(ArchiveDamaged, match=sources[3]):
        merge_files(storage, ERRORS, sources, "tmp/new", "tmp/aside", never, memory=memory)
    assert "aside" not in storage.names("tmp")


def test_it_can_be_stopped_at_any_time(storage: LocalStorage) -> None:
    files = scattered(ERRORS, 100)
    sources = [put(storage, ERRORS, rows, number) for number, rows in enumerate(files)]

    for last in range(1_000):
        asked = iter(range(last))

        def check_stop(asked: Iterator[int] = asked) -> None:
            if next(asked, None) is None:
                raise Interrupted("interrupted")

        storage.remove("tmp/new")
        try:
            merge_files(storage, ERRORS, sources, "tmp/new", "tmp/aside", check_stop, memory=4_000)
        except Interrupted:
            assert "aside" not in storage.names("tmp")
            continue
        break
    assert last > 10
