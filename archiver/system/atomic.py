"""Writing a file or a folder outside the archive: aside, and then into place as a whole."""

import contextlib
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archiver.errors import UsageError


@contextlib.contextmanager
def atomic_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A path to write a file to, in a new folder for all that comes up on the way.

    When the block ends well, the file takes ``target``'s place; nothing else is left. Raises
    UsageError where something is there already and must not be replaced, or nothing can be.
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint="Name a file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already", hint="--overwrite replaces it")
    with work_folder(target) as folder:
        yield folder / target.name
        (folder / target.name).replace(target)


@contextlib.contextmanager
def atomic_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder to write files to, which take their places in ``target`` when the block ends well.

    Where there was no folder, or an empty one, they do so all at once; with ``overwrite`` each
    replaces the file of its name, and others stay. Raises UsageError as :func:`atomic_file` does.
    """
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file", hint="Name a folder")
    with work_folder(target) as space:
        is_filled = target.is_dir() and any(target.iterdir())
        if is_filled and not overwrite:
            raise UsageError(
                f"{target} is not empty", hint="--overwrite replaces files of the same names"
            )
        folder = space / "files"
        folder.mkdir()
        yield folder
        if is_filled:
            for path in folder.iterdir():
                path.replace(target / path.name)
        else:
            with contextlib.suppress(FileNotFoundError):
                target.rmdir()
            folder.rename(target)


@contextlib.contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target``, which is gone again when the block ends.

    Raises UsageError for what the system refuses in it.
    """
    # Named before it is made, which mkdtemp cannot: Ctrl-C right after that leaves nothing, too.
    folder = target.absolute().parent / f".{target.name}.{secrets.token_hex(8)}.part"
    try:
        try:
            folder.mkdir(0o700)
            yield folder
        finally:
            _remove(folder)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from None


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException as error:  # Ctrl-C: what it leaves half done here, nobody removes later
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):  # of a folder that was closed already
            raise


@contextlib.contextmanager
def text_output(output: Path | None) -> Iterator[Any]:
    """A stream for text. Raises UsageError where the file cannot be written."""
    if output is None:
        yield sys.stdout
        return
    with (
        atomic_file(output, overwrite=True) as path,
        path.open("w", encoding="utf-8", newline="") as stream,
    ):
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
    with atomic_file(output, overwrite=True) as path, path.open("wb") as stream:
        yield stream


def require_outside(output: Path | None, archive: Path) -> None:
    """Raises UsageError where ``output`` is inside the archive: nothing else may write there."""
    if output is not None and output.resolve().is_relative_to(archive.resolve()):
        raise UsageError(f"{output} is inside the archive", hint="Name a file elsewhere")
