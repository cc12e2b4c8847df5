"""Asking an archive questions in SQL."""

from typing import Any

from tests.cli.running import Command, Ran
from tests.workflows.held import Held


def query(archive: Held, sql: str, *options: str, code: int | None = 0) -> Ran:
    return Command()("query", sql, "--archive", archive.root, *options, code=code)


def rows(archive: Held, sql: str, *options: str) -> Any:
    return query(archive, sql, "--format", "json", *options).json
