"""Progress on standard error: a bar on a terminal, plain lines now and then elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeAlias

from archiver.cli.output.text import printable, readable_bytes
from archiver.errors import ArchiverError

_LINE_EVERY = 10.0
"""Seconds between plain lines of progress."""
_MOST_FILES = 6
"""Large files that have a line of their own at once."""
_BEAT_SECONDS = 0.25
BEAT_EVERY = 30.0
"""Seconds without a line after which a log hears that the work goes on."""


@dataclass(slots=True)
class Amount:
    """How much is done of ``what``: things and bytes, with their totals where these are known."""

    what: str = ""
    total: int | None = None
    of_bytes: int | None = None
    done: int = 0
    bytes: int = 0
    note: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        """How much of the whole is done, from 0 to 1; 0 where the whole is not known."""
        done, whole = (
            (self.done, self.total) if self.of_bytes is None else (self.bytes, self.of_bytes)
        )
        return min(done / whole, 1.0) if whole else 0.0

    @property
    def text(self) -> str:
        """As ``3/14, bytes 2.4 MB of 9.1 MB (1.2 MB/s)``, with the note behind it."""
        whole = "" if self.total is None else f"/{max(self.total, self.done)}"
        of = "" if self.of_bytes is None else f" of {readable_bytes(self.of_bytes)}"
        rate = self.bytes / max(time.monotonic() - self.started, 0.001)
        note = f", {self.note}" if self.note else ""
        return (
            f"{self.done}{whole}, bytes {readable_bytes(self.bytes)}{of} "
            f"({readable_bytes(rate)}/s){note}"
        )

    @property
    def left(self) -> str:
        """The time that is left if it goes on as it did, in seconds."""
        if not self.share:
            return ""
        seconds = (time.monotonic() - self.started) * (1 / self.share - 1)
        return f"{seconds:.0f} s left"


@dataclass(frozen=True, slots=True)
class _FileAmount:
    """How much of a file is there, as a bar shows it."""

    what: str
    text: str
    left: str = ""


class Lines:
    """Plain lines: what is said at once, how far it is every few seconds.

    ``quiet`` leaves only warnings and errors. May be called from several threads; whoever reads
    standard error may have gone, or its disk be full: the work goes on.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = 0.0
        self._amount: Amount | None = None

    def start(self, amount: Amount) -> None:
        """Show from now on how far it is with this."""
        self._last = amount.started
        self._amount = amount

    def update(self, amount: Amount) -> None:
        """Show how far it is, now or when it is time."""
        self._update(amount, _LINE_EVERY)

    def beat(self) -> None:
        """Say that the work goes on, where nothing was said of it for a while."""
        if self._amount is not None:
            self._update(self._amount, BEAT_EVERY)

    def file(self, name: str, size: int, total: int | None, *, is_over: bool) -> None:
        """A large file is under way: a log has the bytes of all of them."""

    def notice(self, message: str) -> str:
        """Return what a signal handler writes of a message: it must wait for no lock."""
        return f"\n{message}\n"

    def _update(self, amount: Amount, every: float) -> None:
        now = time.monotonic()
        if now - self._last >= every:
            self._last = now
            left = f", {amount.left}" if amount.left else ""
            self.say(f"{amount.what}: {amount.text}{left}")

    def say(self, message: str) -> None:
        """Tell what is of interest in a log."""
        if not self._quiet:
            write_line(message)

    def warn(self, message: str) -> None:
        write_line(f"warning: {message}")

    def fail(self, error: ArchiverError) -> None:
        write_line(f"Error: {printable(str(error))}")


class Bar:
    """A bar with how far it is; what is only of interest in a log is not told."""

    def __init__(self) -> None:
        # Only where there is a terminal: it takes a twentieth of a second to import.
        from rich import progress
        from rich.console import Console
        from rich.text import Text

        self._text = Text
        self._console = Console(stderr=True)
        self._bar = progress.Progress(
            progress.TextColumn("{task.fields[amount].what}", markup=False),
            progress.BarColumn(20),
            progress.TextColumn("{task.fields[amount].text}", markup=False),
            progress.TextColumn("{task.fields[amount].left}", markup=False),
            console=self._console,
            transient=True,
            refresh_per_second=5,
        )
        self._task = self._bar.add_task("", total=None, amount=Amount())
        self._files: dict[str, progress.TaskID] = {}
        self._notice = ""

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.beat()
        self._bar.stop()

    def start(self, amount: Amount) -> None:
        total = 1.0 if amount.total or amount.of_bytes else None
        self._bar.update(self._task, amount=amount, total=total, completed=0)

    def update(self, amount: Amount) -> None:
        self._bar.update(
            self._task,
            completed=amount.share,
            total=1.0 if amount.total or amount.of_bytes else None,
        )

    def beat(self) -> None:
        """Print, above the bar, what a signal handler had to say."""
        if self._notice:
            message, self._notice = self._notice, ""
            self._console.print(self._text(message), highlight=False)

    def file(self, name: str, size: int, total: int | None, *, is_over: bool) -> None:
        """Show how far a large file is, on a line of its own beneath the bar of all."""
        task = self._files.get(name)
        if is_over:
            if task is not None:
                self._bar.remove_task(self._files.pop(name))
            return
        share = min(size / total, 1.0) if total else None
        of = f" of {readable_bytes(total)}" if total else ""
        amount = _FileAmount(name, f"{readable_bytes(size)}{of}")
        if task is not None:
            self._bar.update(task, completed=share or 0.0, amount=amount)
        elif len(self._files) < _MOST_FILES:
            whole = None if share is None else 1.0
            self._files[name] = self._bar.add_task("", total=whole, amount=amount)

    def notice(self, message: str) -> str:
        """Keep a message for the next moment at which no bar is drawn; nothing is to be written."""
        self._notice = message
        return ""

    def say(self, message: str) -> None:
        """The bar says enough."""

    def warn(self, message: str) -> None:
        self._print(f"warning: {message}", "yellow")

    def fail(self, error: ArchiverError) -> None:
        self._print(f"Error: {printable(str(error))}")

    def _print(self, message: str, style: str = "") -> None:
        word, _, rest = message.partition(" ")
        line = self._text.assemble((word, style), f" {rest}")
        self._console.print(line, highlight=False)


Display: TypeAlias = Lines | Bar


@contextlib.contextmanager
def beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call ``beat`` a few times a second while the block runs, from a thread of its own."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(_BEAT_SECONDS):
            beat()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextlib.contextmanager
def display(*, quiet: bool = False, plain: bool = False) -> Iterator[Display]:
    """What fits standard error: a bar on a terminal, unless it is to be ``plain``; else lines."""
    if quiet or plain or sys.stderr is None or not sys.stderr.isatty():
        yield Lines(quiet=quiet)
    else:
        with Bar() as bar:
            yield bar


def write_line(text: str) -> None:
    """Write a line to standard error, as far as somebody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)  # noqa: T201 # this is what prints
