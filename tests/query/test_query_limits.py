"""A query can read the archive's tables, and can do nothing else."""

import pytest

from tests.archive_folder import ArchiveFolder
from tests.query.asking import query, rows

WRITING = [
    "COPY runs TO '{archive}/tables/evil.parquet'",
    "COPY (SELECT 1) TO '{archive}/tables/runs/evil.csv'",
    "COPY (PIVOT runs ON status USING count(*)) TO '{archive}/tables/evil.csv'",
    "CREATE TABLE t AS PIVOT runs ON status USING count(*)",
    "EXPORT DATABASE '{archive}/tables/export'",
    "ATTACH '{archive}/tables/evil.db'",
    "INSERT INTO runs VALUES (1)",
    "UPDATE runs SET status = 'completed'",
    "MERGE INTO runs USING runs AS r ON false WHEN NOT MATCHED THEN INSERT VALUES (1)",
    "CREATE TABLE t (a INT)",
    "CREATE OR REPLACE VIEW runs AS SELECT 1",
    "CREATE SECRET (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "DROP VIEW runs",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "LOAD httpfs",
    "BEGIN",
    "EXPLAIN COPY runs TO '{archive}/tables/evil.parquet'",
    "EXPLAIN ANALYZE COPY runs TO '{archive}/tables/evil.parquet'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY runs TO '{archive}/tables/evil.parquet'",
    "/* x */ EXPLAIN /* SELECT 1 */ ANALYZE -- SELECT 1\n COPY runs TO '{archive}/tables/e.csv'",
    "EXPLAIN /* /* */ SELECT 1 -- */ ANALYZE COPY (SELECT 1) TO '{archive}/tables/evil.csv'\n*/",
    "EXPLAIN /* /* */ SELECT 1 -- */ */ ANALYZE COPY (SELECT 1) TO '{archive}/tables/evil.csv'",
    "EXPLAIN ANALYZE COPY (PIVOT runs ON status USING count(*)) TO '{archive}/tables/evil.csv'",
    "EXPLAIN (ANALYZE /* ) SELECT 1 -- */) COPY (SELECT 42 AS x) TO '{archive}/tables/evil.csv'",
    "/* /* */ SELECT 1 -- */ EXPLAIN ANALYZE COPY (SELECT 42 AS x) TO '{archive}/tables/evil.csv'",
    "/* /* */ SELECT */ COPY (PIVOT runs ON status USING count(*)) TO '{archive}/tables/evil.csv'",
    "EXPLAIN (ANALYZE) COPY (PIVOT runs ON status USING count(*)) TO '{archive}/tables/evil.csv'",
    "PIVOT runs ON status USING count(*)); COPY runs TO '{archive}/tables/e.csv'; FROM (SELECT 1",
    "EXPLAIN EXPLAIN ANALYZE COPY runs TO '{archive}/tables/evil.parquet'",
    "SELECT '\udcff'",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY runs TO '{archive}/tables/evil.parquet'",
    "PIVOT runs ON status USING count(*); SELECT 1",
    "",
    ";",
    "SELEC 1",
    "SELECT 'open",
    "SELECT no_such_column FROM runs",
    "FROM no_such_table",
    "SELECT CAST('x' AS INTEGER)",
    "SELECT error('on the way') FROM runs",
    "WITH x AS (DELETE FROM runs RETURNING *) SELECT * FROM x",
    "FROM enable_logging('QueryLog', storage => 'file', storage_path => '{archive}/tables/log')",
    "FROM enable_profiling(save_location => '{archive}/tables/profile.json')",
]


@pytest.mark.parametrize("sql", WRITING)
def test_whatever_is_no_single_query_is_refused(asked: ArchiveFolder, sql: str) -> None:
    before = asked.files()
    ran = query(asked, "\n" + sql.format(archive=asked.root), code=None)

    assert asked.files() == before
    assert (ran.code, ran.stdout) == (2, b"")
    assert ran.err.startswith("Error: ")


@pytest.mark.parametrize(
    "sql", [sql for sql in WRITING if sql.startswith(("COPY", "ATTACH", "EXPORT", "FROM"))]
)
def test_leave_to_read_files_is_no_leave_to_write_them(asked: ArchiveFolder, sql: str) -> None:
    before = asked.files()
    text = sql.format(archive=asked.root).replace("/tables/evil", "/evil")
    ran = query(asked, "\n" + text, "--allow-files", code=None)

    assert asked.files() == before
    assert (ran.code, ran.stdout) == (2, b"")


READING = [
    "SELECT * FROM read_text('/etc/passwd')",
    "FROM '/etc/passwd'",
    "FROM read_csv('{beside}/secret.csv')",
    "FROM '{beside}/secret.csv'",
    "FROM read_csv('{archive}/tables/../../secret.csv')",
    "FROM read_blob('{archive}/archive.json')",
    "FROM read_json('{archive}/archive.json')",
    "FROM glob('/etc/*')",
    "FROM glob('{beside}/*')",
    "SELECT content FROM read_text('/proc/self/environ')",
    "FROM read_parquet('https://127.0.0.1:1/x.parquet')",
    "FROM sniff_csv('{beside}/secret.csv')",
    "SELECT (SELECT content FROM read_text('/etc/passwd')) AS a FROM runs",
    "FROM query('FROM read_text(''/etc/passwd'')')",
    "FROM parquet_metadata('/etc/passwd')",
]


@pytest.mark.parametrize("sql", READING)
def test_files_outside_the_tables_are_out_of_reach(asked: ArchiveFolder, sql: str) -> None:
    text = sql.format(archive=asked.root, beside=asked.root.parent)
    ran = query(asked, text, code=2)
    assert "root:" not in ran.err
    assert "4711" not in ran.err


def test_the_environment_is_out_of_reach(
    asked: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYVERN_API_KEY", "key-4711")
    assert "key-4711" not in query(asked, "SELECT getenv('SKYVERN_API_KEY')", code=2).err
    # Nor what this program has in its variables.
    query(asked, "FROM connection", code=2)
    query(asked, "FROM relation", code=2)


def test_files_are_read_where_that_is_asked_for(asked: ArchiveFolder) -> None:
    sql = f"SELECT secret FROM read_csv('{asked.root.parent}/secret.csv')"
    assert rows(asked, sql, "--allow-files") == [{"secret": 4711}]
    joined = f"SELECT run_id, secret FROM runs, '{asked.root.parent}/secret.csv' ORDER BY 1 LIMIT 1"
    assert rows(asked, joined, "--allow-files") == [{"run_id": "tsk_1", "secret": 4711}]
