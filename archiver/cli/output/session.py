"""How a session of fetch is shown: while it runs, for people or as JSON lines, and at its end."""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeAlias

from archiver.cli.output.progress import (
    BEAT_EVERY,
    Amount,
    Display,
    beating,
    display,
    write_line,
)
from archiver.cli.output.text import about, counted, printable, readable_bytes
from archiver.errors import ArchiverError
from archiver.fetch.events import (
    BytesReceived,
    CompactionFailed,
    CompactionStarted,
    Event,
    FileProgress,
    Problem,
    RunFinished,
    SessionStarted,
    Summary,
    TablesWritten,
)
from archiver.model.rows import Outcome

_MOST_UNKNOWN = 3
"""Ids that the API does not know that are named as they come; the others in one line at the end."""
_MOST_FAILED = 20
"""Runs in a row that are said to have failed: a service that is down needs no line for each."""


class SessionLines:
    """Shows people what happens. ``take`` is called from several threads."""

    def __init__(self, shown_on: Display) -> None:
        self._display = shown_on
        self._lock = Lock()
        self._amount = Amount("runs")
        self._failed = 0
        self._unknown = 0
        self.warn, self.fail = shown_on.warn, shown_on.fail
        self.notice: Callable[[str], str] = shown_on.notice

    def take(self, event: Event) -> None:
        show, amount = self._display, self._amount
        with self._lock:
            match event:
                case SessionStarted(session, asked, held, recovered):
                    amount.total = asked - held
                    show.start(amount)
                    show.say(f"session {session}: {counted(asked, 'run')}, {held} held complete")
                    if recovered:
                        show.say(f"recovered into the tables: {', '.join(recovered)}")
                case BytesReceived(count):
                    amount.bytes += count
                case FileProgress():
                    show.file(event.name, event.size, event.total, is_over=event.is_over)
                case RunFinished():
                    amount.done += 1
                    for line in self._problems(event):
                        show.warn(line)
                    show.update(amount)
                case CompactionStarted(files):
                    show.say(f"merging {counted(files, 'table file')}")
                case CompactionFailed():
                    show.warn(compaction_line(event))
                case TablesWritten():
                    pass

    def beat(self) -> None:
        with self._lock:
            self._display.beat()

    def close(self, summary: Summary) -> None:
        """Say what was not said one by one."""
        if (more := summary.outcomes[Outcome.NOT_FOUND] - _MOST_UNKNOWN) > 0:
            self.warn(
                f"the API does not know {more} more of the ids: the table fetches has them, with "
                "the outcome not_found"
            )

    def _problems(self, event: RunFinished) -> list[str]:
        """A line for each problem, until too many runs in a row have failed as a whole."""
        if event.outcome is Outcome.NOT_FOUND:
            self._unknown += 1
            if self._unknown > _MOST_UNKNOWN:
                return []
        self._failed = self._failed + 1 if event.outcome is Outcome.FAILED else 0
        if self._failed == _MOST_FAILED:
            return ["so it goes on: no more of them are named here"]
        return [problem_line(p) for p in event.problems] if self._failed < _MOST_FAILED else []


