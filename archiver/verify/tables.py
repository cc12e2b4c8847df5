"""The tables against the manifests: files that were harmed, rows that are missing or differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import ArchiveDamaged
from archiver.model.paths import MANIFEST, TABLES_FOLDER, is_run_folder
from archiver.model.schema import RUNS, TABLES, Table
from archiver.store.storage import LocalStorage
from archiver.tables.connect import limit_in
from archiver.tables.rebuild import project
from archiver.tables.write import to_arrow
from archiver.verify.compare import PROJECTED, Comparison, digest_query, rows_with_digests
from archiver.verify.findings import REINDEX, RESTORE, Finding, Level, Scope
from archiver.verify.removed import Tombstones
from archiver.verify.table_files import TableFiles


def rows_of(storage: LocalStorage, table: Table, paths: Sequence[str]) -> str:
    """Return the rows of table files as SQL; a column that none of them has is null.

    The column in_file names the file that each lies in.
    """
    listed = quoted(str(storage.locate(path)) for path in paths)
    read = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true, "
    there = {name for path in paths for name in pq.read_schema(storage.locate(path)).names}
    columns = ", ".join(
        f'"{name}"' if name in there else f'NULL AS "{name}"' for name in table.column_names
    )
    return f"(SELECT {columns}, in_file FROM {read} filename = 'in_file'))"  # noqa: S608 # names of the project's own


def quoted(texts: Iterable[str]) -> str:
    """Return texts as SQL literals, sorted, with commas between."""
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
        """Add the rows of some revisions, by table."""
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
) -> list[Finding]:
    """Hold the rows that the manifests give against those that the tables have.

    ``comparison`` has what is expected and what was found. Where the ``scope`` is not whole, only
    of the runs that are meant, or of the revisions that were looked at. Returns what differs.
    Raises ArchiveDamaged where the tables cannot be read.
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
        return list(_findings(storage, comparison, files))
    except duckdb.Error as error:
        raise limit_in(error) or ArchiveDamaged(
            f"the tables cannot be read: {str(error).splitlines()[0]}", hint=REINDEX
        ) from None


def _findings(
    storage: LocalStorage, comparison: Comparison, files: TableFiles
) -> Iterator[Finding]:
    differing = _differing(storage, comparison)
    yield from _rows_of_nothing(comparison)
    yield from _rows_missing(
        row for row in differing if row.stored is None and not files.is_hidden(row.table)
    )
    extra: dict[tuple[str, int], list[Differing]] = {}
    for row in differing:
        if row.stored is not None and row.folder is None:
            extra.setdefault((row.run_id, row.revision), []).append(row)
        elif row.stored is not None:
            yield _of_rows(storage, comparison, files, row, row.folder or "")
    for rows in extra.values():
        yield from _of_unknown_revision(storage, comparison, files, rows)


class Differing(NamedTuple):
    """Rows of a revision in a table that are not as expected, or expected and not there: how many.

    ``folder`` is None where the revision was not found; ``is_removed``: a tombstone names it.
    """

    table: str
    run_id: str
    revision: int
    folder: str | None
    stored: int | None
    expected: int | None
    is_removed: bool


_DIFFERENT = """
SELECT *, EXISTS (FROM removed WHERE id_of(folder) = of.run_id AND number_of(folder) = of.revision)
FROM (
    SELECT table_name, run_id, revision, f.folder AS of_folder, s.rows, e.rows
    FROM (FROM expected SEMI JOIN (FROM found WHERE has_rows) USING (run_id, revision)) e
    FULL JOIN stored s USING (table_name, run_id, revision)
    LEFT JOIN found f USING (run_id, revision)
    LEFT JOIN (SELECT DISTINCT *, true AS is_explained FROM explained) x
        USING (table_name, run_id, revision)
    WHERE (e.rows IS DISTINCT FROM s.rows OR e.digest IS DISTINCT FROM s.digest)
      AND coalesce(f.has_rows, true) AND run_id IS NOT NULL AND revision IS NOT NULL
      AND NOT (s.rows IS NULL AND (coalesce(is_explained, false) OR f.folder IN (FROM pending)))
      AND (run_id, revision) NOT IN (FROM doubtful)
    ORDER BY run_id, revision, table_name LIMIT ?
) of
"""
"""What differs; not of revisions whose manifest is itself in question, or is known to be gone."""


