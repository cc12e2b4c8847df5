"""The digest is hashlib's, whatever pieces the bytes come in and whichever thread hashes them."""

import hashlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.store.staging import RunningSha256

_ASIDE_FROM = 4 << 20
_NOISE = bytes(range(251)) * 40_000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0],
        [1],
        [_ASIDE_FROM - 1],
        [_ASIDE_FROM],
        [_ASIDE_FROM + 1],
        [_ASIDE_FROM - 1, 1],
        [_ASIDE_FROM - 1, 1, 1, 0, 1],
        [_ASIDE_FROM, 5, 1 << 20, 5],
        [1 << 19] * 12,
    ],
)
def test_it_is_the_digest_of_all_that_came(sizes: list[int]) -> None:
    running = RunningSha256()
    came = b""
    for size in sizes:
        piece = _NOISE[len(came) % 251 :][:size]
        running.update(piece)
        came += piece
        assert running.sha256(b"more") == sha256(came + b"more")
        assert running.sha256() == sha256(came)
    running.close()
    assert running.sha256() == sha256(came)
    assert running.sha256(b"more") == sha256(came + b"more")


@settings(max_examples=15, deadline=None)
@given(
    first=st.integers(_ASIDE_FROM - 3, _ASIDE_FROM + 3),
    others=st.lists(st.integers(0, 300_000), max_size=8),
    asked_after=st.sets(st.integers(0, 8)),
)
def test_it_does_not_matter_when_it_is_asked(
    first: int, others: list[int], asked_after: set[int]
) -> None:
    running, expected = RunningSha256(), hashlib.sha256()
    for index, size in enumerate([first, *others]):
        piece = _NOISE[index:][:size]
        running.update(piece)
        expected.update(piece)
        if index in asked_after:
            assert running.sha256() == expected.hexdigest()
    running.close()
    assert running.sha256() == expected.hexdigest()


def test_two_buffers_may_take_turns() -> None:
    buffers = bytearray(1 << 19), bytearray(1 << 19)
    running, expected = RunningSha256(), hashlib.sha256()
    for number in range(24):
        buffer = buffers[number % 2]
        buffer[:] = number.to_bytes(8, "big") * (len(buffer) // 8)
        running.update(memoryview(buffer))
        expected.update(buffer)
    assert running.sha256() == expected.hexdigest()
    running.close()


def test_its_thread_ends_when_it_is_closed() -> None:
    running = RunningSha256()
    for _ in range(3):
        running.update(_NOISE[: 2 << 20])
    names = {thread.name for thread in threading.enumerate()}
    assert any(name.startswith("sha256") for name in names)
    running.close()
    running.close()
    assert {thread.name for thread in threading.enumerate()} < names
