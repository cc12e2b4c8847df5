"""Other DuckDB databases beside the archive's tables, to be read and joined with."""

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from archiver.errors import UsageError

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TAKEN = frozenset({"main", "memory", "system", "temp", "pg_catalog", "information_schema"})
"""Names of DuckDB's own."""
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Attached:
    """A database file, and the name under which queries find its tables."""

    path: Path
    name: str

    @classmethod
    def parse(cls, text: str) -> "Attached":
        """Of ``FILE`` or ``FILE=NAME``; without a name it is the file's, without its ending.

        Raises UsageError when the name is none that SQL can have without quotes.
        """
        file, equals, name = text.rpartition("=")
        if not equals or not _NAME.fullmatch(name):
            file, name = text, Path(text).stem
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be the name of a database in SQL",
                hint=f"Give it one of letters, digits and _: {file}=NAME",
            )
        if name.lower() in _TAKEN:
            raise UsageError(
                f"{name} is a name that DuckDB has itself", hint=f"Give it another: {file}=NAME"
            )
        return cls(Path(file), name)


def attach(connection: duckdb.DuckDBPyConnection, database: Attached) -> None:
    """Attach a database to read. Raises UsageError that says why it cannot be."""
    path = database.path.absolute()
    try:
        with path.open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if is_sqlite:
        raise UsageError(
            f"{path} is a SQLite database, and only DuckDB's can be attached",
            hint="DuckDB's own command makes one of it: "
            "ATTACH … (TYPE sqlite), then COPY FROM DATABASE … TO …",
        )
    quoted = str(path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{quoted}' AS \"{database.name}\" (TYPE duckdb, READ_ONLY)")
    except duckdb.BinderException:
        raise UsageError(f"two databases are to be attached as {database.name}") from None
    except duckdb.Error as error:
        raise _explained(path, str(error)) from None


def _explained(path: Path, text: str) -> UsageError:
    if "Could not set lock" in text:
        return UsageError(
            f"{path} is open in another process that may write",
            hint="Wait until it has ended, or attach a copy",
        )
    if "newer version of DuckDB" in text:
        return UsageError(
            f"{path} is of a newer DuckDB than the one that reads it, {duckdb.__version__}",
            hint="Install a newer duckdb, or write the file with an older STORAGE_VERSION",
        )
    if "not a valid DuckDB database" in text:
        return UsageError(f"{path} is no DuckDB database")
    return UsageError(f"cannot attach {path}: {text.splitlines()[0]}")
