"""A real terminal for the command: what is typed goes in, what is on the screen comes out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

from tests.cli.running import child_command, child_environment

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)|\r")
_ASKS = r"\x1b\[\?2004h"
_TAKEN = r"\x1b\[\?2004l"
"""The prompt has the terminal say where a paste begins and ends, for as long as it asks."""
_CURSOR = r"\x1b\[\?25h"


class Terminal:
    """A process of the command on a pseudo-terminal of its own."""

    def __init__(self, child: "pexpect.spawn[str]", screen: pyte.Screen) -> None:
        self._child = child
        self._screen = screen

    def ready(self) -> str:
        """What was shown until the prompt asks."""
        self._child.expect(_ASKS)
        shown = _plain(self._child.before)
        self._child.expect(_CURSOR)
        return shown

    def begin(self, text: str) -> None:
        """Type what is taken as whole with Enter, and wait until it is taken."""
        self._child.send(text + "\r")
        self._child.expect(_TAKEN)

    def enter(self, text: str) -> str:
        """Type what is taken as whole with Enter; what was shown until the prompt asks again."""
        self.begin(text)
        return self.ready()

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def shows(self, text: str) -> None:
        """Wait until ``text`` stands on the screen."""
        while not any(text in line for line in self._screen.display):
            self._child.read_nonblocking(1024, timeout=30)

    def until(self, pattern: str) -> str:
        """What was shown until ``pattern``, and it."""
        self._child.expect(pattern)
        return _plain(self._child.before + self._child.after)

    def end(self) -> str:
        """What is still shown until the process has ended."""
        return _plain(self.raw())

    def raw(self) -> str:
        """The same with all that goes to a terminal beside text."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        shown: str = self._child.before
        return shown

    @property
    def pid(self) -> int:
        """The process."""
        pid: int = self._child.pid
        return pid

    @property
    def code(self) -> int | None:
        """The exit code of a process that has ended."""
        code: int | None = self._child.exitstatus
        return code


class _Feeding:
    """A file for what the terminal shows, which draws it."""

    def __init__(self, stream: pyte.Stream) -> None:
        self.write = stream.feed

    def flush(self) -> None:
        """All is drawn already."""


def _plain(text: str) -> str:
    return _ESCAPES.sub("", text)


@contextmanager
def terminal(
    *arguments: str | Path, lines: int = 24, columns: int = 100, **environment: str
) -> Iterator[Terminal]:
    """Run the command on a terminal of this size; it is ended where the test did not."""
    program, *command = child_command(*arguments)
    # Without CPR: nobody here answers where the cursor is.
    changed = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environment}
    child = pexpect.spawn(
        program,
        command,
        env=child_environment(**changed),
        encoding="utf-8",
        timeout=30,
        dimensions=(lines, columns),
    )
    screen = pyte.Screen(columns, lines)
    child.logfile_read = _Feeding(pyte.Stream(screen))
    try:
        yield Terminal(child, screen)
    finally:
        child.close(force=True)
