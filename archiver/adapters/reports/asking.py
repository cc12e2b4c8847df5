"""A report's questions to one connection, with the chosen runs bound to each."""

from collections.abc import Mapping
from datetime import datetime

import duckdb
import pyarrow as pa

from archiver.query.reports.options import Filters
from archiver.query.reports.parts import values


class Asking:
    """Asks a connection that has the archive's views. Each method raises duckdb.Error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, filters: Filters) -> None:
        self._connection = connection
        self._values = values(filters)

    def rows(self, query: str, **more: datetime) -> pa.Table:
        """The result of a query; ``more`` are values of parameters besides the filters'."""
        return self._connection.sql(query, params=self._used(query, more)).to_arrow_table()

    def keep(self, name: str, query: str, **more: datetime) -> None:
        """Keep a query's result as a table, for the questions that follow."""
        statement = f"CREATE OR REPLACE TEMP TABLE {name} AS {query}"
        self._connection.execute(statement, self._used(query, more))

    def _used(self, query: str, more: Mapping[str, datetime]) -> dict[str, str | datetime]:
        # DuckDB refuses values that a query has no parameter for.
        bound = {**self._values, **more}
        return {name: bound[name] for name in bound if f"${name}" in query}
