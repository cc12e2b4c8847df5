"""What the files of the tables say of a revision: where its rows lie, and how they differ."""

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged
from archiver.model.paths import TABLES_FOLDER
from archiver.model.schema import RUNS, Table
from archiver.store.storage import LocalStorage
from archiver.tables.rebuild import project
from archiver.verify.table_files import TableFiles


def rows_of(storage: LocalStorage, table: Table, paths: list[str]) -> str:
    """The rows of table files; a column that none of them has is null."""
    listed = quoted(str(storage.locate(path)) for path in paths)
    read = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    there = {name for path in paths for name in pq.read_schema(storage.locate(path)).names}
    columns = ", ".join(
        f'"{name}"' if name in there else f'NULL AS "{name}"' for name in table.column_names
    )
    return f"(SELECT {columns} FROM {read})"  # noqa: S608 # names of the project's own


def folders_in_tables(
    storage: LocalStorage, files: TableFiles, run_ids: Collection[str]
) -> dict[tuple[str, int], str]:
    """The folders of these runs' revisions, by run and revision, as the table ``runs`` has them."""
    filters = [("run_id", "in", sorted(run_ids))]
    parts = (
        pq.read_table(
            storage.locate(path),
            columns=["run_id", "revision", "path"],
            filters=filters,
            partitioning=None,
        )
        for path in (files.sound.get(RUNS, ()) if run_ids else ())
    )
    rows = (row for part in parts for row in part.to_pylist())
    return {(row["run_id"], row["revision"]): row["path"] for row in rows}


def differing_columns(
    storage: LocalStorage, table: Table, files: TableFiles, run_id: str, revision: int, folder: str
) -> tuple[str, ...]:
    """The columns in which the rows of a revision differ."""
    from archiver.tables.write import to_arrow

    try:
        _, rows = project(storage, folder)
    except ArchiveDamaged:
        return ()
    expected = to_arrow(table, dict(rows.by_table())[table])
    stored = pa.concat_tables(
        part for _, part in _stored(storage, table, files, run_id, revision)
    ).sort_by([(name, "ascending") for name in table.sorted_by])
    return tuple(
        name
        for name in table.column_names
        if expected[name].to_pylist() != stored[name].to_pylist()
    )


def file_of(
    storage: LocalStorage, table: Table, files: TableFiles, run_id: str, revision: int
) -> str:
    parts = _stored(storage, table, files, run_id, revision)
    return next((path for path, _ in parts), f"{TABLES_FOLDER}/{table.name}")


def _stored(
    storage: LocalStorage, table: Table, files: TableFiles, run_id: str, revision: int
) -> Iterator[tuple[str, pa.Table]]:
    """The rows of a revision with the files that they lie in."""
    filters = [("run_id", "=", run_id), ("revision", "=", revision)]
    for path in files.sound[table]:
        names = set(pq.read_schema(storage.locate(path)).names)
        there = [name for name in table.column_names if name in names]
        part = pq.read_table(
            storage.locate(path), columns=there, filters=filters, partitioning=None
        )
        if part.num_rows:
            for name in table.column_names:
                if name not in names:
                    part = part.append_column(name, pa.nulls(part.num_rows))
            yield path, part.select(table.column_names)


def quoted(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in sorted(texts))
