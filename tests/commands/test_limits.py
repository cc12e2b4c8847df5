"""Limits of rate and bandwidth, as the user sets them and as the API asks for them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import pytest

from archiver.errors import ApiUnavailable
from archiver.fetch.http.api import RunsApi, Tally
from archiver.fetch.http.client import Timeouts, new_client
from archiver.fetch.http.retry import RetryPolicy, Throttle
from archiver.fetch.http.tls import TlsOptions
from archiver.model.ids import RunId
from tests.cli.running import Command, Fetch, run_child
from tests.lying_server import NOT_FOUND, Blob, LyingServer, task_run, throttled
from tests.lying_server.answers import Answer, Asked


@dataclass(frozen=True, slots=True)
class Clocked:
    """The truth, and when it was told."""

    moments: list[float] = field(default_factory=list)

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        self.moments.append(time.monotonic())
        return answer


def some_runs(server: LyingServer, count: int) -> list[str]:
    return [server.add_run(task_run(f"tsk_{number}")) for number in range(count)]


def test_the_api_is_asked_no_faster_than_allowed(server: LyingServer, fetch: Fetch) -> None:
    clocked = Clocked()
    server.lie("/v1/runs/*", clocked, times=None)
    ran = fetch(*some_runs(server, 12), "--max-requests-per-second", "40")
    assert ran.runs == {"asked": 12, "fetched": 12}
    # Each has its moment; when it arrives, others decide.
    assert clocked.moments[-1] - clocked.moments[0] > 0.8 * 11 / 40


def test_bytes_come_no_faster_than_allowed(server: LyingServer, fetch: Fetch) -> None:
    for number in range(3):
        files = [server.artifact(Blob(50_000), "download") for _ in range(2)]
        server.add_run(task_run(f"tsk_{number}", downloads=files))
    ran = fetch(*server.run_ids, "--max-bandwidth", "1MB")
    assert ran.states == {"verified": 6}
    # Nobody waits behind the last piece, which may be a whole file.
    assert ran.json["seconds"] > 0.8 * 250_000 / 1_000_000


def test_limits_hold_for_all_processes_together(server: LyingServer, archiver: Command) -> None:
    clocked = Clocked()
    server.lie("/v1/runs/*", NOT_FOUND, clocked, times=None)
    ids = [f"tsk_{number}" for number in range(500)]
    limits = ("--max-requests-per-second", "1000", "--attempts", "1")
    ran = run_child("fetch", *ids, "--workers", "2", *limits, "--json")
    assert ran.json["runs"]["not_found"] == 500, ran.err
    assert clocked.moments[-1] - clocked.moments[0] > 0.8 * 498 / 1000


@pytest.mark.parametrize(
    "option",
    [
        *("--max-requests-per-second=0", "--max-requests-per-second=-1"),
        *("--max-requests-per-second=nan", "--max-requests-per-second=1e-320"),
        *("--max-requests-per-second=1e-10", "--max-bandwidth=0", "--max-bandwidth=-1"),
        *("--max-bandwidth=fast", "--stall-timeout=0", "--connect-timeout=0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_wrong_usage(
    server: LyingServer, fetch: Fetch, option: str
) -> None:
    ids = some_runs(server, 1)
    assert option.partition("=")[0] in fetch(*ids, option, code=2).err


@pytest.mark.parametrize(
    "option",
    [
        *("--max-requests-per-second=inf", "--max-requests-per-second=1e9"),
        *("--max-requests-per-second=0.001", "--max-bandwidth=1", "--max-bandwidth=100TB"),
        *("--stall-timeout=36500d", "--connect-timeout=36500d", "--stall-timeout=3600.5"),
    ],
)
def test_a_limit_that_changes_nothing_for_one_run_is_fine(
    server: LyingServer, fetch: Fetch, option: str
) -> None:
    assert fetch(*some_runs(server, 1), option).runs == {"asked": 1, "fetched": 1}


def test_an_api_that_had_too_much_is_asked_slower_without_being_told_so(
    server: LyingServer, fetch: Fetch
) -> None:
    clocked = Clocked()
    server.lie("/v1/runs/*", clocked, times=None)
    server.lie("tsk_0", throttled())
    fetch(*some_runs(server, 8), "--api-concurrency", "1", code=3)
    gaps = [later - earlier for earlier, later in pairwise(clocked.moments)]
    # It goes on at twenty a second, and a little faster with each answer.
    assert sum(gaps[1:]) > 0.8 * 6 * 0.05 * 0.95**6


class Waits:
    """Time that passes only when somebody sleeps, and then for all; used from several threads."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def waits() -> Waits:
    return Waits()


def asking(server: LyingServer, waits: Waits, stack: ExitStack) -> RunsApi:
    client = stack.enter_context(new_client(Timeouts(), 8, tls=TlsOptions(verify=False)))
    retry = RetryPolicy(waits.sleep, Random(1), attempts=1)
    throttle = Throttle(None, waits.sleep, waits)
    now = datetime.now(UTC)
    return RunsApi(client, server.base_url, server.key, retry, lambda: now, 1 << 20, throttle)


@pytest.mark.parametrize(
    ("told", "pause"),
    [(7, 7.0), (None, 0.0), (0, 0.0), (100_000, 60.0), ("9" * 500, 60.0), ("soon", 0.0)],
)
def test_a_refusal_of_one_thread_is_a_pause_for_all(
    server: LyingServer, waits: Waits, told: int | str | None, pause: float
) -> None:
    ids = [RunId(run_id) for run_id in some_runs(server, 9)]
    server.lie("tsk_0", throttled(told))
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        api = asking(server, waits, stack)
        with pytest.raises(ApiUnavailable):
            api.get_run(ids[0], Tally())
        list(threads.map(lambda run_id: api.get_run(run_id, Tally()), ids[1:]))
    # The first sleeps for the pause, each of the others for a twentieth of a second more at most:
    # with each answer that comes meanwhile it goes a little faster again.
    slept = sorted(waits.sleeps)
    if pause:
        assert len(slept) == 8
        assert slept[0] == pytest.approx(pause)
    assert len(slept) >= 7
    assert all(0.025 < later - earlier <= 0.05 + 1e-9 for earlier, later in pairwise(slept))


def test_refusals_that_were_under_way_together_count_once(
    server: LyingServer, waits: Waits
) -> None:
    ids = [RunId(run_id) for run_id in some_runs(server, 10)]
    all_asked = threading.Barrier(8)

    @dataclass(frozen=True, slots=True)
    class Together:
        def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
            if told < 8:
                all_asked.wait(5)
                return throttled(3).tell(asked, answer, told)
            return answer

    server.lie("/v1/runs/*", Together(), times=None)
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        api = asking(server, waits, stack)
        refused = [threads.submit(api.get_run, run_id, Tally()) for run_id in ids[:8]]
        assert {type(future.exception()) for future in refused} == {ApiUnavailable}
        api.get_run(ids[8], Tally())
        api.get_run(ids[9], Tally())
    assert waits.sleeps == pytest.approx([3.0, 3.05], abs=0.01)
