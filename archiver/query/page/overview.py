"""The beginning of the page: the figures that matter most, and what changed of late."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from jinja2.filters import do_filesizeformat

from archiver.model.artifact import ArtifactState
from archiver.query.page import wording
from archiver.query.page.charts import label
from archiver.query.page.content import (
    NOTHING,
    ColumnKind,
    Figure,
    Headline,
    PageColumn,
    Section,
    table,
)
from archiver.query.page.facts import Facts, Total

_MEANINGS = {
    ArtifactState.VERIFIED: "held, and equal to the checksum that the service gave",
    ArtifactState.UNVERIFIED: "held; the service gave no checksum to compare with",
    ArtifactState.MISMATCH: "not held: what came was not what the checksum says",
    ArtifactState.GONE: "not held: the service does not have it any more",
    ArtifactState.FAILED: "not held: it could not be had so far",
    ArtifactState.EXCLUDED: "not held: left out on purpose, pruned, or waiting for the run's end",
}


_HELD = frozenset(state for state in ArtifactState if state.has_bytes)


def archived(facts: Facts) -> Section:
    rows = [
        row
        | {"meaning": _MEANINGS.get(row["state"])}
        | ({} if row["state"] in _HELD else {"bytes": None})
        for row in facts.artifacts.to_pylist()
    ]
    columns = [
        PageColumn("kind", "ColumnKind"),
        PageColumn("state", "State"),
        PageColumn("meaning", "Meaning"),
        PageColumn("artifacts", "Files", ColumnKind.COUNT),
        PageColumn("bytes", "Size", ColumnKind.BYTES),
    ]
    total = facts.total
    message = (
        f"{wording.counted(total.complete, 'run is', 'runs are')} archived wholly, "
        f"{wording.count(total.incomplete)} with gaps, "
        f"{wording.count(total.unsettled)} had not come to rest when last asked for."
        if total.runs
        else "The archive holds no such runs."
    )
    figure = Figure(
        "artifacts",
        "Recordings, screenshots and downloads",
        message,
        table("artifacts", "Files by kind and state", columns, rows) if rows else None,
        is_open=True,
    )
    return Section("held", "What is kept", figures=[figure])


def held_files(facts: Facts) -> int:
    return sum(
        row["artifacts"]
        for row in facts.artifacts.select(["state", "artifacts"]).to_pylist()
        if row["state"] in _HELD
    )


_MOST_CHANGES = 5
_WORSE, _SLOWER = "worse", "slower"
_DIMENSIONS = {
    "run_type": "Runs of the type",
    "engine": "Runs with the engine",
    "workflow": "Runs of the workflow",
    "reason": "The reason",
    "status": "The status",
}
_BEFORE = " than before"
_NOTICEABLE = 0.02
"""The least change, as a share, that is called good or bad."""
_SAME = "the same as before"


def headlines(facts: Facts) -> list[Headline]:
    return [*_of_runs(facts.total, facts.before), *_of_archive(facts)]


def _of_runs(total: Total, before: Total | None) -> Iterator[Headline]:
    earlier = before if before and before.runs else None
    yield Headline(
        "runs",
        "Runs",
        wording.count(total.runs),
        str(total.runs),
        f"{wording.count(total.unfinished)} not finished",
        *_grown(total.runs, earlier.runs if earlier else None, "more", "fewer"),
    )
    yield _success(total, earlier)
    yield Headline(
        "failures",
        "Did not complete",
        wording.count(total.failures),
        str(total.failures),
        ", ".join(_failures(total)) or "nothing failed",
    )
    for name, title, detail in (
        ("p50_seconds", "Median run time", "half of the runs take less"),
        ("p95_seconds", "Slow runs (p95)", "95 of 100 runs take less"),
    ):
        length, earlier_length = getattr(total, name), getattr(earlier, name, None)
        yield Headline(
            name.replace("_", "-"),
            title,
            NOTHING if length is None else wording.seconds(length),
            "" if length is None else repr(length),
            "no run time is known" if length is None else detail,
            *_grown(length, earlier_length, "longer", "shorter", bad="longer"),
        )


def _success(total: Total, earlier: Total | None) -> Headline:
    rate = total.failure_rate
    share = None if rate is None else total.completed / total.final
    change, tone = "", ""
    if rate is not None and earlier and earlier.failure_rate is not None:
        difference = earlier.failure_rate - rate
        change = f"{wording.points(difference)} {'higher' if difference > 0 else 'lower'}{_BEFORE}"
        tone = _tone(difference, is_good=difference > 0)
        if not difference:
            change = _SAME
    return Headline(
        "success-rate",
        "Success rate",
        NOTHING if share is None else wording.percent(share),
        "" if share is None else repr(share),
        f"{wording.count(total.completed)} of {wording.count(total.final)} finished runs",
        change,
        tone,
    )


def _grown(
    now: float | None, before: float | None, up: str, down: str, bad: str | None = None
) -> tuple[str, str]:
    """How a number changed, in words, and its tone where one of the two directions is ``bad``."""
    if now is None or not before:
        return "", ""
    if now == before:
        return _SAME, ""
    direction, growth = up if now > before else down, now / before - 1
    tone = "" if bad is None else _tone(growth, is_good=direction != bad)
    return f"{wording.percent(abs(growth))} {direction}{_BEFORE}", tone


def _tone(change: float, *, is_good: bool) -> str:
    if abs(change) < _NOTICEABLE:
        return ""
    return "good" if is_good else "bad"


def _failures(total: Total) -> Iterator[str]:
    for name in ("failed", "terminated", "timed_out", "canceled"):
        if number := getattr(total, name):
            yield f"{wording.count(number)} {name.replace('_', ' ')}"


def _of_archive(facts: Facts) -> Iterator[Headline]:
    total = facts.total
    yield Headline(
        "bytes",
        "Kept",
        do_filesizeformat(total.bytes),
        str(total.bytes),
        f"in {wording.counted(held_files(facts), 'file')}",
    )
    whole = total.complete / total.runs if total.runs else None
    yield Headline(
        "complete",
        "Archived wholly",
        NOTHING if whole is None else wording.percent(whole),
        "" if whole is None else repr(whole),
        f"{wording.counted(total.complete, 'run')} with all that could be had",
    )
    yield Headline(
        "gaps",
        "Missing files",
        wording.count(total.gaps),
        str(total.gaps),
        f"in {wording.counted(total.incomplete, 'run')}; asked for again by the next fetch"
        if total.gaps
        else "everything that could be had is kept",
        tone="bad" if total.gaps else "good",
    )


def lately(facts: Facts, last_day: date) -> Section:
    """What got worse in the 7 days up to ``last_day``, as the report on trends tells."""
    failing, slower = facts.failing.to_pylist(), facts.slower.to_pylist()
    sentences = [
        *_in_all(failing, slower, wording.day(last_day)),
        *_groups(sorted(failing, key=_more_failures), _WORSE),
        *_groups(slower, _SLOWER),
    ]
    if not sentences:
        sentences = ["There are too few runs in the last days to tell."]
    return Section("lately", "What changed lately", sentences=sentences)


def _in_all(
    failing: list[dict[str, Any]], slower: list[dict[str, Any]], last_day: str
) -> Iterator[str]:
    for row in failing:
        if row["dimension"] == "all" and row["recent_runs"]:
            verdict = _VERDICTS[row["verdict"]]
            yield f"In the 7 days up to {last_day}, {_failed(row)}. {verdict}"
    for row in slower:
        if row["dimension"] == "all" and row["verdict"] != "few runs":
            yield f"{_took(row)}. {_VERDICTS[row['verdict']]}"


_VERDICTS = {
    "worse": "That is worse, beyond chance.",
    "better": "That is better, beyond chance.",
    "slower": "That is slower, beyond chance.",
    "faster": "That is faster, beyond chance.",
    "same": "The difference may be chance.",
    "few runs": "These are too few runs to compare.",
}


def _failed(row: Mapping[str, Any]) -> str:
    now = (
        f"{wording.percent(row['recent_rate'])} of the finished runs did not complete "
        f"({wording.count(row['recent_failures'])} of {wording.count(row['recent_runs'])})"
    )
    if row["before_rate"] is None:
        return f"{now}; there are none in the 28 days before"
    return f"{now}, after {wording.percent(row['before_rate'])} in the 28 days before"


def _took(row: Mapping[str, Any]) -> str:
    return (
        f"95 of 100 runs took up to {wording.seconds(row['recent_p95'])}, "
        f"after {wording.seconds(row['before_p95'])} in the 28 days before"
    )


def _more_failures(row: Mapping[str, Any]) -> float:
    """Sorts first what more runs failed of than would have at the rate of before."""
    change: float = row["change"] or 0
    runs: int = row["recent_runs"]
    return -change * runs


def _groups(rows: list[dict[str, Any]], verdict: str) -> Iterator[str]:
    """Sentences on the groups that got worse most, and how many more there are."""
    found = [
        row
        for row in rows
        if row["verdict"] == verdict and row["dimension"] != "all" and row["group"] is not None
    ]
    for row in found[:_MOST_CHANGES]:
        who = f"{_DIMENSIONS.get(row['dimension'], row['dimension'])} “{label(row['group'])}”"
        if verdict == _SLOWER:
            yield f"{who} got slower: {_took(row)}."
        elif row["dimension"] in ("reason", "status"):
            yield (
                f"{who} is more frequent: {wording.percent(row['recent_rate'])} of the runs "
                f"({wording.count(row['recent_failures'])}), "
                f"after {wording.percent(row['before_rate'])} in the 28 days before."
            )
        else:
            yield f"{who} fail more often: {_failed(row)}."
    if len(found) > _MOST_CHANGES:
        yield f"{len(found) - _MOST_CHANGES:,} more groups got {verdict}."
