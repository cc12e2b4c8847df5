"""How a session of fetch is shown: while it runs, for people or as JSON lines, and at its end."""

import contextlib
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeAlias

from archiver.cli.output.progress import Amount, Display, display, write_line
from archiver.cli.output.text import counted, printable, readable_bytes
from archiver.errors import ArchiverError
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

    def notice(self, message: str) -> str:
        """Return a message as a signal handler writes it, which must wait for no lock."""
        return f"\n{message}\n"

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
            return ["so it goes on: the table fetches has them all"]
        return [problem_line(p) for p in event.problems] if self._failed < _MOST_FAILED else []


class JsonLines:
    """One JSON object a line, for machines that read logs."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = Lock()

    def take(self, event: Event) -> None:
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
        yield JsonLines(quiet=quiet)
        return
    with display(quiet=quiet, plain=log_format == "text") as shown_on:
        yield SessionLines(shown_on)


def compaction_line(event: CompactionFailed) -> str:
    """What is said where table files could not be merged."""
    return printable(f"table files were not merged, questions take longer: {event.error}")


def problem_line(problem: Problem) -> str:
    """What is said of something that could not be had."""
    what = f"{problem.run_id}"
    if problem.kind is not None:
        what += f" {problem.kind} {problem.ordinal}"
    return printable(f"{what}: {problem.reason}")


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
        f"{counted(counts['asked'], 'run')} asked for: {runs or 'none dealt with'}. "
        + (f"Artifacts: {kept}. " if kept else "")
        + f"{readable_bytes(summary.bytes_downloaded)} in {summary.seconds:.1f} s"
        + (f" ({readable_bytes(rate)}/s). " if summary.bytes_downloaded else ". ")
        + ("" if summary.redacted is None else f"{counted(summary.redacted, 'place')} masked. ")
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
