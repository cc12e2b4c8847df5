"""Rows of the table ``checks``, and how much of an archive is to be read at a time."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter

import msgspec

from archiver.model.rows import Row
from archiver.model.schema import CHECKS
from archiver.verify.findings import Depth

INTACT = "intact"
DAMAGED = "damaged"
FIRST = timedelta(days=1)
"""How long ago the last rotating check is taken to have been where there was none."""


class Check(msgspec.Struct, frozen=True):
    """That a revision was looked at, and what was found: a row of the table ``checks``."""

    run_id: str
    revision: int
    path: str
    session: str
    checked_at: datetime
    depth: Depth
    outcome: str
    files: int
    bytes: int
    findings: tuple[str, ...]


_row = attrgetter(*CHECKS.column_names)


def check_row(check: Check) -> Row:
    """The row of the table ``checks``."""
    row: Row = _row(check)
    return row


class Past(msgspec.Struct, frozen=True):
    """A revision's folder, the bytes that it takes, and when they were last read."""

    path: str
    bytes: int
    checked_at: datetime | None


def share_due(now: datetime, last: datetime | None, period: timedelta) -> float:
    """Which share of the bytes is to be read now so that each is read once in ``period``.

    ``last`` is when the check began that did so before.
    """
    elapsed = FIRST if last is None else max(timedelta(), now - last)
    return min(1.0, elapsed / period) if period else 1.0


def oldest(
    revisions: Iterable[Past], total: int, share: float, since: datetime | None
) -> Iterator[str]:
    """The folders of the revisions whose turn it is, out of all in the order of their last check.

    Those of ``share`` of the ``total`` bytes, at least one; what was read after ``since`` by a
    check that did not come to its end counts.
    """
    budget = total * share
    chosen = 0
    for one in revisions:
        if since is not None and one.checked_at is not None and one.checked_at > since:
            budget -= one.bytes
            continue
        if chosen and budget <= 0:
            continue
        chosen += 1
        budget -= one.bytes
        yield one.path
