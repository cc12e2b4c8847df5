"""Columns of a table, made of arrays of numbers."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from archiver.model.schema import RUNS
from archiver.tables.write import arrow_schema

Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_TIMESTAMP = arrow_schema(RUNS).field("created_at").type


def texts(pool: Sequence[str | None], which: Integers) -> pa.Array:
    """A text of the pool for each index."""
    return pa.array(pool, pa.string()).take(pa.array(which))


def joined(*parts: pa.Array | str) -> pa.Array:
    """Texts put together, row by row."""
    return pc.binary_join_element_wise(*parts, "")


def as_text(numbers: Integers) -> pa.Array:
    """Numbers in decimal."""
    return pa.array(numbers).cast(pa.string())


def hex_digests(chance: np.random.Generator, count: int) -> pa.Array:
    """SHA-256 digests of nothing in particular, as text."""
    digits = _HEX[chance.integers(0, 16, 64 * count, np.uint8)]
    offsets = np.arange(0, 64 * count + 1, 64, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
    return pa.Array.from_buffers(pa.string(), count, buffers)


def times(microseconds: Integers, unknown: Booleans | None = None) -> pa.Array:
    """Instants, of microseconds since 1970."""
    return pa.array(microseconds, mask=unknown).cast(_TIMESTAMP)


def unless(unset: Booleans, values: pa.Array) -> pa.Array:
    """The values, null where ``unset``."""
    return pc.if_else(pa.array(unset), None, values)


def same(value: object, count: int, kind: pa.DataType = None) -> pa.Array:
    """One value in all rows."""
    one = pa.array([value], kind)
    return one.take(pa.array(np.zeros(count, np.int64)))


def filled_in(prompts: pa.Array, numbers: pa.Array) -> pa.Array:
    """The prompts, with a number in the place that some have for it."""
    parts = pc.split_pattern(prompts, "{n}", max_splits=1)
    has_place = pc.greater(pc.list_value_length(parts), 1)
    first = pc.list_element(parts, 0)
    rest = pc.list_element(pc.if_else(has_place, parts, pa.scalar(["", ""])), 1)
    return pc.if_else(has_place, joined(first, numbers, rest), prompts)


def numbers(column: pa.ChunkedArray) -> Integers:
    """A column without nulls as an array of numbers (of booleans, where it has those)."""
    found: Integers = column.to_numpy()
    return found
