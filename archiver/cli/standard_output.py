"""Where a command's result goes: standard output, or a file that is there whole or not at all."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archiver.errors import UsageError


@contextlib.contextmanager
def text_output(output: Path | None) -> Iterator[Any]:
    """A stream for text. Raises UsageError where the file cannot be written."""
    if output is None:
        yield sys.stdout
        return
    with _aside(output) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        yield stream


@contextlib.contextmanager
def binary_output(output: Path | None) -> Iterator[Any]:
    """A stream for bytes. Raises UsageError where the file cannot be written."""
    if output is None:
        if sys.stdout.isatty():
            raise UsageError("parquet is not for a terminal", hint="Name a file with --output")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _aside(output) as aside, aside.open("wb") as stream:
        yield stream


@contextlib.contextmanager
def _aside(output: Path) -> Iterator[Path]:
    aside = output.with_name(f".{output.name}.part")
    try:
        yield aside
        aside.replace(output)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from None
    finally:
        aside.unlink(missing_ok=True)


def outside(output: Path | None, archive: Path) -> None:
    """Raises UsageError where ``output`` is inside the archive: nothing else may write there."""
    if output is not None and output.resolve().is_relative_to(archive.resolve()):
        raise UsageError(f"{output} is inside the archive", hint="Name a file elsewhere")
