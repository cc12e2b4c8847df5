"""Asking an archive questions in SQL."""

from typing import Any

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Ran


def query(archive: ArchiveFolder, sql: str, *options: str, code: int | None = 0) -> Ran:
    return Command()("query", sql, "--archive", archive.root, *options, code=code)


def rows(archive: ArchiveFolder, sql: str, *options: str) -> Any:
    return query(archive, sql, "--format", "json", *options).json
