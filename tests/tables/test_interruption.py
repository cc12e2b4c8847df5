"""Ctrl-C ends what DuckDB is at, wherever it is at it."""

import os
import signal
import threading
from collections.abc import Iterator

import duckdb
import pytest

from archiver.tables.connect import interruptible

ENDLESS = "SELECT count(*) FROM range(1000000000000) r(i) WHERE hash(i) = 1"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


def test_what_work_comes_to_is_passed_on(connection: duckdb.DuckDBPyConnection) -> None:
    assert interruptible(connection, lambda: connection.sql("SELECT 42").fetchall()) == [(42,)]
    with pytest.raises(duckdb.CatalogException):
        interruptible(connection, lambda: connection.sql("FROM missing"))


def test_an_interrupt_ends_the_query(connection: duckdb.DuckDBPyConnection) -> None:
    begun = threading.Event()

    def interrupt() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    def work() -> object:
        begun.set()
        return next(connection.sql(ENDLESS).to_arrow_reader())

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(connection, work)
    thread.join()
    assert connection.sql("SELECT 42").fetchall() == [(42,)]
