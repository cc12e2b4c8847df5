"""Keeps what Skyvern browser runs left behind.

From Python, :func:`open` gives what an archive holds as DuckDB relations::

    import archiver

    with archiver.open("./archive") as a:
        a.failures().df()

What goes wrong is an :class:`archiver.errors.ArchiverError`.
"""

import os
from typing import TYPE_CHECKING, Any

from archiver import errors
from archiver.version import __version__

if TYPE_CHECKING:
    from archiver.archive import Archive

__all__ = ["Archive", "__version__", "errors", "open"]


def open(location: str | os.PathLike[str] = "archive") -> "Archive":  # noqa: A001 -- archiver.open
    """Open an archive to read; ``location`` is its folder.

    Takes no lock and writes nothing: the archive may be written to meanwhile. Raises
    :class:`archiver.errors.NotAnArchive` where the folder holds none, or one of a newer format.
    """
    from archiver.archive import Archive

    return Archive(location)


def __getattr__(name: str) -> Any:
    """``archiver.Archive``, imported when it is used: DuckDB takes a quarter of a second."""
    if name == "Archive":
        from archiver.archive import Archive

        return Archive
    raise AttributeError(f"module 'archiver' has no attribute {name!r}")
