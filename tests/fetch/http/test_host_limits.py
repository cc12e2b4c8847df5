"""A host that had too much is left alone for a while, by all, and no file is lost by that."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.http.retry import MOST_PAUSES, HostLimit, Refusals
from archiver.system.stop import StopSwitch
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    FOREVER,
    Artifact,
    Blob,
    Body,
    Content,
    Lie,
    LyingServer,
    Status,
    read,
    task_run,
    throttled,
    webm,
)
from tests.lying_server.answers import Answer, Asked

SLOW_DOWN = b"<Error><Code>SlowDown</Code></Error>"


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now

    @property
    def pauses(self) -> list[float]:
        """Those that are more than the time between two requests."""
        return [pause for pause in self.sleeps if pause > 0.5]


def ask(
    limit: HostLimit,
    refusal: float | None = None,
    *,
    fine: bool = False,
    file: Refusals | None = None,
) -> bool:
    """Ask the host once, for another file each time or for this; whether it is no attempt."""
    file = file or Refusals()
    with limit.place() as passed_at:
        if fine:
            limit.answered(passed_at, file)
            return True
        return limit.refused(passed_at, refusal, file)


def test_a_host_that_never_refuses_is_never_waited_for() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    assert all(ask(limit, fine=True) for _ in range(100))
    assert not clock.sleeps


def test_pauses_grow_to_a_minute_and_come_to_an_end() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    answers = [ask(limit) for _ in range(20)]
    assert clock.pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60, 60])
    assert answers == [True] * 10 + [False] * 10
    assert sum(clock.pauses) >= MOST_PAUSES


def test_an_answer_makes_pauses_short_again() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    for fine in (False, False, False, True, False, True):
        ask(limit, fine=fine)
    assert clock.pauses == pytest.approx([1, 2, 4, 1])


@pytest.mark.parametrize(("asked", "pause"), [(7.0, 7.0), (1e9, 60.0), (0.0, 1.0), (None, 1.0)])
def test_a_pause_is_as_long_as_was_asked_within_limits(asked: float | None, pause: float) -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    ask(limit, asked)
    ask(limit, fine=True)
    assert clock.pauses == pytest.approx([pause])


@given(st.lists(st.none() | st.floats(0, 100), max_size=400))
def test_a_host_that_only_refuses_is_given_up(asked: list[float | None]) -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    began = clock.now
    for pause in asked:
        ask(limit, pause)
    ask(limit, fine=True)
    assert clock.now - began <= MOST_PAUSES + 60


def together(limit: HostLimit, count: int, asked: list[float | None]) -> list[bool]:
    """What ``count`` refusals come to whose requests passed at the same time."""
    passed = threading.Barrier(count)

    def one(number: int) -> bool:
        with limit.place() as passed_at:
            passed.wait(5)
            return limit.refused(passed_at, asked[number % len(asked)], Refusals())

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_many_refusals_at_once_are_one_pause() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    assert all(together(limit, 64, [None]))
    ask(limit, fine=True)
    assert clock.pauses == pytest.approx([1.0])


def test_the_longest_of_the_pauses_asked_for_counts() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    together(limit, 8, [5.0, 9.0, 2.0])
    ask(limit, fine=True)
    assert clock.pauses == pytest.approx([9.0])


def test_half_as_many_are_asked_for_at_once_and_more_again_after_answers() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    together(limit, 8, [None])
    inside: list[int] = []
    most = 0
    lock, full = threading.Lock(), threading.Barrier(4)

    def one(number: int) -> None:
        nonlocal most
        with limit.place() as passed_at:
            with lock:
                inside.append(number)
                most = max(most, len(inside))
            full.wait(5)  # four are in at once
            with lock:
                inside.remove(number)
            limit.answered(passed_at, Refusals())

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(one, range(8)))
    assert most == 4

    full = threading.Barrier(5)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(one, range(5)))
    assert most == 5


@dataclass(slots=True)
class Limited:
    """A host that takes so many requests in any second."""

    rate: int
    clock: Clock
    moments: list[float] = field(default_factory=list)

    def takes_one(self) -> bool:
        self.moments = [at for at in self.moments if at > self.clock.now - 1]
        if len(self.moments) >= self.rate:
            return False
        self.moments.append(self.clock.now)
        return True


@pytest.mark.parametrize("rate", [1, 3, 20, 100])
@pytest.mark.parametrize("seconds", [0.0, 0.004])
def test_the_rate_that_a_host_takes_is_found(rate: int, seconds: float) -> None:
    """However many files there are, none needs five attempts, and most of the rate is used."""
    clock = Clock()
    host, limit = Limited(rate, clock), HostLimit(clock.sleep, clock)
    began, files = clock.now, 600 * rate
    most = 0
    for _ in range(files):
        attempts, file = 0, Refusals()
        while True:
            with limit.place() as passed_at:
                clock.now += seconds  # what a request takes
                if host.takes_one():
                    limit.answered(passed_at, file)
                    break
                attempts += not limit.refused(passed_at, None, file)
                most = max(most, attempts)
            if attempts:
                clock.now += 0.5  # as RetryPolicy waits
    assert most < 3
    assert clock.now - began < 3 * files / rate


@pytest.mark.parametrize("asked", [None, 0.0, 2.0, 60.0, 1e9])
@pytest.mark.parametrize("bad_files", [1, 2, 5])
def test_what_is_never_given_does_not_slow_down_the_others(
    asked: float | None, bad_files: int
) -> None:
    """It costs them two minutes at most, whatever it asks for, and is given up."""
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    began = clock.now
    files = [Refusals() for _ in range(bad_files)]
    attempts = [0] * bad_files
    for _ in range(400):
        for number, file in enumerate(files):
            if attempts[number] < 5:
                attempts[number] += not ask(limit, asked, file=file)
            ask(limit, fine=True)
    assert attempts == [5] * bad_files
    assert clock.now - began <= 120 * bad_files
    assert limit.paused <= MOST_PAUSES + 60
    if not asked:
        assert clock.now - began <= 10 * bad_files


def test_a_host_that_refuses_everybody_blames_no_file() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    files = Refusals(), Refusals()
    ask(limit, fine=True)
    assert all(ask(limit, file=files[number % 2]) for number in range(10))


def test_a_file_that_is_asked_for_alone_is_given_up_within_a_minute() -> None:
    clock = Clock()
    limit, file = HostLimit(clock.sleep, clock), Refusals()
    assert [ask(limit, file=file) for _ in range(7)] == [True] * 5 + [False] * 2
    assert sum(clock.pauses) <= 60


def test_going_slower_counts_as_a_pause() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock)
    for _ in range(400):
        file = Refusals()
        ask(limit, file=file)
        ask(limit, fine=True, file=file)
        ask(limit, fine=True)
    assert limit.paused >= MOST_PAUSES
    assert not ask(limit)


def test_pauses_of_before_count() -> None:
    clock = Clock()
    limit = HostLimit(clock.sleep, clock, paused=MOST_PAUSES)
    assert not ask(limit)
    assert not clock.sleeps


def test_whoever_waits_for_a_place_hears_an_interruption() -> None:
    class Stop(Exception):
        pass

    def sleep(seconds: float) -> None:
        if not seconds:
            raise Stop

    limit = HostLimit(sleep, lambda: 1_000.0)
    together(limit, 2, [None])
    with limit.place(), ThreadPoolExecutor(1) as threads, pytest.raises(Stop):
        threads.submit(ask, limit, fine=True).result(5)


# By the command


@dataclass(frozen=True, slots=True)
class Told:
    """A content that says when it was sent."""

    content: Content
    sent: Callable[[], None]

    @property
    def size(self) -> int:
        return self.content.size

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        try:
            yield from self.content.pieces(start, stop)
        finally:
            self.sent()


@dataclass(slots=True)
class Crowded:
    """The truth for so many at once; the others are refused. It begins when ``all`` are there."""

    most: int
    all: threading.Barrier
    refusal: Lie
    refused: int = 0
    _asked: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        with self._lock:
            self._asked += 1
            is_first = self._asked <= self.all.parties
            self._under_way += 1
            is_too_much = self._under_way > self.most
            if is_too_much:
                self._under_way -= 1
                self.refused += 1
        if is_first:
            self.all.wait(20)
        if is_too_much:
            return self.refusal.tell(asked, answer, told)
        return replace(answer, content=Told(answer.content, self._sent))

    def _sent(self) -> None:
        with self._lock:
            self._under_way -= 1


CROWD = ("--download-concurrency", "64", "--api-concurrency", "10")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("refusal", [throttled(), throttled(2, 503), Status(400, SLOW_DOWN)])
def test_no_file_is_lost_where_storage_refuses_more_than_so_many_at_once(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, refusal: Lie
) -> None:
    shots = [
        server.artifact(Blob(3_000, n, b"\x89PNG\r\n\x1a\n"), "screenshot") for n in range(150)
    ]
    for number in range(10):
        some = shots[number * 15 : number * 15 + 15]
        server.add_run(task_run(f"tsk_{number}", screenshots=some))
    crowded = Crowded(8, threading.Barrier(64), refusal)
    server.lie("/v1/artifacts/*", crowded, times=FOREVER)
    ran = fetch(*server.run_ids, *CROWD)
    assert crowded.refused >= 56
    assert ran.states == {"unverified": 150}
    assert archive.read("tsk_3", "screenshot 2") == read(shots[46].content)
    rows = archive.rows("fetches")
    assert sum(row["requests"] for row in rows) == len(server.requests)


@pytest.mark.parametrize("refusal", [Status(503), throttled(5), Status(400, SLOW_DOWN)])
@pytest.mark.parametrize("many", ["1", "4"])
def test_one_file_that_is_never_given_costs_the_others_little(
    server: LyingServer, fetch: Fetch, sleeps: list[float], refusal: Lie, many: str
) -> None:
    never = server.artifact(webm(), in_storage=True)
    server.lie(never, refusal, times=FOREVER)
    for number in range(60):
        file = server.artifact(webm(), in_storage=True) if number else never
        server.add_run(task_run(f"tsk_{number}", recording=file))
    ran = fetch(*server.run_ids, "--download-concurrency", many, code=3)
    assert ran.states == {"failed": 1, "unverified": 59}
    assert sum(request.status != 200 for request in server.requests) <= 11
    assert sleeps


def test_a_refusal_with_status_200_is_a_pause_and_an_attempt(
    server: LyingServer, fetch: Fetch, recording: Artifact, sleeps: list[float]
) -> None:
    server.lie(recording, Body(SLOW_DOWN), times=2)
    assert fetch("tsk_1", "--attempts", "2", code=3).states == {"failed": 1}
    assert sleeps
    assert fetch("tsk_1", "--attempts", "1").states == {"unverified": 1}


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, without it."""
    slept: list[float] = []

    def sleep(switch: StopSwitch, seconds: float) -> None:
        switch.check()
        slept.append(seconds)

    monkeypatch.setattr(StopSwitch, "sleep", sleep)
    return slept


