"""Other databases are read beside the archive's tables; nothing is written to them."""

import hashlib
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.archive_folder import ArchiveFolder
from tests.query.asking import query, rows

JOIN = "SELECT name, status FROM {name}.customers JOIN runs USING (run_id)"
FOUND = [{"name": "ACME", "status": "completed"}]


@pytest.fixture
def database(asked: ArchiveFolder) -> Path:
    """A database with a table, a sequence and a view that reads a file."""
    path = asked.root.parent / "crm.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customers AS SELECT 'tsk_1' AS run_id, 'ACME' AS name")
        connection.execute("CREATE SEQUENCE numbers")
        connection.execute("CREATE SCHEMA sales")
        connection.execute("CREATE VIEW sales.secret AS FROM read_text('/etc/passwd')")
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_queries_join_with_a_database(asked: ArchiveFolder, database: Path) -> None:
    before = digest(database)
    assert rows(asked, JOIN.format(name="crm"), "--attach", str(database)) == FOUND
    assert rows(asked, JOIN.format(name="x"), "--attach", f"{database}=x") == FOUND
    both = ["--attach", str(database), "--attach", f"{database}=again"]
    assert rows(asked, "SELECT count(*) AS n FROM again.customers, crm.customers", *both) == [
        {"n": 1}
    ]
    assert digest(database) == before
    assert {path.name for path in database.parent.iterdir()} == {
        "archive",
        "crm.duckdb",
        "secret.csv",
    }


@pytest.mark.parametrize("name", ["it's.duckdb", "a=b.duckdb", "für №1.duckdb"])
def test_a_database_may_have_any_name(asked: ArchiveFolder, database: Path, name: str) -> None:
    path = database.rename(database.with_name(name))
    assert rows(asked, JOIN.format(name="x"), "--attach", f"{path}=x") == FOUND
    assert "=NAME" in query(asked, "SELECT 1", "--attach", str(path), code=2).err


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO crm.customers VALUES ('a', 'b')",
        "SELECT nextval('crm.numbers')",
        "DROP TABLE crm.customers",
        "CHECKPOINT crm",
        "FROM crm.sales.secret",
        "COPY runs TO 'crm.duckdb'",
        "FROM read_csv('{folder}/secret.csv')",
    ],
)
def test_nothing_is_written_and_no_other_file_read(
    asked: ArchiveFolder, database: Path, sql: str
) -> None:
    before = digest(database)
    text = sql.format(folder=database.parent)
    ran = query(asked, text, "--attach", str(database), code=2)
    assert digest(database) == before
    assert "root:" not in ran.err
    assert "4711" not in ran.err


@pytest.mark.parametrize("kind", ["sqlite", "text", "empty", "missing", "folder", "newer"])
def test_what_is_no_database_is_told(asked: ArchiveFolder, database: Path, kind: str) -> None:
    path = database.with_name("other.db")
    if kind == "sqlite":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE a (b)")
        connection.close()
    elif kind in ("text", "empty"):
        path.write_text("hello" * 1000 if kind == "text" else "")
    elif kind == "folder":
        path.mkdir()
    elif kind == "newer":
        path.write_bytes(of_newer_version(database.read_bytes()))
    err = query(asked, "FROM other.a", "--attach", str(path), code=2).err
    assert err.startswith(("Error: ", "Usage: "))
    assert str(path) in err
    said = {"sqlite": "SQLite", "newer": "newer", "missing": "No such file", "folder": "directory"}
    assert said.get(kind, "no DuckDB database") in err


def of_newer_version(data: bytes) -> bytes:
    """A database file whose first block says that it is of a version to come."""
    block = bytearray(data[:4096])
    block[12:20] = struct.pack("<Q", 4711)
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", block[8:]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    block[:8] = struct.pack("<Q", checksum)
    return bytes(block) + data[4096:]


@pytest.mark.parametrize("name", ["main", "temp", "Memory", "1a", "a-b", "a b", ""])
def test_names_that_cannot_be_are_told(asked: ArchiveFolder, database: Path, name: str) -> None:
    path = database.rename(database.with_name("a-b.duckdb"))
    err = query(asked, "SELECT 1", "--attach", f"{path}={name}", code=2).err
    assert err.startswith("Error: ")
    assert "Give it" in err


def test_two_of_a_name_are_told(asked: ArchiveFolder, database: Path) -> None:
    twice = ["--attach", str(database), "--attach", f"{database}=CRM"]
    assert "CRM" in query(asked, "SELECT 1", *twice, code=2).err


def test_a_database_that_another_process_writes_is_told(
    asked: ArchiveFolder, database: Path
) -> None:
    holding = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        err = query(asked, "SELECT 1", "--attach", str(database), code=2).err
        process.stdin.close()
    assert "another process" in err
    assert rows(asked, JOIN.format(name="crm"), "--attach", str(database)) == FOUND
