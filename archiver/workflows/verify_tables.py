"""The tables against the manifests: files that were harmed, rows that are missing or differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.adapters.comparison import Comparison
from archiver.adapters.row_digests import PROJECTED, digest_query
from archiver.adapters.storage import LocalStorage
from archiver.domain.findings import REINDEX, RESTORE, Finding, Level, run_of
from archiver.domain.paths import MANIFEST, TABLES_FOLDER
from archiver.domain.tables import RUNS, TABLES, Table
from archiver.errors import ArchiveDamaged
from archiver.workflows.tables import project
from archiver.workflows.verify_table_files import TableFiles

_MEMORY = 32 << 20
_MOST = 1_000
"""Revisions whose rows differ that are named one by one."""
_NAMED = 5


class ExpectedRows:
    """Rows that the tables should have, of which the digests are taken many at a time."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._waiting: list[Mapping[str, pa.Table]] = []
        self._bytes = 0

    def add(self, rows: Mapping[str, pa.Table]) -> None:
        if rows:
            self._waiting.append(rows)
            self._bytes += sum(of_table.nbytes for of_table in rows.values())
        if self._bytes >= _MEMORY:
            self.flush()

    def flush(self) -> None:
        """Take the digests of all that wait."""
        for table in PROJECTED if self._waiting else ():
            rows = pa.concat_tables(one[table.name] for one in self._waiting)
            self._comparison.add_query("expected", digest_query(table, "given"), given=rows)
        self._waiting.clear()
        self._bytes = 0


def compare_tables(
    storage: LocalStorage, comparison: Comparison, files: TableFiles, *, is_whole: bool
) -> Iterator[Finding]:
    """Hold the rows that the manifests give against those that the tables have.

    ``comparison`` has what is expected and what was found. Unless ``is_whole``, only of the
    revisions that were looked at. Raises ArchiveDamaged.
    """
    try:
        for table in PROJECTED:
            if paths := files.sound.get(table):
                source = _source(storage, table, paths)
                query = f"FROM ({digest_query(table, source)})"
                if not is_whole:
                    query += " SEMI JOIN found USING (run_id, revision)"
                comparison.add_query("stored", query)
            for path in files.harmed.get(table, ()):
                _excuse(storage, comparison, table, path, files)
        differing = list(comparison.ask(_DIFFERENT, [_MOST + 1]))
    except duckdb.Error as error:
        raise ArchiveDamaged(
            f"the tables cannot be read: {str(error).splitlines()[0]}", hint=REINDEX
        ) from None
    yield from _rows_missing(row for row in differing if row[4] is None)
    extra: dict[tuple[str, int], list[str]] = {}
    for table_name, run_id, revision, folder, stored, expected in differing:
        if stored is None:
            continue
        if folder is None:
            extra.setdefault((run_id, revision), []).append(table_name)
        else:
            key = (table_name, run_id, revision, folder)
            yield _explained(storage, files, key, stored, expected)
    folders = _folders(storage, files, {run_id for run_id, _ in extra})
    for of, names in extra.items():
        yield from _not_held(storage, files, of, names, folders.get(of))


_DIFFERENT = """
SELECT coalesce(e.table_name, s.table_name), coalesce(e.run_id, s.run_id),
       coalesce(e.revision, s.revision), f.folder, s.rows, e.rows
FROM (FROM expected SEMI JOIN (FROM found WHERE is_true) USING (run_id, revision)) e
FULL JOIN stored s USING (table_name, run_id, revision)
LEFT JOIN found f ON f.run_id = coalesce(e.run_id, s.run_id)
                 AND f.revision = coalesce(e.revision, s.revision)
LEFT JOIN excused x ON x.table_name = coalesce(e.table_name, s.table_name)
                   AND x.run_id = coalesce(e.run_id, s.run_id)
                   AND x.revision = coalesce(e.revision, s.revision)
WHERE (e.rows IS DISTINCT FROM s.rows OR e.digest IS DISTINCT FROM s.digest)
  AND coalesce(f.is_true, true) AND NOT (x.run_id IS NOT NULL AND s.rows IS NULL)
  AND (coalesce(e.run_id, s.run_id), coalesce(e.revision, s.revision)) NOT IN (FROM gone)
ORDER BY 2, 3, 1 LIMIT ?
"""
"""What differs; not of revisions whose manifest is itself in question, or is known to be gone."""


