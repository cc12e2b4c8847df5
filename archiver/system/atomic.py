"""Writing a file or a folder outside the archive: aside, and then into place as a whole."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archiver.errors import OutputUnwritable, UsageError
from archiver.system.folders import folder_in_use, has_locks, is_in_use

_WRONG_PLACE = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP),
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EINVAL),
    }
)
"""What another name would mend; all else is the disk's to mend."""


@contextlib.contextmanager
def atomic_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A path to write a file to, in a new folder for all that comes up on the way.

    When the block ends well, the file takes ``target``'s place; nothing else is left. Raises
    UsageError where something is there already and must not be replaced, or nothing can be.
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint="Name a file")
    if target.exists() and not target.is_file():
        raise UsageError(f"{target} is a device or a pipe", hint="Name a file")
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

    Where a process was killed in such a block, the next one for the same target removes what it
    left. Raises UsageError where there can be none, and OutputUnwritable for what the disk refuses.
    """
    parent, name = target.absolute().parent, _fitting(target.name)
    _sweep(parent, name)
    # Named before it is made, which mkdtemp cannot: Ctrl-C right after that leaves nothing, too.
    folder = parent / f".{name}.{os.getpid()}-{secrets.token_hex(8)}.part"
    with _output_errors(target):
        try:
            folder.mkdir(0o700)
            with folder_in_use(folder):
                yield folder
        finally:
            _remove(folder)


@contextlib.contextmanager
def _output_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = UsageError if error.errno in _WRONG_PLACE else OutputUnwritable
        raise kind(f"cannot write {target}: {error.strerror or error}") from None


_PART = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)-[0-9a-f]{16}\.part", re.ASCII | re.DOTALL)
_NAME_BYTES = 100
"""Some file systems take names of 143 bytes at most."""


def _fitting(name: str) -> str:
    return name.encode(errors="surrogateescape")[:_NAME_BYTES].decode(errors="ignore")


def _sweep(parent: Path, name: str) -> None:
    """Remove what killed processes left for a target of this name."""
    with contextlib.suppress(OSError):  # whatever is wrong, writing says it better
        for path in parent.iterdir():
            part = _PART.fullmatch(path.name)
            if part and part["name"] == name and _is_abandoned(path, int(part["process"])):
                shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(folder: Path, process: int) -> bool:
    """Whether nobody uses a work folder: whoever does holds a lock, where the system has them."""
    if os.name == "nt" or is_in_use(folder):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    # In containers every process may have the same number.
    return process == os.getpid() and has_locks(folder)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException as error:  # Ctrl-C: what it leaves half done here, nobody removes later
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):  # of a folder that was closed already
            raise


@contextlib.contextmanager
def text_output(output: Path | None, *, overwrite: bool = True) -> Iterator[Any]:
    """A stream for text. Raises as :func:`atomic_file` does."""
    if output is None:
        yield sys.stdout
        return
    with (
        _written(output, overwrite=overwrite) as path,
        path.open("w", encoding="utf-8", newline="") as stream,
    ):
        yield stream


@contextlib.contextmanager
def binary_output(output: Path | None) -> Iterator[Any]:
    """A stream for bytes. Raises as :func:`atomic_file` does."""
    if output is None:
        if sys.stdout.isatty():
            raise UsageError("parquet is not for a terminal", hint="Name a file with --output")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _written(output) as path, path.open("wb") as stream:
        yield stream


@contextlib.contextmanager
def _written(output: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A path to write a file to; a device or a pipe is written to itself: nothing replaces it."""
    if output.exists() and not output.is_file() and not output.is_dir():
        with _output_errors(output):
            yield output
    else:
        with atomic_file(output, overwrite=overwrite) as path:
            yield path


def require_outside(output: Path | None, archive: Path) -> None:
    """Raises UsageError where ``output`` is inside the archive: nothing else may write there."""
    if output is not None and output.resolve().is_relative_to(archive.resolve()):
        raise UsageError(f"{output} is inside the archive", hint="Name a file elsewhere")