class JsonLines:
    """One JSON object a line, for machines that read logs."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = Lock()
        self._runs = self._bytes = 0
        self._logged_at = time.monotonic()

    def take(self, event: Event) -> None:
        match event:
            case BytesReceived(count):
                with self._lock:
                    self._bytes += count
            case RunFinished():
                with self._lock:
                    self._runs += 1
        self._log_event(event)

    def _log_event(self, event: Event) -> None:
        match event:
            case RunFinished() if event.problems or not self._quiet:
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
            case CompactionFailed():
                self.warn(compaction_line(event))
            case _ if self._quiet:
                pass
            case SessionStarted(session, asked, held, recovered):
                self._log(
                    "session_started",
                    session=session,
                    asked=asked,
                    held=held,
                    recovered=list(recovered),
                )
            case TablesWritten(runs):
                self._log("tables_written", runs=runs)
            case CompactionStarted(files):
                self._log("compaction_started", files=files)
            case _:
                pass

    def beat(self) -> None:
        """Log that the work goes on, where nothing was logged for a while."""
        if not self._quiet and time.monotonic() - self._logged_at >= BEAT_EVERY:
            self._log("progress", runs=self._runs, bytes=self._bytes)

    def warn(self, message: str) -> None:
        self._log("warning", message=message)

    def fail(self, error: ArchiverError) -> None:
        self._log("error", message=str(error), exit_code=error.exit_code)

    def notice(self, message: str) -> str:
        return self._line("warning", message=message) + "\n"

    def close(self, summary: Summary) -> None:
        if not self._quiet:
            self._log("session_finished", **summary.to_json(), interrupted=summary.interrupted)

    def _log(self, event: str, **fields: Any) -> None:
        line = self._line(event, **fields)
        with self._lock:
            self._logged_at = time.monotonic()
            write_line(line)

    @staticmethod
    def _line(event: str, **fields: Any) -> str:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return json.dumps({"at": at, "event": event, **fields})


Reporter: TypeAlias = SessionLines | JsonLines


@contextlib.contextmanager
def reporter(log_format: str, *, quiet: bool) -> Iterator[Reporter]:
    """The reporter that fits: JSON lines if asked for, a bar on a terminal, lines otherwise."""
    # httpx logs whole URLs, signatures included.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if log_format == "json":
        lines = JsonLines(quiet=quiet)
        with beating(lines.beat):
            yield lines
        return
    with display(quiet=quiet, plain=log_format == "text") as shown_on:
        shown = SessionLines(shown_on)
        with beating(shown.beat):
            yield shown


def compaction_line(event: CompactionFailed) -> str:
    """What is said where table files could not be merged."""
    return printable(f"table files were not merged, questions take longer: {event.error}")


def problem_line(problem: Problem) -> str:
    """What is said of something that could not be had."""
    what = f"{problem.run_id}"
    if problem.kind is not None:
        what += f" {problem.kind} {problem.ordinal}"
    return printable(about(what, problem.reason))


def summary_text(summary: Summary, *, in_lines: bool) -> str:
    """A session's last words, for people: aligned lines for a terminal, else one line for a log."""
    parts = dict(_summary_parts(summary))
    if in_lines:
        width = max(map(len, parts))
        return "\n".join(f"{name:{width}}  {text}" for name, text in parts.items())
    head = f", ledger head {parts['Ledger head']}" if "Ledger head" in parts else ""
    line = {**parts, "Session": f"Session {parts['Session']}{head}"}
    line.pop("Ledger head", None)
    if "Artifacts" in line:
        line["Artifacts"] = f"Artifacts: {line['Artifacts']}"
    return ". ".join(line.values())


def _summary_parts(summary: Summary) -> Iterator[tuple[str, str]]:
    counts = summary.run_counts()
    runs = [
        f"{counts[outcome]} {outcome.value.replace('_', ' ')}"
        for outcome in Outcome
        if counts[outcome]
    ]
    if left := summary.not_dealt_with:
        runs.append(f"{left} not dealt with")
    yield "Runs", f"{counted(counts['asked'], 'run')} asked for: {', '.join(runs) or 'none'}"
    if summary.artifacts:
        each = (f"{n} {state.value}" for state, n in sorted(summary.artifacts.items()))
        yield "Artifacts", ", ".join(each)
    rate = summary.bytes_downloaded / summary.seconds if summary.seconds else 0.0
    yield (
        "Bytes",
        f"{readable_bytes(summary.bytes_downloaded)} in {summary.seconds:.1f} s"
        + (f" ({readable_bytes(rate)}/s)" if summary.bytes_downloaded else "")
        + ("" if summary.redacted is None else f", {counted(summary.redacted, 'place')} masked"),
    )
    yield "Session", summary.session
    if summary.head:
        yield "Ledger head", summary.head
    if notes := list(_notes(summary)):
        yield "Note", ". ".join(notes)


def _notes(summary: Summary) -> Iterator[str]:
    if summary.accepted:
        yield f"{summary.accepted} are accepted as they are (`archiver accept --list`)"
    if summary.held == summary.asked:
        yield "All are held complete: the API was not asked"
    if summary.interrupted:
        kept = ""
        if summary.parts:
            what = counted(summary.parts, "unfinished file")
            kept = f"; {what} ({readable_bytes(summary.parts_bytes)}) will be gone on with"
        yield f"Interrupted: the same command again picks up where it stopped{kept}"
