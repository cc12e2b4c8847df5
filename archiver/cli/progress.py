"""Progress on standard error: bars on a terminal, plain lines or JSON lines otherwise."""

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any, Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from archiver.cli.output.text import printable, readable_bytes
from archiver.errors import ArchiverError
from archiver.export.package import Destination
from archiver.fetch.events import (
    BytesReceived,
    CompactionFailed,
    CompactionStarted,
    Event,
    Problem,
    RunFinished,
    SessionStarted,
    Summary,
    TablesWritten,
)
from archiver.model.rows import Outcome

_LINE_EVERY = 10.0
"""Seconds between plain lines of progress."""


class PackingLines:
    """A line for each package, and every few seconds how much of it is done."""

    def __init__(self) -> None:
        self._files = self._of_files = self._bytes = self._of_bytes = 0
        self._last = 0.0

    def begins(self, destination: Destination, files: int, size: int) -> None:
        self._files = self._bytes = 0
        self._of_files, self._of_bytes = files, size
        self._last = time.monotonic()
        click.echo(
            f"packing {files} files, {readable_bytes(size)}, to {destination.path}", err=True
        )

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

    def begins(self, destination: Destination, files: int, size: int) -> None:
        self._progress.reset(
            self._task, total=size, description=f"{destination.path.name}, {files} files"
        )

    def advance(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def close(self) -> None:
        self._progress.stop()


def packing_progress() -> PackingLines | PackingBar:
    """What fits standard error."""
    return PackingBar() if sys.stderr is not None and sys.stderr.isatty() else PackingLines()


_LINE_EVERY = 10.0
"""Seconds between plain lines of progress."""
_MOST_FAILED = 20
"""Runs in a row that are said to have failed: a service that is down needs no line for each."""


class Reporter(Protocol):
    """Shows what happens during a session. ``take`` is called from several threads.

    ``notice`` renders a message for a signal handler, which must wait for no lock.
    """

    def take(self, event: Event) -> None: ...
    def warn(self, message: str) -> None: ...
    def fail(self, error: ArchiverError) -> None: ...
    def notice(self, message: str) -> str: ...
    def close(self, summary: Summary) -> None: ...


@contextlib.contextmanager
def reporter(log_format: str, *, quiet: bool) -> Iterator[Reporter]:
    """The reporter that fits: JSON lines if asked for, bars on a terminal, lines otherwise."""
    # httpx logs whole URLs, signatures included.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if log_format == "json":
        yield JsonLines(quiet=quiet)
    elif log_format == "auto" and not quiet and sys.stderr is not None and sys.stderr.isatty():
        with Bars() as bars:
            yield bars
    else:
        yield Lines(quiet=quiet)


def compaction_line(event: CompactionFailed) -> str:
    """What is said where table files could not be merged."""
    return printable(f"table files were not merged, questions take longer: {event.error}")


def problem_line(problem: Problem) -> str:
    what = f"{problem.run_id}"
    if problem.kind is not None:
        what += f" {problem.kind} {problem.ordinal}"
    return printable(f"{what}: {problem.reason}")


def _is_problem(event: Event) -> bool:
    return isinstance(event, CompactionFailed) or (
        isinstance(event, RunFinished) and bool(event.problems)
    )


class ProblemLines:
    """What is said of the problems of one run after another."""

    def __init__(self) -> None:
        self._failed = 0

    def of(self, event: RunFinished) -> list[str]:
        """A line for each problem, until too many runs in a row have failed as a whole."""
        self._failed = self._failed + 1 if event.outcome is Outcome.FAILED else 0
        if self._failed == _MOST_FAILED:
            return ["so it goes on: the table fetches has them all"]
        return [problem_line(p) for p in event.problems] if self._failed < _MOST_FAILED else []


def summary_line(summary: Summary) -> str:
    """A session's last line, for people."""
    counts = summary.run_counts()
    runs = ", ".join(
        f"{counts[outcome]} {outcome.value.replace('_', ' ')}"
        for outcome in Outcome
        if counts[outcome]
    )
    kept = ", ".join(f"{n} {state.value}" for state, n in sorted(summary.artifacts.items()))
    rate = summary.bytes_downloaded / summary.seconds if summary.seconds else 0.0
    line = (
        f"{counts['asked']} runs asked for: {runs or 'none dealt with'}. "
        + (f"Artifacts: {kept}. " if kept else "")
        + f"{readable_bytes(summary.bytes_downloaded)} in {summary.seconds:.1f} s"
        + (f" ({readable_bytes(rate)}/s). " if summary.bytes_downloaded else ". ")
        + ("" if summary.redacted is None else f"{summary.redacted} places masked. ")
        + f"Session {summary.session}"
        + (f", ledger head {summary.head}" if summary.head else "")
    )
    if summary.accepted:
        line += f". {summary.accepted} are accepted as they are (`archiver accept --list`)"
    if summary.held == summary.asked:
        line += ". All are held complete: the API was not asked"
    if summary.interrupted:
        line += ". Interrupted: the same command again picks up where it stopped"
    return line


def _print(text: str, end: str = "\n") -> None:
    """Whoever reads standard error may have gone, or its disk be full: the work goes on."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, file=sys.stderr, flush=True)  # noqa: T201 # this is what prints


class Lines:
    """Plain lines: problems as they come, counts every few seconds, the summary at the end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = Lock()
        self._problems = ProblemLines()
        self._done = self._asked = self._bytes = 0
        self._last = self._started = time.monotonic()

    def take(self, event: Event) -> None:
        with self._lock:
            match event:
                case SessionStarted(session, asked, held, recovered):
                    self._asked = asked - held
                    self._say(f"session {session}: {asked} runs, {held} held complete")
                    if recovered:
                        self._say(f"recovered into the tables: {', '.join(recovered)}")
                case BytesReceived(count):
                    self._bytes += count
                case RunFinished():
                    self._done += 1
                    for line in self._problems.of(event):
                        self.warn(line)
                    self._progress()
                case CompactionStarted(files):
                    self._say(f"merging {files} table files")
                case CompactionFailed():
                    self.warn(compaction_line(event))
                case TablesWritten():
                    pass

    def warn(self, message: str) -> None:
        _print(f"warning: {message}")

    def fail(self, error: ArchiverError) -> None:
        _print(f"Error: {printable(str(error))}")

    def notice(self, message: str) -> str:
        return f"\n{message}\n"

    def close(self, summary: Summary) -> None:
        """Nothing more to say: the summary is the command's result."""

    def _progress(self) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY:
            self._last = now
            left = (self._asked - self._done) * (now - self._started) / self._done
            self._say(
                f"{self._done}/{self._asked} runs, {readable_bytes(self._bytes)}, {left:.0f} s left"
            )

    def _say(self, message: str) -> None:
        if not self._quiet:
            _print(message)


class JsonLines:
    """One JSON object a line, for machines that read logs."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = Lock()

    def take(self, event: Event) -> None:
        if self._quiet and not _is_problem(event):
            return
        match event:
            case SessionStarted(session, asked, held, recovered):
                self._log(
                    "session_started",
                    session=session,
                    asked=asked,
                    held=held,
                    recovered=list(recovered),
                )
            case RunFinished():
                self._log(
                    "run_finished",
                    asked_id=event.asked_id,
                    run_id=event.run_id,
                    outcome=event.outcome,
                    artifacts=event.artifacts,
                    bytes=event.bytes,
                    seconds=event.seconds,
                    problems=[
                        {"kind": p.kind, "ordinal": p.ordinal, "reason": p.reason}
                        for p in event.problems
                    ],
                )
            case TablesWritten(runs):
                self._log("tables_written", runs=runs)
            case CompactionStarted(files):
                self._log("compaction_started", files=files)
            case CompactionFailed():
                self.warn(compaction_line(event))
            case BytesReceived():
                pass

    def warn(self, message: str) -> None:
        self._log("warning", message=message)

    def fail(self, error: ArchiverError) -> None:
        self._log("error", message=str(error), exit_code=error.exit_code)

    def notice(self, message: str) -> str:
        return self._line("warning", message=message)

    def close(self, summary: Summary) -> None:
        if not self._quiet:
            self._log("session_finished", **summary.to_json(), interrupted=summary.interrupted)

    def _log(self, event: str, **fields: Any) -> None:
        line = self._line(event, **fields)
        with self._lock:
            _print(line, end="")

    @staticmethod
    def _line(event: str, **fields: Any) -> str:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return json.dumps({"at": at, "event": event, **fields}) + "\n"


class Bars:
    """Shows what happens during a session while the block runs. Called from several threads."""

    def __init__(self) -> None:
        self._runs = Progress(
            TextColumn("runs "),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._bytes = Progress(TextColumn("bytes"), DownloadColumn(), TransferSpeedColumn())
        self._console = Console(stderr=True)
        self._live = Live(
            Group(self._runs, self._bytes),
            console=self._console,
            transient=True,
            refresh_per_second=5,
        )
        self._of_runs = self._runs.add_task("runs", total=None)
        self._of_bytes = self._bytes.add_task("bytes", total=None)
        self._problems = ProblemLines()
        self._lock = Lock()

    def __enter__(self) -> "Bars":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def take(self, event: Event) -> None:
        with self._lock:
            match event:
                case SessionStarted(asked=asked, held=held):
                    self._runs.update(self._of_runs, total=asked - held)
                case BytesReceived(count):
                    self._bytes.advance(self._of_bytes, count)
                case RunFinished():
                    self._runs.advance(self._of_runs)
                    for line in self._problems.of(event):
                        self.warn(line)
                case CompactionFailed():
                    self.warn(compaction_line(event))
                case _:
                    pass

    def warn(self, message: str) -> None:
        self._console.print(f"[yellow]warning:[/] {escape(message)}", highlight=False)

    def fail(self, error: ArchiverError) -> None:
        self._console.print(f"Error: {escape(printable(str(error)))}", highlight=False)

    def notice(self, message: str) -> str:
        return f"\n{message}\n"

    def close(self, summary: Summary) -> None:
        """Nothing more to show: the summary is the command's result."""
