"""Progress bars for a terminal: runs done and time left, bytes and their rate."""

from threading import Lock
from types import TracebackType

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

from archiver.cli.output.text import printable
from archiver.cli.progress import ProblemLines, compaction_line
from archiver.domain.summary import Summary
from archiver.errors import ArchiverError
from archiver.fetch.events import (
    BytesReceived,
    CompactionFailed,
    Event,
    RunFinished,
    SessionStarted,
)


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
