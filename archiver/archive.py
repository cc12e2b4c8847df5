"""The archive in Python: its views as DuckDB relations, its runs, its files."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from archiver.errors import UsageError
from archiver.model.ids import RunId
from archiver.query.live import LiveViews
from archiver.query.show import show_run
from archiver.query.sql import bound, checked_query, query_errors
from archiver.store.archive_file import open_archive


class Archive:
    """An archive, opened to read by :func:`archiver.open`.

    Each view of the archive is a method that gives a :class:`duckdb.DuckDBPyRelation`: nothing is
    read until its rows are asked for (``.df()`` for pandas, ``.pl()`` for polars,
    ``.to_arrow_table()``, ``.fetchall()``), so that what is filtered, aggregated or joined before
    costs no more than it must. Times are UTC. The columns are those of ``archiver query``:
    ``schemas/`` describes them.

    Each call sees the archive as it is then. No lock is taken, and nothing is written. A relation
    keeps the tables that it was made of, also while others take their place (on Linux; elsewhere
    DuckDB then raises :class:`duckdb.IOException`, and the method is to be called again). Any
    thread may call; relations can be joined with others of the same thread. What goes wrong while
    DuckDB evaluates a relation is a :class:`duckdb.Error`, every other error an
    :class:`archiver.errors.ArchiverError`.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        """Raises NotAnArchive where ``location`` holds none, or one of a newer format."""
        self._storage = open_archive(Path(location))
        self._views = LiveViews(self._storage)

    @property
    def location(self) -> Path:
        """The archive's folder."""
        return self._storage.root

    def runs(self) -> duckdb.DuckDBPyRelation:
        """Each run's latest revision."""
        return self._views.cursor().view("runs")

    def documents(self) -> duckdb.DuckDBPyRelation:
        """Each run's output and whole answer, of its latest revision."""
        return self._views.cursor().view("documents")

    def artifacts(self) -> duckdb.DuckDBPyRelation:
        """The artifacts of each run's latest revision: recordings, screenshots and files."""
        return self._views.cursor().view("artifacts")

    def errors(self) -> duckdb.DuckDBPyRelation:
        """The errors of each run's latest revision."""
        return self._views.cursor().view("errors")

    def run_revisions(self) -> duckdb.DuckDBPyRelation:
        """Every revision of every run."""
        return self._views.cursor().view("run_revisions")

    def document_revisions(self) -> duckdb.DuckDBPyRelation:
        """Output and whole answer of every revision."""
        return self._views.cursor().view("document_revisions")

    def artifact_revisions(self) -> duckdb.DuckDBPyRelation:
        """The artifacts of every revision."""
        return self._views.cursor().view("artifact_revisions")

    def error_revisions(self) -> duckdb.DuckDBPyRelation:
        """The errors of every revision."""
        return self._views.cursor().view("error_revisions")

    def fetches(self) -> duckdb.DuckDBPyRelation:
        """What came of each id that the API was asked for, by session."""
        return self._views.cursor().view("fetches")

    def checks(self) -> duckdb.DuckDBPyRelation:
        """Which revisions `archiver verify` looked at, when, and what it found."""
        return self._views.cursor().view("checks")

    def failures(self) -> duckdb.DuckDBPyRelation:
        """The runs that ended and did not complete, with a ``reason`` that groups."""
        return self._views.cursor().view("failures")

    def durations(self) -> duckdb.DuckDBPyRelation:
        """How long each run that ended waited and took, and why where that is not known."""
        return self._views.cursor().view("durations")

    def daily(self) -> duckdb.DuckDBPyRelation:
        """Runs, failures and durations by UTC day and type of run."""
        return self._views.cursor().view("daily")

    def sql(self, query: str, **parameters: Any) -> duckdb.DuckDBPyRelation:
        """What a query over the views gives; ``parameters`` are the values of its ``$name``.

        It can only read, and only the archive. Raises UsageError where it is no such query, or has
        other parameters.
        """
        cursor = self._views.cursor()
        with query_errors():
            checked = checked_query(cursor, query)
            return cursor.sql(checked, params=bound(cursor, checked, parameters) or None)

    def show(self, run_id: str) -> dict[str, Any] | None:
        """All about one run, None where the archive does not hold it.

        ``run`` is its row of ``runs``, ``artifacts`` and ``errors`` are lists of rows, ``location``
        maps the artifacts' paths to where they lie. Raises InvalidRunId.
        """
        return show_run(self._storage, RunId(run_id))

    def path(self, artifact_path: str) -> Path:
        """Where a file of the archive lies, by the ``path`` of ``artifacts`` or ``runs``.

        Raises UsageError where that leads out of the archive.
        """
        path = self.location / artifact_path
        if ".." in Path(artifact_path).parts or not path.is_relative_to(self.location):
            raise UsageError(f"{artifact_path!r} is no path of the archive")
        return path

    def close(self) -> None:
        """End all relations. What was read out of them stays."""
        self._views.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<archiver.Archive {self.location}>"
