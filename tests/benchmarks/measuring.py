"""Running a command, and what it took: wall-clock time, CPU, memory."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

_SAMPLE_SECONDS = 0.1
_FIRST_SAMPLE_SECONDS = 0.005
_TAIL = 2_000


class BenchmarkFailed(Exception):
    """What was measured did not do what it should have: its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one execution took.

    ``cpu_seconds`` is user and system time of the process and of those that it waited for,
    ``peak_bytes`` the most memory that it and its children had at once. ``work`` is how much it
    did, in units of the comparison (runs, GiB).
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    work: float = 1.0

    @property
    def rate(self) -> float:
        return self.work / self.seconds


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended well: what it took and what it printed."""

    measured: Measured
    stdout: str


def run_measured(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    *,
    fine: tuple[int, ...] = (0,),
    stop_if: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run ``command`` in ``folder``. Raises BenchmarkFailed unless its exit code is ``fine``.

    It is asked to end (SIGTERM) as soon as ``stop_if`` says so.
    """
    output, errors = folder / "stdout", folder / "stderr"
    os.sync()  # nobody waits for what others wrote before
    with output.open("wb") as out, errors.open("wb") as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=dict(environment),
        )
        with _Watch(process.pid, stop_if) as watch:
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                process.wait()
                raise
            seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in fine:
        said = errors.read_text(errors="replace")[-_TAIL:]
        name = " ".join(str(part) for part in command[:4])
        raise BenchmarkFailed(f"{name} … ended with {process.returncode}: {said}")
    peak = max(watch.peak_bytes, _own_peak(usage))
    measured = Measured(seconds, usage.ru_utime + usage.ru_stime, peak)
    return Ended(measured, output.read_text(errors="replace"))


def _own_peak(usage: resource.struct_rusage) -> int:
    """The process's own peak, 0 where that cannot be told.

    On Linux ``ru_maxrss`` begins with what the parent had: it counts only where it is more.
    """
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return usage.ru_maxrss * unit if usage.ru_maxrss > ours else 0


@dataclass(slots=True)
class _Watch:
    """Looks again and again how much memory a process and its children take (needs ``/proc``), and
    whether it is to end.

    Of each process the most that it ever had counts, so of a single one nothing is missed but its
    last moments. Pages that several share count several times.
    """

    pid: int
    stop_if: Callable[[], bool]
    peak_bytes: int = 0
    _end: Event = field(default_factory=Event)
    _thread: Thread = field(init=False)

    def __enter__(self) -> "_Watch":
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        asked_to_end = False
        pause = _FIRST_SAMPLE_SECONDS  # something is to be seen of what ends soon, too
        while not self._end.wait(pause):
            self.peak_bytes = max(self.peak_bytes, sum(map(_high_water, process_tree(self.pid))))
            if not asked_to_end and self.stop_if():
                asked_to_end = True
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(self.pid, signal.SIGTERM)
            pause = min(2 * pause, _SAMPLE_SECONDS)


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants, as far as ``/proc`` shows them; any may have ended."""
    found = [pid]
    for process in found:
        with contextlib.suppress(OSError):  # it has just ended, or one of its threads has
            for thread in Path(f"/proc/{process}/task").iterdir():
                found += _children(thread)
    return found


def _children(thread: Path) -> list[int]:
    try:
        return [*map(int, (thread / "children").read_text().split())]
    except OSError:  # it has just ended
        return []


def _high_water(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
