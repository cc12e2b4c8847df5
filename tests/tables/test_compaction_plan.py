"""Laws of what is merged: little at a time, nothing for ever, never many files, nothing large."""

import math
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.tables.rewrite import (
    FACTOR,
    LARGE,
    LARGEST,
    MANY,
    Flush,
    Group,
    flushes_to_merge,
    groups,
)

SIZES = st.lists(st.integers(1, 2 * LARGE) | st.integers(1, 100_000), max_size=60)


def named(sizes: Iterable[int], session: int = 0) -> list[Flush]:
    return [Flush(f"{session:04d}-{n:04d}", size) for n, size in enumerate(sizes, 1)]


def merged(flushes: Sequence[Flush], chosen: Sequence[Group], session: int) -> list[Flush]:
    """What is there afterwards, when nothing becomes smaller by being merged."""
    sizes = {flush.name: flush.bytes for flush in flushes}
    gone = {name for group in chosen for name in group}
    new = named((sum(sizes[name] for name in group) for group in chosen), session)
    return [*(flush for flush in flushes if flush.name not in gone), *new]


@given(SIZES, st.booleans())
def test_small_flushes_are_chosen_each_once_and_never_alone(sizes: list[int], grows: bool) -> None:
    flushes = named(sizes)
    chosen = flushes_to_merge(flushes, grows=grows)
    names = [name for group in chosen for name in group]
    assert len(set(names)) == len(names)
    assert set(names) <= {flush.name for flush in flushes if flush.bytes < LARGE}
    assert all(len(group) > 1 for group in chosen)
    assert names == sorted(names)


@given(SIZES)
def test_a_month_that_is_over_becomes_as_few_files_as_their_size_allows(sizes: list[int]) -> None:
    after = merged(named(sizes), flushes_to_merge(named(sizes), grows=False), 1)
    assert flushes_to_merge(after, grows=False) == []
    assert sum(flush.bytes < LARGE for flush in after) <= 1
    assert all(flush.bytes <= max(LARGEST, *sizes) for flush in after)


@given(SIZES)
def test_merging_again_and_again_comes_to_an_end(sizes: list[int]) -> None:
    flushes = named(sizes)
    for session in range(1, 100):
        chosen = flushes_to_merge(flushes, grows=True)
        if not chosen:
            break
        fewer = merged(flushes, chosen, session)
        assert len(fewer) < len(flushes)
        flushes = fewer
    else:
        raise AssertionError("it makes no end")
    # Each beyond the first is larger than a part of all that are smaller.
    smallest = min((flush.bytes for flush in flushes), default=1)
    growth = math.log(2 * LARGE * FACTOR / smallest, FACTOR / (FACTOR - 1))
    assert sum(flush.bytes < LARGE for flush in flushes) <= MANY + growth


@given(st.lists(st.integers(100_000, 3_000_000), min_size=100, max_size=300))
def test_night_after_night_files_stay_few_and_rows_are_seldom_written_again(
    sizes: list[int],
) -> None:
    flushes: list[Flush] = []
    written = 0
    for session, size in enumerate(sizes):
        flushes += named([size], 2 * session)
        chosen = flushes_to_merge(flushes, grows=True)
        for group in chosen:
            written += sum(flush.bytes for flush in flushes if flush.name in group)
        flushes = merged(flushes, chosen, 2 * session + 1)
        assert len(flushes) <= 2 * MANY
    assert sum(flush.bytes for flush in flushes) == sum(sizes)
    assert written <= sum(sizes) * math.log(sum(sizes) / min(sizes), FACTOR)


@given(st.lists(st.integers(1, LARGEST // 100), max_size=60))
def test_what_is_merged_is_several_times_as_large_as_each_of_its_parts(sizes: list[int]) -> None:
    flushes = named(sizes)
    names = {name for group in flushes_to_merge(flushes, grows=True) for name in group}
    parts = [flush.bytes for flush in flushes if flush.name in names]
    assert not parts or (len(parts) >= MANY and sum(parts) >= FACTOR * max(parts))


@given(SIZES)
def test_all_can_be_put_into_groups_none_too_large(sizes: list[int]) -> None:
    flushes = named(sizes)
    by_name = {flush.name: flush.bytes for flush in flushes}
    found = groups(reversed(flushes))
    assert [name for group in found for name in group] == sorted(by_name)
    assert all(
        len(group) == 1 or sum(by_name[name] for name in group) <= LARGEST for group in found
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([700_000] * (MANY - 1), 0),
        ([700_000] * MANY, MANY),
        # A large one waits until there is enough to make it worth while.
        ([100_000_000] + [700_000] * (MANY - 1), 0),
        ([100_000_000] + [700_000] * MANY, MANY),
        ([10_000_000, 10_000_000, 10_000_000] + [700_000] * MANY, MANY + 3),
        ([LARGE] * 40, 0),
    ],
)
def test_a_month_that_grows(sizes: list[int], expected: int) -> None:
    chosen = flushes_to_merge(named(sizes), grows=True)
    assert sum(map(len, chosen)) == expected
    assert len(chosen) == (expected > 0)
