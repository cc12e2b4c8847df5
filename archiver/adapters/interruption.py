"""Waiting for DuckDB in a way that Ctrl-C ends at once."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import duckdb

ResultT = TypeVar("ResultT")
_AGAIN = 0.05
"""Seconds after which a query that did not notice is interrupted once more."""


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], ResultT]) -> ResultT:
    """What ``work`` gets out of the connection; KeyboardInterrupt ends its query, and is raised.

    DuckDB looks for signals itself where it runs in the main thread, but not everywhere in a query,
    and what it then raises is a RuntimeError. So it runs in another thread, and this one waits.
    """
    outcome: Future[ResultT] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- it is raised where it is waited for
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="duckdb", daemon=True)
    thread.start()
    try:
        thread.join()  # not only until there is an outcome: it lets go of the connection last
    except KeyboardInterrupt:
        while thread.is_alive():
            # Another Ctrl-C changes nothing, and a connection between two steps refuses.
            with contextlib.suppress(KeyboardInterrupt):
                with contextlib.suppress(duckdb.Error):
                    connection.interrupt()
                thread.join(_AGAIN)
        raise
    return outcome.result()
