"""Values for a query are bound: they are never part of the SQL."""

import pytest

from tests.archive_folder import ArchiveFolder
from tests.query.asking import query, rows


@pytest.mark.parametrize(
    ("condition", "parameter"),
    [
        ("revision = $n", "n=1"),
        ("$n >= revision", "n=1"),
        ("revision IN ($n, $m)", "n=1"),
        ("created_at >= $since", "since=2020-01-01"),
        ("created_at BETWEEN $since AND now()", "since=2020-01-01T10:00:00Z"),
        ("CAST(created_at AS DATE) > $day", "day=2020-01-01"),
        ("run_seconds > $limit", "limit=1.5"),
        ("run_seconds > $limit::DOUBLE + 1", "limit=1e1"),
        ("is_final = $yes", "yes=true"),
        ("status = $STATUS", "status=completed"),
        ("run_id LIKE $like", "like=tsk_%"),
        ("$1 = run_id", "1=tsk_1"),
        ("concat($name, '') = 'a=b; DROP VIEW runs'", "name=a=b; DROP VIEW runs"),
        ("concat($name, '') = ''", "name="),
        ("concat($id, '') = '0123'", "id=0123"),
        ("concat($id, '') = '9007199254740993123456789'", "id=9007199254740993123456789"),
    ],
)
def test_a_value_is_taken_for_what_it_is_compared_with(
    asked: ArchiveFolder, condition: str, parameter: str
) -> None:
    more = ["--param", "m=2"] if "$m" in condition else []
    sql = f"SELECT count(*) AS n FROM runs WHERE run_id = 'tsk_1' AND {condition}"
    assert rows(asked, sql, "--param", parameter, *more) == [{"n": 1}]


def test_a_value_is_no_sql(asked: ArchiveFolder) -> None:
    text = "x' OR '1' = '1"
    sql = "SELECT $x AS x, count(*) AS n FROM runs WHERE status = $x"
    assert rows(asked, sql, "--param", f"x={text}") == [{"x": text, "n": 0}]


def test_limits_and_plans_take_parameters(asked: ArchiveFolder) -> None:
    assert len(rows(asked, "FROM runs LIMIT $n", "--param", "n=2")) == 2
    plan = query(asked, "EXPLAIN ANALYZE FROM runs WHERE status = $s", "--param", "s=failed").out
    assert "failed" in plan


@pytest.mark.parametrize(
    ("sql", "parameters", "said"),
    [
        ("SELECT $a", [], "$a"),
        ("SELECT $a, $b", ["a=1"], "$b"),
        ("SELECT ?", [], "$1"),
        ("SELECT 1", ["a=1"], "single quotes"),
        ("SELECT $b", ["a=1"], "it has $b"),
        ("SELECT 1", ["a"], "name=value"),
        ("SELECT 1", ["=1"], "name=value"),
        ("SELECT 1", ["a b=1"], "name=value"),
        ("SELECT $a + 1", ["a=1"], "$name::BIGINT"),
        ("SELECT 1 FROM runs WHERE revision = $a", ["a=x"], "'x'"),
    ],
)
def test_parameters_that_do_not_fit_are_wrong_usage(
    asked: ArchiveFolder, sql: str, parameters: list[str], said: str
) -> None:
    options = [part for text in parameters for part in ("--param", text)]
    ran = query(asked, sql, *options, code=2)
    assert ran.err.startswith("Error: ")
    assert said in ran.err
    assert ran.stdout == b""
