"""Why runs fail: the reasons, with examples; and what ends now well, now badly."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from archiver.errors import ArchiveDamaged
from archiver.model.artifact import media_type_of
from archiver.model.paths import is_revision_path, is_run_folder
from archiver.query.page import charts, wording
from archiver.query.page.content import (
    ColumnKind,
    FailedRun,
    Figure,
    PageColumn,
    Picture,
    Reason,
    Section,
    table,
)
from archiver.query.page.facts import Example, Facts, Screenshot
from archiver.store.storage import LocalStorage

_DRAWN = 10
_LISTED = 100
_LONGEST_HEADING = 240
_LONGEST_REASON = 5_000
_LONGEST_WORD = 60
NO_REASON = "No reason given"


def failures(facts: Facts, pictures: Sequence[Picture]) -> Section:
    """Return the part of the page that says why runs fail.

    ``pictures`` are those of ``facts.examples``, one for each.
    """
    return Section(
        "failures",
        "Why runs fail",
        figures=[_reasons(facts)],
        reasons=_examples(facts, pictures),
    )


def _reasons(facts: Facts) -> Figure:
    title = "Most frequent reasons"
    rows = facts.reasons.slice(0, _LISTED).to_pylist()
    columns = [
        PageColumn("reason", "Reason", missing=NO_REASON),
        PageColumn("failures", "Runs", ColumnKind.COUNT),
        PageColumn("share_of_failures", "Of all failures", ColumnKind.SHARE),
        PageColumn("failure_rate", "Of finished runs", ColumnKind.SHARE),
        PageColumn("first_seen", "First seen", ColumnKind.MOMENT),
        PageColumn("last_seen", "Last seen", ColumnKind.MOMENT),
    ]
    if not rows:
        return Figure("reasons", title, "Nothing failed.", None)
    total = facts.total.failures
    drawn = rows[:_DRAWN]
    number = facts.reasons.num_rows
    share = wording.percent(sum(row["failures"] for row in drawn) / total)
    which = f"the {len(drawn)} most frequent of {number:,} reasons" if number > _DRAWN else "all"
    message = (
        f"{wording.counted(total, 'run')} did not complete. Shown are {which}, "
        f"which stand for {share} of the failures."
        if number > _DRAWN
        else f"{wording.counted(total, 'run')} did not complete, "
        f"for {wording.counted(number, 'reason')}."
    )
    values = [
        {
            "rank": rank,
            "label": f"{rank}. {charts.label(row['reason'] or NO_REASON)}",
            "value": row["failures"],
            "text": f"{row['failures']:,} ({wording.percent(row['share_of_failures'])})",
        }
        for rank, row in enumerate(drawn, 1)
    ]
    return Figure(
        "reasons",
        title,
        message,
        table("reasons", "Reasons of failures", columns, rows, number),
        charts.Ranked(values, "var(--failed)"),
        f"Bars, the most frequent reason first. {message}",
        [
            "URLs, quoted texts, ids, times and numbers in reasons are left out, "
            "so that equal causes count as one."
        ],
    )


def _examples(facts: Facts, pictures: Sequence[Picture]) -> list[Reason]:
    rows = facts.reasons.slice(0, _DRAWN).to_pylist()
    runs: dict[int, list[FailedRun]] = {}
    for example, picture in zip(facts.examples, pictures, strict=True):
        runs.setdefault(example.number, []).append(_failed_run(example, picture))
    return [
        Reason(
            rank,
            wording.on_one_line(row["reason"] or NO_REASON, _LONGEST_HEADING),
            _seen(row),
            runs.get(rank - 1, ()),
        )
        for rank, row in enumerate(rows, 1)
    ]


def _seen(row: Mapping[str, Any]) -> str:
    share = wording.percent(row["share_of_failures"])
    text = f"{wording.counted(row['failures'], 'run')} ({share} of the failures)"
    if row["last_seen"] is None:
        return text
    first, last = wording.day(row["first_seen"]), wording.day(row["last_seen"])
    return f"{text}, {f'on {first}' if first == last else f'from {first} to {last}'}"


def _failed_run(example: Example, picture: Picture) -> FailedRun:
    return FailedRun(
        example.run_id,
        wording.on_one_line(example.status, _LONGEST_WORD),
        wording.on_one_line(example.run_type or "", _LONGEST_WORD),
        wording.moment(example.created_at) if example.created_at else "date unknown",
        wording.shortened(example.failure_reason or "", _LONGEST_REASON),
        example.folder,
        picture,
    )


def flaky(facts: Facts) -> Section:
    """Return the part of the page on work that ends now well, now badly."""
    title = "Work that ends now well, now badly"
    rows = [row | {"work": _work(row)} for row in facts.flaky.slice(0, _LISTED).to_pylist()]
    columns = [
        PageColumn("work", "Workflow, or prompt and URL"),
        PageColumn("runs", "Runs", ColumnKind.COUNT),
        PageColumn("completed", "Completed", ColumnKind.COUNT),
        PageColumn("failures", "Not completed", ColumnKind.COUNT),
        PageColumn("flips", "Changes", ColumnKind.COUNT),
        PageColumn("flip_rate", "Change rate", ColumnKind.SHARE),
        PageColumn("last_seen", "Last seen", ColumnKind.MOMENT),
    ]
    if not rows:
        message = "Nothing that ran more than once ended both ways."
        return Section("flaky", "Flaky work", figures=[Figure("flaky", title, message, None)])
    number = facts.flaky.num_rows
    message = (
        f"{wording.counted(number, 'workflow or task ends', 'workflows or tasks end')} "
        "well at one time and badly at another. A change is a run that ended otherwise than the "
        "run before it: much of it means that a new attempt helps, but also that something is "
        "unreliable."
    )
    values = [
        {
            "rank": rank,
            "label": f"{rank}. {charts.label(row['work'])}",
            "value": row["flips"],
            "text": f"{row['flips']:,} ({wording.percent(row['flip_rate'])})",
        }
        for rank, row in enumerate(rows[:_DRAWN], 1)
    ]
    figure = Figure(
        "flaky",
        title,
        message,
        table("flaky", "The same work with both outcomes", columns, rows, number),
        charts.Ranked(values, "var(--terminated)"),
        "Bars for the work that changed most often between completing and failing.",
        is_open=True,
    )
    return Section("flaky", "Flaky work", figures=[figure])


def _work(row: Mapping[str, Any]) -> str:
    texts: Iterable[str | None] = (row["workflow"], row["prompt"], row["url"])
    return " — ".join(text for text in texts if text)


LARGEST = 1_500_000
"""Bytes of a screenshot that is shown."""
LARGEST_TOGETHER = 12_000_000
"""Bytes of all screenshots that are shown: a page must open at once."""
_SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
_CHECK = "“archiver verify” tells more"


def pictures(storage: LocalStorage, examples: Iterable[Example]) -> list[Picture]:
    """Return a picture for each example, or why there is none."""
    left = LARGEST_TOGETHER
    found = []
    for example in examples:
        picture, size = _picture(storage, example, left)
        left -= size
        found.append(picture)
    return found


def _picture(storage: LocalStorage, example: Example, left: int) -> tuple[Picture, int]:
    """A picture, and how many of the bytes that are ``left`` it takes."""
    shot = example.screenshot
    if shot is None:
        return Picture(None, "The run has no screenshot."), 0
    if shot.path is None:
        reason = f": {shot.reason}" if shot.reason else ""
        return Picture(None, f"The last screenshot is not held ({shot.state}{reason})."), 0
    if not _is_of_run(shot.path, example.run_id):
        return Picture(None, f"The table names no file of this run; {_CHECK}."), 0
    size = storage.size(shot.path)
    if size is not None and size > min(LARGEST, left):
        return Picture(None, "The last screenshot is too large for this page.", shot.path), 0
    try:
        data = storage.read(shot.path)
    except ArchiveDamaged:
        return Picture(None, f"The file cannot be read; {_CHECK}.", shot.path), 0
    return _shown(shot, data), len(data)


def _shown(shot: Screenshot, data: bytes) -> Picture:
    if hashlib.sha256(data).hexdigest() != shot.sha256:
        return Picture(None, f"The file is not what was archived; {_CHECK}.", shot.path)
    media_type = media_type_of(data).name
    if media_type not in _SHOWN_TYPES:
        return Picture(None, f"The last screenshot is {media_type}, not shown here.", shot.path)
    source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return Picture(source, path=shot.path)


def _is_of_run(path: str, run_id: str) -> bool:
    """Whether a path that a table gives lies in the run's own folder."""
    folder, _, inside = path.partition(f"/{run_id}/")
    return is_run_folder(f"{folder}/{run_id}", run_id) and is_revision_path(inside)