def _rows_missing(rows: Iterable[tuple[Any, ...]]) -> Iterator[Finding]:
    """One finding for each table that lacks rows of revisions, whatever their number."""
    lacking: dict[str, list[str]] = {}
    for table, run_id, revision, *_ in rows:
        lacking.setdefault(table, []).append(f"{run_id} r{revision}")
    for table, revisions in lacking.items():
        named = ", ".join(revisions[:_NAMED])
        more = f" and {len(revisions) - _NAMED} more" if len(revisions) > _NAMED else ""
        first = revisions[0].rpartition(" r")
        yield Finding(
            f"{TABLES_FOLDER}/{table}",
            f"rows are missing of {named}{more}",
            Level.TABLES,
            REINDEX,
            first[0] if len(revisions) == 1 else None,
            int(first[2]) if len(revisions) == 1 else None,
            table,
        )


def _explained(
    storage: LocalStorage,
    files: TableFiles,
    key: tuple[str, str, int, str],
    stored: int,
    expected: int | None,
) -> Finding:
    name, run_id, revision, folder = key
    (table,) = (table for table in TABLES if table.name == name)
    columns: tuple[str, ...] = ()
    if stored != (expected or 0):
        problem = f"there are {stored} rows instead of {expected or 0}"
    else:
        columns = _columns(storage, table, files, run_id, revision, folder)
        problem = f"{', '.join(columns)} differ from what the manifest and its document say"
    path = _file_of(storage, table, files, run_id, revision)
    return Finding(path, problem, Level.TABLES, REINDEX, run_id, revision, name, columns)


def _folders(
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


def _not_held(
    storage: LocalStorage,
    files: TableFiles,
    key: tuple[str, int],
    names: list[str],
    folder: str | None,
) -> Iterator[Finding]:
    """One finding for a revision that only tables know; none if it was committed meanwhile."""
    if folder is not None and manifest_is_there(storage, folder):
        return
    run_id, revision = key
    (table,) = (table for table in TABLES if table.name == names[0])
    path = folder or _file_of(storage, table, files, run_id, revision)
    problem = f"{', '.join(names)} know this revision, but its manifest is not there"
    todo = f"{RESTORE}; if it was never there, {REINDEX}"
    yield Finding(path, problem, Level.TABLES, todo, run_id, revision, None)


def _columns(
    storage: LocalStorage, table: Table, files: TableFiles, run_id: str, revision: int, folder: str
) -> tuple[str, ...]:
    """The columns in which the rows of a revision differ."""
    from archiver.adapters.parquet import to_arrow

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


def _file_of(
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


def excuse(comparison: Comparison, folders: Iterable[str]) -> None:
    """Rows of these revisions may still be missing: a session is to write them, or to recover."""
    keys = [run_of(folder) for folder in folders]
    comparison.add("excused", ((table.name, *key) for table in PROJECTED for key in keys))


def _excuse(
    storage: LocalStorage, comparison: Comparison, table: Table, path: str, files: TableFiles
) -> None:
    """The rows that were in a harmed file are not missing besides: the flush's other files, its
    session, or the file itself where it can be read, say which they were."""
    _, _, month, name = path.split("/")
    siblings = [
        sibling
        for other in PROJECTED
        for sibling in files.sound.get(other, ())
        if sibling.endswith(f"/{month}/{name}")
    ]
    for one in (*siblings, path):
        try:
            keys = pq.read_table(
                storage.locate(one), columns=["run_id", "revision"], partitioning=None
            )
        except (pa.ArrowException, OSError):
            continue
        comparison.add("excused", ((table.name, *row.values()) for row in keys.to_pylist()))
    comparison.excuse_session(table.name, name.rpartition("-")[0])


def _source(storage: LocalStorage, table: Table, paths: list[str]) -> str:
    """The rows of table files; a column that none of them has is null."""
    listed = ", ".join("'" + str(storage.locate(path)).replace("'", "''") + "'" for path in paths)
    read = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    there = {name for path in paths for name in pq.read_schema(storage.locate(path)).names}
    columns = ", ".join(
        f'"{name}"' if name in there else f'NULL AS "{name}"' for name in table.column_names
    )
    return f"(SELECT {columns} FROM {read})"  # noqa: S608 # names of the project's own


def manifest_is_there(storage: LocalStorage, folder: str) -> bool:
    return storage.exists(f"{folder}/{MANIFEST}")
