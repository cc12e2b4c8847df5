"""The table of results: Markdown for people, JSON for machines."""

from collections.abc import Iterator, Sequence
from statistics import median

from tests.benchmarks.comparing import Bar, Line, Unit
from tests.benchmarks.measuring import Measured

_HEAD = ("what", "archiver", "peer", "its figure", "ratio", "bar", "CPU s", "peak MB", "")
_ALIGNED_RIGHT = {1, 3, 4, 5, 6, 7}
EXPLANATION = (
    "Figures are medians; a ratio is the median of the rounds' ratios, ours to the peer's. CPU and "
    "memory are ours: user and system time, the most memory at once."
)


def markdown(lines: Sequence[Line]) -> str:
    """The lines as a table."""
    rule = ["---:" if place in _ALIGNED_RIGHT else "---" for place in range(len(_HEAD))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (_HEAD, rule, *map(_cells, lines)))


def as_json(line: Line) -> dict[str, object]:
    """A line with every execution that went into it."""
    return {
        "row": line.row,
        "what": line.what,
        "unit": line.unit.name,
        "archiver": list(_executions(line.unit, line.ours)),
        "peer": line.peer or None,
        "peers": list(_executions(line.unit, line.peers)),
        "ratio": line.ratio,
        "bar": _bar(line.bar, line) or None,
        "met": line.met,
        "note": line.note or None,
    }


def _executions(unit: Unit, measured: Sequence[Measured]) -> Iterator[dict[str, float]]:
    for one in measured:
        yield {
            "value": unit.of(one),
            "seconds": one.seconds,
            "cpu_seconds": one.cpu_seconds,
            "peak_bytes": one.peak_bytes,
        }


def _cells(line: Line) -> list[str]:
    verdict = {True: "ok", False: "**missed**", None: ""}[line.met]
    return [
        line.what,
        line.unit.text(line.our_median) if line.ours else "",
        line.peer,
        line.unit.text(line.peer_median) if line.peers else "",
        "" if line.ratio is None else f"{line.ratio:.2f}",
        _bar(line.bar, line),
        f"{median(one.cpu_seconds for one in line.ours):.2f}" if line.ours else "",
        f"{max(one.peak_bytes for one in line.ours) / 1e6:.0f}" if line.ours else "",
        ", ".join(text for text in (verdict, line.note) if text),
    ]


def _bar(bar: Bar | None, line: Line) -> str:
    if bar is None:
        return ""
    sign = "≥" if bar.at_least else "≤"
    return f"{sign} {bar.limit:,g}" if line.peer else f"{sign} {bar.limit:,g} {line.unit.name}"
