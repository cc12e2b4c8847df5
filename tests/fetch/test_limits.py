"""Large downloads leave places to small ones, and take their turn."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from archiver.fetch.limits import LARGE, VERY_LARGE, DownloadSlots, SlotBusy, TooLargeForWorker
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import Blob, LyingServer, Plain, task_run

PATIENCE = 5.0


@pytest.mark.parametrize(
    ("count", "large"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (16, 12), (256, 192)]
)
def test_a_quarter_of_the_places_is_never_taken_by_large_ones(count: int, large: int) -> None:
    slots = DownloadSlots(count)
    taken = [slots.slot() for _ in range(large)]
    for slot in taken:
        slot.admit(LARGE)
    late = slots.slot()
    with pytest.raises(SlotBusy):
        late.admit(LARGE)
    late.admit(LARGE - 1)
    taken[0].close()
    late.admit(LARGE)


def test_a_download_takes_one_place_however_often_it_begins() -> None:
    slots = DownloadSlots(2)
    slot = slots.slot()
    for _ in range(3):
        slot.admit(LARGE)
    slot.close()
    slot.close()
    other = slots.slot()
    other.admit(LARGE)
    with pytest.raises(SlotBusy):
        slots.slot().admit(LARGE)


def test_a_small_one_that_ends_frees_no_large_place() -> None:
    slots = DownloadSlots(2)
    slots.slot().admit(LARGE)
    small = slots.slot()
    small.admit(0)
    small.close()
    with pytest.raises(SlotBusy):
        slots.slot().admit(LARGE)


def test_one_that_has_waited_is_admitted() -> None:
    slots = DownloadSlots(2)
    first, second = slots.slot(), slots.slot()
    first.admit(LARGE)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.wait)
        assert not waiting.done()
        first.close()
        waiting.result(PATIENCE)
    second.admit(10 * LARGE)
    second.close()
    first.admit(LARGE)


def test_those_that_are_too_large_are_not_taken_at_all() -> None:
    slots = DownloadSlots(4, VERY_LARGE)
    slots.slot().admit(VERY_LARGE - 1)
    with pytest.raises(TooLargeForWorker):
        slots.slot().admit(VERY_LARGE)
    DownloadSlots(4).slot().admit(1 << 50)


def test_no_more_have_a_place_than_there_are() -> None:
    slots, lock = DownloadSlots(3), threading.Lock()
    together = threading.Barrier(3)
    now = most = 0

    def work() -> None:
        nonlocal now, most
        with slots.slots:
            with lock:
                now += 1
                most = max(most, now)
            together.wait(PATIENCE)
            with lock:
                now -= 1

    with ThreadPoolExecutor(12) as threads:
        for future in [threads.submit(work) for _ in range(24)]:
            future.result()
    assert most == 3


def test_a_place_is_free_again_after_an_error() -> None:
    slots = DownloadSlots(1)
    for _ in range(3):
        with pytest.raises(SlotBusy), slots.slots:
            raise SlotBusy


def test_few_runs_share_the_places_and_many_have_one_each() -> None:
    slots = DownloadSlots(8)
    for _ in range(2):
        with ExitStack() as stack:
            places = [stack.enter_context(slots.for_a_run()) for _ in range(10)]
        assert places == [8, 4, 2, 2, 1, 1, 1, 1, 1, 1]
    with pytest.raises(SlotBusy), slots.for_a_run():
        raise SlotBusy
    with slots.for_a_run() as alone:
        assert alone == 8


class Countdown:
    """Tells when so many small ones were sent."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._changed = threading.Condition()

    def one_less(self) -> None:
        with self._changed:
            self._left -= 1
            self._changed.notify_all()

    def wait(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._left <= 0, PATIENCE)


@dataclass(frozen=True, eq=False)
class Waiting:
    """Large bytes of which the last ones come only when all small ones were sent."""

    small: Countdown
    size: int = LARGE + 5
    was_in_time: list[bool] = field(default_factory=list)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        content = Blob(self.size)
        yield from content.pieces(start, LARGE)
        self.was_in_time.append(self.small.wait())
        yield from content.pieces(LARGE, stop)


@dataclass(frozen=True, eq=False)
class Telling:
    """Small bytes that tell when they are sent."""

    small: Countdown
    size: int = 3

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        self.small.one_less()
        yield from Plain(b"\0\1\2").pieces(start, stop)


@pytest.mark.parametrize("concurrency", [2, 4])
def test_small_ones_go_on_while_large_ones_take_their_time(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, concurrency: int
) -> None:
    """More large ones than places come first; none of them ends before the small ones."""
    count = 6
    small = Countdown(count)
    large = [Waiting(small) for _ in range(concurrency + 1)]
    for number, content in enumerate(large):
        recording = server.artifact(content)
        server.add_run(task_run(f"tsk_large{number}", recording=recording))
    for number in range(count):
        shot = server.artifact(Telling(small), "screenshot")
        server.add_run(task_run(f"tsk_small{number}", screenshots=[shot]))

    ran = fetch(*server.run_ids, "--download-concurrency", str(concurrency))
    assert ran.states == {"unverified": len(large) + count}
    assert [content.was_in_time for content in large] == [[True]] * len(large)
    assert archive.artifact("tsk_large0", "recording 1")["size"] == LARGE + 5