@pytest.fixture
def recording(server: LyingServer) -> Artifact:
    made = server.artifact(webm(), in_storage=True)
    server.add_run(task_run("tsk_1", recording=made))
    return made


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [
        (throttled(7), 7),
        (throttled(7, 503), 7),
        (throttled(), 1),
        (throttled(0), 1),
        (throttled("soon"), 1),
        (throttled(datetime(2020, 1, 1, tzinfo=UTC)), 1),
        (throttled(86_400), 60),
        (Status(400, SLOW_DOWN), 1),
        (Status(403, SLOW_DOWN), 1),
        (Status(500, SLOW_DOWN), 1),
        (Status(503, headers={"Retry-After": "9" * 400}), 60),
    ],
    ids=str,
)
def test_a_refusal_is_no_attempt(
    server: LyingServer,
    fetch: Fetch,
    recording: Artifact,
    sleeps: list[float],
    refusal: Lie,
    pause: int,
) -> None:
    server.lie(recording, refusal, times=2)
    assert fetch("tsk_1", "--attempts", "1").states == {"unverified": 1}
    assert server.count("/v1/runs/") == 1
    assert sleeps[0] == pytest.approx(pause, abs=0.5)


def test_a_storage_that_only_refuses_fails_its_files_in_the_end(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, sleeps: list[float]
) -> None:
    for number in range(3):
        file = server.artifact(webm(), in_storage=True)
        server.lie(file, throttled(), times=FOREVER)
        server.add_run(task_run(f"tsk_{number}", recording=file))
    other = server.artifact(webm())  # at another host
    server.add_run(task_run("tsk_9", recording=other))
    ran = fetch(*server.run_ids, "--attempts", "2", code=3)
    assert ran.states == {"failed": 3, "unverified": 1}
    assert "429" in archive.artifact("tsk_0", "recording 1")["reason"]
    assert len(server.requests) < 60
    assert sleeps
