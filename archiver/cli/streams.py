"""Standard streams: what could not be written is told at the end, closed streams do no harm."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import TextIO

from archiver.errors import ExitCode
from archiver.system.files import words_of

_ESCAPED = "backslashreplace"
"""What a terminal without UTF-8 cannot show is no reason to show nothing."""


_DROPPED = 1 << 20


class _Output(TextIOWrapper):
    """Standard output: what cannot be written is dropped, and why is kept in ``failed``.

    So the command does all that it does, and its exit code is true. Where nobody reads any more
    that is no failure, and BrokenPipeError is raised only after much was dropped: a long answer
    need not be gone on with.
    """

    failed: OSError | None = None
    _taken: int | None = None
    """Characters that are still dropped for a reader that has gone; None while there is one."""

    def write(self, text: str) -> int:
        if self._taken is not None:
            self._taken -= len(text)
            if self._taken < 0:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            self._taken = _DROPPED
        else:
            self.failed = self.failed or error
        discard(self)


class _Messages(TextIOWrapper):
    """Standard error: whoever reads it may have gone, or its disk be full; the work goes on."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override] # of texts alone
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def prepare() -> None:
    """Make standard streams such that nothing that befalls them ends in a traceback.

    A stream that was closed before the start gets a descriptor that refuses what is asked of it:
    else the next file that is opened has its number, and gets what is meant for the stream.
    """
    for name, flags, mode in (
        ("stdin", os.O_WRONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            opened = os.fdopen(descriptor, mode, encoding="utf-8", closefd=False)
            setattr(sys, f"__{name}__", opened)  # so that it stays open
            setattr(sys, name, opened)
    for name, kind in (("stdout", _Output), ("stderr", _Messages)):
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            ours = kind(
                stream.buffer,
                stream.encoding,
                _ESCAPED,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, ours)


def finish(code: int) -> int:
    """Return the exit code, when all that was printed is out, or said to be lost.

    What nobody reads any more is no error.
    """
    sys.stdout.flush()
    failed = getattr(sys.stdout, "failed", None)
    if failed is not None:
        sys.stderr.write(f"Error: standard output could not be written: {words_of(failed)}\n")
    sys.stderr.flush()
    return code or (ExitCode.INCOMPLETE if failed else ExitCode.OK)


def discard(stream: TextIO) -> None:
    """Let what is still to be written go nowhere.

    Source: Python's documentation of SIGPIPE; it keeps Python's own flush at exit quiet.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
