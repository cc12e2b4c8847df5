"""What should be in the archive and is not, asked of its tables."""

from typing import TYPE_CHECKING

from archiver.store.storage import LocalStorage
from archiver.tables.lookup import find_error_pages
from archiver.verify.findings import Gap, GapKind

if TYPE_CHECKING:
    import duckdb

_LATEST = """
CREATE TEMP TABLE latest AS
SELECT run_id, max(revision) AS revision FROM run_revisions GROUP BY run_id
"""
_ARTIFACTS = """
SELECT run_id, kind || ' ' || ordinal || ' ' || state || coalesce(': ' || reason, '')
FROM artifact_revisions SEMI JOIN latest USING (run_id, revision)
WHERE state IN ('failed', 'mismatch') ORDER BY run_id, kind, ordinal
"""
_ERROR_PAGES = """
SELECT run_id, kind || ' ' || ordinal || ' is no ' || kind
    || ': an earlier version kept an error page, or nothing, in its place'
FROM error_pages SEMI JOIN latest USING (run_id, revision) ORDER BY run_id, kind, ordinal
"""
_UNFINISHED = """
SELECT run_id, CASE WHEN is_final THEN 'it was not settled when it was fetched'
                    ELSE 'it had not ended when it was fetched: ' || status END
FROM run_revisions SEMI JOIN latest USING (run_id, revision)
WHERE NOT is_settled ORDER BY run_id
"""
_NEVER_HAD = """
SELECT asked_id, arg_max(outcome, "at") || coalesce(': ' || arg_max(reason, "at"), '')
FROM fetches
WHERE asked_id NOT IN (SELECT run_id FROM latest)
  AND asked_id NOT IN (SELECT asked_id FROM fetches SEMI JOIN latest USING (run_id))
GROUP BY asked_id HAVING arg_max(outcome, "at") IN ('not_found', 'failed') ORDER BY asked_id
"""
_QUERIES = (
    (GapKind.ARTIFACT, _ARTIFACTS),
    (GapKind.ARTIFACT, _ERROR_PAGES),
    (GapKind.UNFINISHED, _UNFINISHED),
    (GapKind.NEVER_HAD, _NEVER_HAD),
)


def gaps(
    storage: LocalStorage,
    run_ids: frozenset[str] = frozenset(),
    accepted: frozenset[str] = frozenset(),
) -> list[Gap]:
    """Return what should be in the archive and is not, of these runs where there are any.

    ``accepted`` are runs whose gaps somebody declared final. Raises ArchiveDamaged where the tables
    cannot be read.
    """
    from archiver.tables.views import read_tables

    def work(connection: "duckdb.DuckDBPyConnection") -> list[Gap]:
        connection.execute(_LATEST)
        find_error_pages(storage, connection)
        return [
            Gap(kind, run_id, what, run_id in accepted)
            for kind, query in _QUERIES
            for run_id, what in connection.sql(query).fetchall()
            if not run_ids or run_id in run_ids
        ]

    return read_tables(storage, work)
