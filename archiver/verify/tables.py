"""The tables against the manifests: files that were harmed, rows that are missing or differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged
from archiver.model.paths import MANIFEST, TABLES_FOLDER, is_run_folder
from archiver.model.schema import RUNS, TABLES, Table
from archiver.store.storage import LocalStorage
from archiver.tables.rebuild import project
from archiver.verify.compare import PROJECTED, Comparison, digest_query, rows_with_digests
from archiver.verify.findings import REINDEX, RESTORE, Finding, Level, Scope, run_of
from archiver.verify.removed import Removals
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
    storage: LocalStorage, comparison: Comparison, files: TableFiles, scope: Scope
) -> Iterator[Finding]:
    """Hold the rows that the manifests give against those that the tables have.

    ``comparison`` has what is expected and what was found. Where the ``scope`` is not whole, only
    of the runs that are meant, or of the revisions that were looked at. Raises ArchiveDamaged.
    """
    try:
        for table in PROJECTED:
            if paths := files.sound.get(table):
                source = rows_with_digests(table, rows_of(storage, table, paths))
                query = f"FROM ({digest_query(table, source)})"
                if scope.run_ids:
                    query += f" WHERE run_id IN ({quoted(scope.run_ids)})"
                elif not scope.is_whole:
                    query += " SEMI JOIN found USING (run_id, revision)"
                comparison.add_query("stored", query)
            for path in files.harmed.get(table, ()):
                _explain_harmed(storage, comparison, table, path, files)
        differing = _differing(storage, comparison)
    except duckdb.Error as error:
        raise ArchiveDamaged(
            f"the tables cannot be read: {str(error).splitlines()[0]}", hint=REINDEX
        ) from None
    yield from _rows_of_nothing(comparison)
    yield from _rows_missing(
        row for row in differing if row[4] is None and not files.is_hidden(row[0])
    )
    extra: dict[tuple[str, int], list[str]] = {}
    for table_name, run_id, revision, folder, stored, expected in differing:
        if stored is None:
            continue
        if folder is None:
            extra.setdefault((run_id, revision), []).append(table_name)
        else:
            key = (table_name, run_id, revision, folder)
            yield _row_finding(storage, files, key, stored, expected)
    folders = folders_in_tables(storage, files, {run_id for run_id, _ in extra})
    for of, names in extra.items():
        removed = f"/{of[0]}/r{of[1]}"
        ((is_removed,),) = comparison.ask(_IS_REMOVED, [removed])
        yield from _not_held(storage, files, of, names, folders.get(of), is_removed=is_removed)


_DIFFERENT = """
SELECT coalesce(e.table_name, s.table_name), coalesce(e.run_id, s.run_id),
       coalesce(e.revision, s.revision), f.folder, s.rows, e.rows
FROM (FROM expected SEMI JOIN (FROM found WHERE is_true) USING (run_id, revision)) e
FULL JOIN stored s USING (table_name, run_id, revision)
LEFT JOIN found f ON f.run_id = coalesce(e.run_id, s.run_id)
                 AND f.revision = coalesce(e.revision, s.revision)
LEFT JOIN explained x ON x.table_name = coalesce(e.table_name, s.table_name)
                   AND x.run_id = coalesce(e.run_id, s.run_id)
                   AND x.revision = coalesce(e.revision, s.revision)
WHERE (e.rows IS DISTINCT FROM s.rows OR e.digest IS DISTINCT FROM s.digest)
  AND coalesce(f.is_true, true) AND NOT (x.run_id IS NOT NULL AND s.rows IS NULL)
  AND coalesce(e.run_id, s.run_id) IS NOT NULL AND coalesce(e.revision, s.revision) IS NOT NULL
  AND (coalesce(e.run_id, s.run_id), coalesce(e.revision, s.revision)) NOT IN (FROM gone)
ORDER BY 2, 3, 1 LIMIT ?
"""
"""What differs; not of revisions whose manifest is itself in question, or is known to be gone."""


def _differing(storage: LocalStorage, comparison: Comparison) -> list[tuple[Any, ...]]:
    """What differs, without what was removed since it was looked at."""
    removals = Removals(storage)
    while True:
        found = list(comparison.ask(_DIFFERENT, [_MOST + 1]))
        meanwhile = {row[1:3] for row in found if row[3] and removals.has_taken(row[3])}
        if not meanwhile:
            return found
        comparison.add("gone", meanwhile)


_OF_NOTHING = """
SELECT table_name, sum(rows) FROM stored WHERE run_id IS NULL OR revision IS NULL
GROUP BY ALL ORDER BY ALL
"""


def _rows_of_nothing(comparison: Comparison) -> Iterator[Finding]:
    """One finding for each table with rows that do not say of what they are."""
    for table, rows in comparison.ask(_OF_NOTHING):
        problem = f"{rows} rows have no run_id or no revision"
        yield Finding(f"{TABLES_FOLDER}/{table}", problem, Level.TABLES, REINDEX, table=table)


_IS_REMOVED = "SELECT count(*) > 0 FROM removed WHERE ends_with(folder, ?)"


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


def _row_finding(
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
        columns = differing_columns(storage, table, files, run_id, revision, folder)
        problem = f"{', '.join(columns)} differ from what the manifest and its document say"
    path = file_of(storage, table, files, run_id, revision)
    return Finding(path, problem, Level.TABLES, REINDEX, run_id, revision, name, columns)


def _not_held(
    storage: LocalStorage,
    files: TableFiles,
    key: tuple[str, int],
    names: list[str],
    folder: str | None,
    *,
    is_removed: bool,
) -> Iterator[Finding]:
    """One finding for a revision that only tables know; none if it was committed meanwhile."""
    run_id, revision = key
    if folder is not None and _is_of(folder, run_id, revision):
        if manifest_is_there(storage, folder):
            return
    else:  # a row may say anything
        folder = None
    (table,) = (table for table in TABLES if table.name == names[0])
    path = folder or file_of(storage, table, files, run_id, revision)
    why = "it was removed" if is_removed else "its manifest is not there"
    problem = f"{', '.join(names)} know this revision, but {why}"
    todo = REINDEX if is_removed else f"{RESTORE}; if it was never there, {REINDEX}"
    yield Finding(path, problem, Level.TABLES, todo, run_id, revision, None)


def _is_of(folder: str, run_id: str, revision: int) -> bool:
    """Whether a revision's folder can be that of this one."""
    of_run, _, name = folder.rpartition("/")
    return is_run_folder(of_run, run_id) and name == f"r{revision}"


def explain(comparison: Comparison, folders: Iterable[str]) -> None:
    """Rows of these revisions may still be missing: a session is to write them, or to recover."""
    keys = [run_of(folder) for folder in folders]
    comparison.add("explained", ((table.name, *key) for table in PROJECTED for key in keys))


def _explain_harmed(
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
        rows = [tuple(row.values()) for row in keys.to_pylist()]
        known = ((table.name, run, n) for run, n in rows if type(run) is str and type(n) is int)
        comparison.add("explained", known)
    comparison.explain_session(table.name, name.rpartition("-")[0])


def manifest_is_there(storage: LocalStorage, folder: str) -> bool:
    return storage.exists(f"{folder}/{MANIFEST}")
