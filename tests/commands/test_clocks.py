"""Clocks that are wrong, here or at the service: what they say does no harm that lasts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.errors import ArchiveUnwritable
from archiver.session import WritingSession
from archiver.store.archive_file import open_archive
from archiver.verify.history import unfinished_check
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, png, task_run


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    """Let the command's clock be ahead by so much."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override] # a datetime will do
            return datetime.now(tz) + ahead

    for action in ("fetch", "verify", "remove"):
        monkeypatch.setattr(f"archiver.cli.actions.{action}.datetime", Clock)


def add_run(server: LyingServer, run_id: str, **fields: Any) -> str:
    shot = server.artifact(png(), "screenshot")
    return server.add_run(task_run(run_id, screenshots=[shot], **fields))


def read_by(archiver: Command, *options: str) -> tuple[int, list[str]]:
    """How many revisions a check read, and what it notes."""
    told = archiver("verify", "--json", *options).json
    return told["revisions"], told["notes"]


def test_a_check_by_a_clock_that_is_ahead_switches_none_off(
    server: LyingServer, archiver: Command, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        fetch(add_run(server, f"tsk_{n}"))
    with monkeypatch.context() as ahead:
        set_clock(ahead, timedelta(days=90))
        archiver("verify", "--rotate", "1d")
    # Each night a half: those that no check before has read come first.
    read, notes = read_by(archiver, "--rotate", "2d")
    assert read == 2
    assert any("still to come" in note and "counts as never" in note for note in notes)
    assert read_by(archiver, "--rotate", "1d")[0] >= 1
    archiver("verify", "--rotate", "2d")


def test_a_check_in_the_future_does_not_hide_one_that_was_interrupted(
    server: LyingServer,
    archive: ArchiveFolder,
    archiver: Command,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise ArchiveUnwritable("killed before its record")

    fetch(add_run(server, "tsk_1"))
    with monkeypatch.context() as ahead:
        set_clock(ahead, timedelta(days=90))
        archiver("verify")
    with monkeypatch.context() as broken:
        broken.setattr(WritingSession, "close", killed)
        archiver("verify")
    left = unfinished_check(open_archive(archive.root), datetime.now(UTC))
    assert left is not None
    assert len(left.done) == 1


def test_prune_does_not_go_by_a_clock_that_is_far_ahead(
    server: LyingServer,
    archive: ArchiveFolder,
    archiver: Command,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetch(add_run(server, "tsk_1"))
    before = archive.files()
    set_clock(monkeypatch, timedelta(days=8 * 365))
    for options in (["--older-than", "7y"], ["--rule", "older-than=90d kind=screenshot"]):
        ran = archiver("prune", *options, code=2)
        assert "clock" in ran.err
        assert "--trust-clock" in ran.err
    assert archive.files() == before
    archiver("prune", "--older-than", "7y", "--trust-clock")
    assert archive.row("runs")["removed"] == "pruned"


@pytest.mark.parametrize("days", [1, 89])
def test_prune_goes_by_a_clock_that_may_be_right(
    server: LyingServer,
    archive: ArchiveFolder,
    archiver: Command,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
) -> None:
    fetch(add_run(server, "tsk_1"))
    set_clock(monkeypatch, timedelta(days=days))
    archiver("prune", "--older-than", "1d")
    assert archive.row("runs")["removed"] == "pruned"


def test_a_run_that_ended_in_the_future_is_settled_after_it_was_seen(
    server: LyingServer, archive: ArchiveFolder, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    add_run(server, "tsk_1", finished_at=ended)
    seen = timedelta()
    for later, state in ((0, "excluded"), (9, "excluded"), (11, "unverified")):
        seen = timedelta(minutes=later)
        with monkeypatch.context() as clock:
            set_clock(clock, seen)
            fetch("tsk_1", "--settle", "10m")
        last = archive.revisions("tsk_1")[-1]
        assert archive.states("tsk_1", int(last[1:])) == {"screenshot 1": state}, later
    assert archive.manifest("tsk_1", int(last[1:]))["is_complete"]
