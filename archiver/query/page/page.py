"""The page of a report, where what draws its charts is installed."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

import duckdb

from archiver.errors import UsageError
from archiver.query.reports.options import Filters
from archiver.store.storage import LocalStorage
from archiver.tables.views import read_tables

_INSTALL = "pip install 'skyvern-archiver[html]'"
_Draw: TypeAlias = Callable[[LocalStorage, Filters, datetime], str]


def draw_page(storage: LocalStorage, filters: Filters, now: datetime) -> str:
    """The page's HTML on the runs that ``filters`` mean, made ``now`` (UTC).

    Raises UsageError where what draws the charts is not installed, and ArchiveDamaged where the
    tables cannot be read.
    """
    return _drawing()(storage, filters, now)


def _drawing() -> _Draw:
    # What is imported here comes with an extra.
    try:
        from archiver.query.page.build import build, render
        from archiver.query.page.facts import Facts, collect_facts
        from archiver.query.page.failures import pictures
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the HTML report needs the package {error.name}, which is not installed",
            hint=f"Install it with: {_INSTALL}",
        ) from None

    def draw(storage: LocalStorage, filters: Filters, now: datetime) -> str:
        def known(connection: duckdb.DuckDBPyConnection) -> Facts:
            return collect_facts(connection, filters, now)

        facts = read_tables(storage, known, derived=True)
        shots = pictures(storage, facts.examples)
        return render(build(storage, facts, shots, filters, now))

    return draw