def _differing(storage: LocalStorage, comparison: Comparison) -> list[Differing]:
    """What differs, without what was removed since it was looked at."""
    tombstones = Tombstones(storage)
    while True:
        found = [Differing(*row) for row in comparison.each(_DIFFERENT, [_MOST + 1])]
        folders = {row.folder for row in found if row.folder is not None}
        meanwhile = [one for one in sorted(folders) if tombstones.has_replaced(one)]
        if not meanwhile:
            return found
        comparison.add("removed", ((folder, None) for folder in meanwhile))


_OF_NOTHING = """
SELECT table_name, sum(rows) FROM stored WHERE run_id IS NULL OR revision IS NULL
GROUP BY ALL ORDER BY ALL
"""


def _rows_of_nothing(comparison: Comparison) -> Iterator[Finding]:
    """One finding for each table with rows that do not say of what they are."""
    for table, rows in comparison.each(_OF_NOTHING):
        problem = f"{rows} rows have no run_id or no revision"
        yield Finding(f"{TABLES_FOLDER}/{table}", problem, Level.TABLES, REINDEX, table=table)


def _rows_missing(rows: Iterable[Differing]) -> Iterator[Finding]:
    """One finding for each table that lacks rows of revisions, whatever their number."""
    lacking: dict[str, list[str]] = {}
    for row in rows:
        lacking.setdefault(row.table, []).append(f"{row.run_id} r{row.revision}")
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


def _of_rows(
    storage: LocalStorage, comparison: Comparison, files: TableFiles, row: Differing, folder: str
) -> Finding:
    """The finding for rows of a revision that are not as its manifest and document have them."""
    (table,) = (table for table in TABLES if table.name == row.table)
    stored = _stored(storage, comparison, files, table, row)
    columns: tuple[str, ...] = ()
    if row.stored != (row.expected or 0):
        problem = f"there are {row.stored} rows instead of {row.expected or 0}"
    else:
        columns = _differing_columns(storage, table, stored, folder)
        problem = f"{', '.join(columns)} differ from what the manifest and its document say"
    path = _file_of(storage, files, table, stored)
    return Finding(
        path, problem, Level.TABLES, REINDEX, row.run_id, row.revision, row.table, columns
    )


def _stored(
    storage: LocalStorage, comparison: Comparison, files: TableFiles, table: Table, row: Differing
) -> pa.Table:
    """The rows that a table has of a revision, and in_file, the file that each lies in."""
    order = ", ".join(f'"{name}"' for name in table.sorted_by)
    source = rows_of(storage, table, files.sound[table])
    query = f"FROM {source} WHERE run_id = ? AND revision = ? ORDER BY {order}"
    return comparison.rows(query, [row.run_id, row.revision])


def _file_of(storage: LocalStorage, files: TableFiles, table: Table, stored: pa.Table) -> str:
    """The first file that some of these rows lie in."""
    names = set(stored["in_file"].to_pylist())
    there = (path for path in files.sound[table] if str(storage.locate(path)) in names)
    return next(there, f"{TABLES_FOLDER}/{table.name}")


def _differing_columns(
    storage: LocalStorage, table: Table, stored: pa.Table, folder: str
) -> tuple[str, ...]:
    try:
        _, rows = project(storage, folder)
    except ArchiveDamaged:
        return ()
    expected = to_arrow(table, dict(rows.by_table())[table])
    return tuple(
        name
        for name in table.column_names
        if expected[name].to_pylist() != stored[name].to_pylist()
    )


def _of_unknown_revision(
    storage: LocalStorage, comparison: Comparison, files: TableFiles, rows: Sequence[Differing]
) -> Iterator[Finding]:
    """One finding for a revision that only tables know; none if it was committed meanwhile."""
    first = rows[0]
    (table,) = (table for table in TABLES if table.name == first.table)
    stored = _stored(storage, comparison, files, table, first)
    path = _file_of(storage, files, table, stored)
    if files.sound.get(RUNS):
        for folder in _stored(storage, comparison, files, RUNS, first)["path"].to_pylist():
            run, _, name = folder.rpartition("/")
            # A row may say anything: only the folder that can be its own counts.
            if is_run_folder(run, first.run_id) and name == f"r{first.revision}":
                if storage.exists(f"{folder}/{MANIFEST}"):
                    return
                path = folder
    why = "it was removed" if first.is_removed else "its manifest is not there"
    names = ", ".join(row.table for row in rows)
    problem = f"{names} know this revision, but {why}"
    todo = REINDEX if first.is_removed else f"{RESTORE}; if it was never there, {REINDEX}"
    yield Finding(path, problem, Level.TABLES, todo, first.run_id, first.revision, None)


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
    of_session = "SELECT ? AS table_name, run_id, revision FROM found WHERE session = ?"
    comparison.add_query("explained", of_session, [table.name, name.rpartition("-")[0]])
