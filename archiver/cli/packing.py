"""How far packing has come, on standard error: a bar on a terminal, plain lines otherwise."""

import sys
import time

import click

from archiver.cli.output.text import readable_bytes
from archiver.export.package import Place

_LINE_EVERY = 10.0
"""Seconds between plain lines of progress."""


class PackingLines:
    """A line for each package, and every few seconds how much of it is done."""

    def __init__(self) -> None:
        self._files = self._of_files = self._bytes = self._of_bytes = 0
        self._last = 0.0

    def begins(self, place: Place, files: int, size: int) -> None:
        self._files = self._bytes = 0
        self._of_files, self._of_bytes = files, size
        self._last = time.monotonic()
        click.echo(f"packing {files} files, {readable_bytes(size)}, to {place.path}", err=True)

    def advance(self, size: int) -> None:
        self._files += 1
        self._bytes += size
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY:
            self._last = now
            done, total = readable_bytes(self._bytes), readable_bytes(self._of_bytes)
            click.echo(f"{self._files}/{self._of_files} files, {done} of {total}", err=True)

    def close(self) -> None:
        """Nothing more to say."""


class PackingBar:
    """A bar of bytes for each package."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("packing", total=None)
        self._progress.start()

    def begins(self, place: Place, files: int, size: int) -> None:
        self._progress.reset(
            self._task, total=size, description=f"{place.path.name}, {files} files"
        )

    def advance(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def close(self) -> None:
        self._progress.stop()


def packing_progress() -> PackingLines | PackingBar:
    """What fits standard error."""
    return PackingBar() if sys.stderr is not None and sys.stderr.isatty() else PackingLines()
