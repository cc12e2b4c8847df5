"""Connections to DuckDB, paths that it takes as they are, and waiting that Ctrl-C ends at once."""

import contextlib
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import duckdb

from archiver.errors import SystemLimit, UsageError

ResultT = TypeVar("ResultT")
_LIMITS = {
    "No space left on device": "Free some space: on the archive's disk, or for temporary files",
    "Too many open files": "Raise the limit (ulimit -n)",
    "Cannot allocate memory": "Give it more memory (ulimit -v, or the container's limit)",
    "Resource temporarily unavailable": "Raise the limit of threads (ulimit -u)",
}
"""What the operating system says, which DuckDB passes on, and what to do about it."""
_NOT_IN_PATHS = "?\\"
"""DuckDB takes these for something else in the path of a database, and opens another file."""


def database_path(path: Path) -> str:
    """The path of a database file, to stand between quotes in SQL.

    Raises UsageError where DuckDB would open another one.
    """
    text = str(path.absolute())
    if set(_NOT_IN_PATHS) & set(text):
        raise UsageError(
            f"DuckDB opens no database at {text}", hint="There must be no ? and no \\ in its path"
        )
    return text.replace("'", "''")


_START = 1.0
"""Seconds in which a thread has begun, if Ctrl-C did not come before it was started."""
_LOOK = 0.1
"""Seconds after which a signal is noticed that came just before the waiting began."""
_AGAIN = 0.05
"""Seconds after which a query that did not notice is interrupted once more."""


class SpillFolder:
    """A folder that nobody else can read, for what does not fit into memory: gone with this value.

    Where none can be made nothing is set aside, and a query that needs more memory says so.
    """

    def __init__(self) -> None:
        self.path = ""
        with contextlib.suppress(OSError):
            self.path = tempfile.mkdtemp(prefix="archiver-duckdb-")
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a new database in memory that sets aside there: by itself DuckDB takes the current
        folder."""
        return duckdb.connect(":memory:", config={"temp_directory": self.path})


def limit_in(error: Exception) -> SystemLimit | None:
    """Return what to say where DuckDB met a limit of the machine; None for any other error."""
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in text:
        return SystemLimit(
            f"DuckDB has not enough memory: {text.splitlines()[0]}",
            hint="Give it more: the machine's, or with --memory where the command has it",
        )
    for sign, hint in _LIMITS.items():
        if sign in text:
            return SystemLimit(f"the system refuses DuckDB: {text.splitlines()[0]}", hint=hint)
    return None


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], ResultT]) -> ResultT:
    """What ``work`` gets out of the connection; KeyboardInterrupt ends its query, and is raised.

    DuckDB looks for signals itself where it runs in the main thread, but not everywhere in a query,
    and what it then raises is a RuntimeError. So it runs in another thread, and this one waits.
    """
    outcome: Future[ResultT] = Future()
    # Events, for a join that is interrupted takes the thread to have ended (Python 3.11 and 3.12).
    begun, ended = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        try:
            _complete(outcome, work)
        finally:
            ended.set()

    try:
        try:
            threading.Thread(target=run, name="duckdb", daemon=True).start()
        except RuntimeError:  # no more threads: then it ends a little later at Ctrl-C
            return work()
        while not ended.wait(_LOOK):
            pass
    except KeyboardInterrupt:
        _stop(connection, begun, ended)
        raise
    return outcome.result()


def _complete(outcome: Future[ResultT], work: Callable[[], ResultT]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 -- it is raised where it is waited for
        outcome.set_exception(error)


def _stop(
    connection: duckdb.DuckDBPyConnection, begun: threading.Event, ended: threading.Event
) -> None:
    """Interrupt what runs until it has ended. Another Ctrl-C changes nothing."""
    with contextlib.suppress(KeyboardInterrupt):
        begun.wait(_START)
    while begun.is_set() and not ended.is_set():
        with contextlib.suppress(KeyboardInterrupt):
            with contextlib.suppress(duckdb.Error):  # a connection between two steps refuses
                connection.interrupt()
            ended.wait(_AGAIN)
