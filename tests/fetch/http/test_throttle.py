"""How fast things may go, by a clock that only waiting turns."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.http.retry import Throttle

_HAIR = 1e-6


class Clock:
    """Time that passes when somebody sleeps, or is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now

    def throttle(self, rate: float | None) -> Throttle:
        return Throttle(rate, self.sleep, self)


@given(
    rate=st.floats(0.01, 10_000),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    window=st.floats(0.001, 20),
)
def test_no_more_pass_in_any_time_than_the_rate_allows(
    rate: float, pauses: list[float], window: float
) -> None:
    clock = Clock()
    throttle = clock.throttle(rate)
    passed = []
    for pause in pauses:
        clock.now += pause
        moment = throttle.wait()
        assert moment == pytest.approx(clock.now)
        passed.append(clock.now)
    for begin in passed:
        count = sum(begin <= moment <= begin + window for moment in passed)
        assert count <= rate * window * (1 + _HAIR) + 1 + _HAIR


@given(
    rate=st.floats(1, 1e9),
    amounts=st.lists(st.integers(1, 1 << 20), min_size=2, max_size=50),
)
def test_bytes_pass_at_the_rate_behind_the_piece_that_came(rate: float, amounts: list[int]) -> None:
    clock = Clock()
    throttle = clock.throttle(rate)
    began = clock.now
    for amount in amounts:
        throttle.wait(amount)
    assert clock.now - began == pytest.approx(sum(amounts[:-1]) / rate, rel=1e-6, abs=1e-6)


def test_nobody_waits_where_there_is_no_limit() -> None:
    clock = Clock()
    throttle = clock.throttle(None)
    assert {throttle.wait(1 << 30) for _ in range(100)} == {clock.now}
    throttle.speed_up()
    throttle.wait()
    assert not clock.sleeps


def test_what_was_not_used_is_not_saved_up() -> None:
    clock = Clock()
    throttle = clock.throttle(10)
    throttle.wait()
    clock.now += 60
    for _ in range(11):
        throttle.wait()
    assert sum(clock.sleeps) == pytest.approx(1.0)


def test_many_threads_pass_in_turn() -> None:
    """Each has a moment of its own, whoever sleeps how long."""
    slept: list[float] = []
    throttle = Throttle(10, slept.append, lambda: 1_000.0)
    with ThreadPoolExecutor(8) as threads:
        moments = sorted(threads.map(lambda _: throttle.wait(), range(100)))
    assert moments == pytest.approx([1_000 + n / 10 for n in range(100)])
    assert sorted(slept) == pytest.approx([n / 10 for n in range(1, 100)])


def test_nobody_holds_others_up_while_it_waits() -> None:
    inside, go = threading.Semaphore(0), threading.Event()

    def sleep(seconds: float) -> None:
        inside.release()
        assert go.wait(5)

    throttle = Throttle(1, sleep, lambda: 1_000.0)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(throttle.wait) for _ in range(3)]
        assert inside.acquire(timeout=5)
        assert inside.acquire(timeout=5)  # two sleep at once, and the lock is free
        throttle.slow_down(1_000.0, 0.0)
        throttle.speed_up()
        go.set()
        assert len({future.result() for future in waiting}) == 3


def test_a_wait_that_is_interrupted_says_so() -> None:
    class Stop(Exception):
        pass

    def sleep(seconds: float) -> None:
        raise Stop

    throttle = Throttle(1, sleep, lambda: 1_000.0)
    throttle.wait()
    with pytest.raises(Stop):
        throttle.wait()


def test_a_server_that_had_too_much_gets_its_pause_and_half_the_speed() -> None:
    clock = Clock()
    throttle = clock.throttle(2)
    throttle.slow_down(throttle.wait(), 7.0)
    throttle.wait()
    assert clock.sleeps == pytest.approx([7.0])
    throttle.wait()
    assert clock.sleeps == pytest.approx([7.0, 1.0])
    throttle.slow_down(clock.now, 0.0)
    throttle.wait()
    throttle.wait()
    assert clock.sleeps[-1] == pytest.approx(2.0)


def test_a_server_that_had_too_much_slows_down_what_had_no_limit() -> None:
    clock = Clock()
    throttle = clock.throttle(None)
    throttle.slow_down(throttle.wait(), 3.0)
    throttle.wait()
    throttle.wait()
    assert clock.sleeps == pytest.approx([3.0, 0.05])


def test_many_refusals_at_once_slow_down_once() -> None:
    clock = Clock()
    throttle = clock.throttle(None)
    moments = [throttle.wait() for _ in range(8)]
    for moment in moments:
        throttle.slow_down(moment, 1.0)
    throttle.wait()
    throttle.wait()
    assert clock.sleeps == pytest.approx([1.0, 0.05])


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    clock = Clock()
    throttle = clock.throttle(None)
    moment = throttle.wait()
    throttle.slow_down(moment, 9.0)
    throttle.slow_down(moment, 1.0)
    throttle.wait()
    assert clock.sleeps == pytest.approx([9.0])


@pytest.mark.parametrize("rate", [None, 0.01, 4.0, 1_000.0])
def test_it_never_slows_down_without_end_and_comes_back_to_its_rate(rate: float | None) -> None:
    clock = Clock()
    throttle = clock.throttle(rate)
    for _ in range(50):
        throttle.slow_down(throttle.wait(), 0.0)
    throttle.wait()
    throttle.wait()
    usual = 1 / rate if rate else 0.0
    assert clock.sleeps[-1] == pytest.approx(max(10.0, usual))
    for _ in range(300):
        throttle.speed_up()
    throttle.wait()
    clock.sleeps.clear()
    throttle.wait()
    assert sum(clock.sleeps) == pytest.approx(usual)


@given(answers=st.lists(st.booleans(), max_size=80), rate=st.floats(0.5, 1_000))
def test_it_is_never_faster_than_it_may_be_whatever_the_server_says(
    answers: list[bool], rate: float
) -> None:
    clock = Clock()
    throttle = clock.throttle(rate)
    moments = []
    for is_fine in answers:
        moments.append(throttle.wait())
        if is_fine:
            throttle.speed_up()
        else:
            throttle.slow_down(moments[-1], 0.0)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(1 / rate - _HAIR <= gap <= 10 + _HAIR for gap in gaps)
