"""One question to the archive, from the shell or at the prompt, and its answer."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import click
import pyarrow as pa

from archiver.cli.describing import describe
from archiver.cli.output.formats import write_result
from archiver.cli.output.tables import Screen
from archiver.cli.standard_output import outside
from archiver.query.sql import QueryResult

Ask: TypeAlias = Callable[[str], QueryResult]
"""Runs one SQL statement."""
DESCRIBE = "\\d"


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers of ``archive`` are written: the format, the file (none: standard output), with
    the time or not, and what a terminal is shown.
    """

    archive: Path
    format: str = "table"
    output: Path | None = None
    timing: bool = False
    screen: Screen = dataclasses.field(default_factory=Screen)


def answer(text: str, ask: Ask, settings: Settings) -> None:
    r"""Run a statement, or describe what ``\d`` names, and write what comes of it."""
    output = settings.output
    outside(output, settings.archive)
    words = text.rstrip(";").split()
    if words[:1] == [DESCRIBE]:
        result = describe(words[1] if len(words) > 1 else None, ask)
        write_result(result, settings.format, output, settings.screen)
        return
    clock = _Clock()
    result = clock.timed(lambda: ask(text))
    batches = clock.iterated(result.batches)
    result = dataclasses.replace(result, batches=batches)
    write_result(result, settings.format, output, settings.screen)
    if settings.timing:
        click.echo(f"{clock.seconds:.3f} s", err=True)


class _Clock:
    """Counts the time that DuckDB takes, not that of writing, nor of reading in a pager."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, work: Callable[[], QueryResult]) -> QueryResult:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds += time.perf_counter() - started

    def iterated(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch
