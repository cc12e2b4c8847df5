"""Comparisons: several contenders in turn, several times, and the line of the table it makes."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.measuring import Measured

MIB = 1 << 20
OURS = "archiver"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is compared of an execution: a number, and how it is written."""

    name: str
    of: Callable[[Measured], float]

    def text(self, value: float) -> str:
        digits = 0 if value >= 1_000 else 1 if value >= 100 else 2
        return f"{value:,.{digits}f} {self.name}"


SECONDS = Unit("s", lambda measured: measured.seconds)
MILLISECONDS = Unit("ms", lambda measured: measured.seconds * 1_000)
RUNS_PER_SECOND = Unit("runs/s", lambda measured: measured.rate)
CPU_PER_GIB = Unit("CPU s/GiB", lambda measured: measured.cpu_seconds / measured.work)
PEAK_MB = Unit("MB", lambda measured: measured.peak_bytes / 1e6)


@dataclass(frozen=True, slots=True)
class Bar:
    """What must hold: of the ratio where there is a peer, else of our own figure."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part. ``run`` leaves nothing behind, and raises where it did not do its work."""

    name: str
    run: Callable[[], Measured]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. ``note`` stands in for figures where there are none."""

    row: str
    what: str
    unit: Unit
    ours: Sequence[Measured] = ()
    peer: str = ""
    peers: Sequence[Measured] = ()
    bar: Bar | None = None
    note: str = ""

    @property
    def our_median(self) -> float:
        return statistics.median(map(self.unit.of, self.ours))

    @property
    def peer_median(self) -> float:
        return statistics.median(map(self.unit.of, self.peers))

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: what slows a round down slows both in it."""
        if not self.peers or not self.ours:
            return None
        pairs = zip(self.ours, self.peers, strict=True)
        return statistics.median(self.unit.of(ours) / self.unit.of(peer) for ours, peer in pairs)

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none, or nothing to hold against it."""
        if self.bar is None or not self.ours or (self.peer and self.ratio is None):
            return None
        return self.bar.met(self.our_median if self.ratio is None else self.ratio)


def interleave(
    row: str, contenders: Sequence[Contender], rounds: int, say: Say, unit: Unit = SECONDS
) -> dict[str, list[Measured]]:
    """Let each of them run in each round; by name, what each execution took."""
    taken: dict[str, list[Measured]] = {contender.name: [] for contender in contenders}
    for number in range(1, rounds + 1):
        for contender in contenders:
            measured = contender.run()
            taken[contender.name].append(measured)
            say(
                f"{row} {number}/{rounds}: {contender.name} {unit.text(unit.of(measured))}, "
                f"CPU {measured.cpu_seconds:.2f} s, {measured.peak_bytes / 1e6:.0f} MB"
            )
    return taken


def best_of(row: str, contenders: Sequence[Contender], say: Say, unit: Unit = SECONDS) -> Contender:
    """The fastest of one contender's settings, each tried once: a peer shows itself at its best."""
    if len(contenders) == 1:
        return contenders[0]
    tried = [(contender.run().rate, contender) for contender in contenders]
    best = max(tried, key=lambda pair: pair[0])[1]
    say(f"{row}: of {', '.join(c.name for c in contenders)} the fastest is {best.name}")
    return best
