"""Which table files to merge: a decision over the names and sizes of what was flushed.

A flush has one file in each table of its month, all of one name. Those of many flushes become those
of one, under a new name, in every table alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

LARGE = 256 << 20
"""Bytes from which a flush is left as it is."""
LARGEST = 1 << 30
"""Bytes that are merged into one, at most."""
MANY = 16
"""Flushes of the month that still grows which are merged, at least."""
FACTOR = 4
"""How many times larger than each of them what they are merged into is, at least."""

Group: TypeAlias = tuple[str, ...]
"""The names of flushes that become one, in order."""


@dataclass(frozen=True, slots=True)
class Flush:
    """The files of one name in a month; ``bytes`` are those of all tables."""

    name: str
    bytes: int


def flushes_to_merge(flushes: Iterable[Flush], *, grows: bool) -> list[Group]:
    """Which flushes of a month are to be merged with which.

    What is large stays. Of a month to which nothing is added any more all else is merged. In one
    that ``grows``, only the smallest are, as soon as they are many and what they become is several
    times as large as each: so no row is written again more often than the logarithm of their number
    tells, and never are there very many files.
    """
    small = [flush for flush in flushes if flush.bytes < LARGE]
    return [group for group in groups(_many(small) if grows else small) if len(group) > 1]


def groups(flushes: Iterable[Flush]) -> list[Group]:
    """All flushes in the order of their names, as many in each group as may become one."""
    found: list[list[str]] = []
    size = LARGEST
    for flush in sorted(flushes, key=lambda flush: flush.name):
        size += flush.bytes
        if size > LARGEST or not found:
            found.append([])
            size = flush.bytes
        found[-1].append(flush.name)
    return [tuple(names) for names in found]


def _many(flushes: Sequence[Flush]) -> Sequence[Flush]:
    smallest_first = sorted(flushes, key=lambda flush: flush.bytes)
    merged = together = 0
    for count, flush in enumerate(smallest_first, 1):
        together += flush.bytes
        if count >= MANY and together >= FACTOR * flush.bytes:
            merged = count
    return smallest_first[:merged]
