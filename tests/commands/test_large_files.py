"""A file that is larger than it may be here costs itself, not the night."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.errors import ArchiveUnwritable, FileTooLarge
from archiver.store import staging
from archiver.store.staging import StagedFile
from archiver.system.fsync import Durability
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Ran, child_command, child_environment
from tests.lying_server import FOREVER, Blob, Framed, LyingServer, task_run

LARGE = 3 << 20
LIMIT = 1 << 20


def limited(limit: int, *arguments: str) -> Ran:
    """What a command comes to where no file may be larger than ``limit`` bytes."""
    ended = subprocess.run(
        child_command(*arguments),
        env=child_environment(),
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    ran = Ran(ended.returncode, ended.stdout, ended.stderr.decode())
    assert "Traceback" not in ran.err
    return ran


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_only_the_file_that_is_too_large_has_failed(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, framing: str
) -> None:
    for number in range(6):
        size = LARGE if number == 2 else 1000
        file = server.artifact(Blob(size, number), "download")
        if framing == "chunked":
            server.lie(file, Framed("chunked"), times=FOREVER)
        recording = server.artifact(Blob(500, number))
        server.add_run(task_run(f"tsk_{number}", recording=recording, downloads=[file]))
    ran = limited(LIMIT, "fetch", *server.run_ids, "--json")
    assert ran.code == 3
    assert ran.states == {"verified": 5, "unverified": 6, "failed": 1}
    (reason,) = ran.reasons
    assert "more than a file may have here" in reason
    assert "ulimit -f" in reason
    assert str(archive.root) not in reason
    assert [path.name for path in (archive.root / "tmp").iterdir() if "lock" not in path.name] == []
    archiver("verify")
    again = archiver("fetch", *server.run_ids, "--json")
    assert again.states["verified"] == 2 or again.runs == {"asked": 6, "fetched": 1, "unchanged": 5}
    archiver("verify", "--require-complete")


def test_a_document_that_is_too_large_costs_its_run(server: LyingServer, archiver: Command) -> None:
    for number in range(3):
        output = os.urandom(LARGE // 4).hex() if number == 1 else None
        server.add_run(task_run(f"tsk_{number}") | {"output": output})
    ran = limited(LIMIT, "fetch", *server.run_ids, "--json")
    assert ran.code == 3
    assert ran.runs == {"asked": 3, "fetched": 2, "failed": 1}
    assert "larger than a file may be here" in ran.reasons[0]
    archiver("fetch", *server.run_ids)
    archiver("verify", "--require-complete")


@pytest.mark.parametrize("limit", [0, 100, 1_500, 3_000, 6_000, 10_000, 30_000])
def test_a_limit_that_stops_the_archive_itself_is_said(
    server: LyingServer, archiver: Command, limit: int
) -> None:
    for number in range(3):
        file = server.artifact(Blob(2_000, number), "download")
        server.add_run(task_run(f"tsk_{number}", downloads=[file]))
    ran = limited(limit, "fetch", *server.run_ids)
    assert ran.code in (0, 3)
    assert ran.code == (0 if limit == 30_000 else 3)
    assert ("ulimit -f" in ran.err) == bool(ran.code)
    archiver("fetch", *server.run_ids)
    archiver("verify", "--require-complete")


def refusing(used: Callable[[], int], quota: int) -> Callable[[int, bytes], int]:
    """os.write where a quota holds."""

    def write(descriptor: int, data: bytes) -> int:
        if used() + len(data) > quota:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return os.write(descriptor, data)

    return write


@pytest.mark.parametrize(
    ("quota", "others", "expected"),
    [
        (64 << 20, 0, FileTooLarge),
        (64 << 20, 40 << 20, FileTooLarge),
        (64 << 20, 50 << 20, ArchiveUnwritable),  # that is used up
        (8 << 20, 0, ArchiveUnwritable),
    ],
)
def test_a_quota_that_one_file_exceeds_is_not_one_that_is_used_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quota: int,
    others: int,
    expected: type[ArchiveUnwritable],
) -> None:
    path = tmp_path / "file"
    file = StagedFile(str(path), Durability(enabled=False))
    written = refusing(lambda: path.stat().st_size + others, quota)

    class Refusing:
        """The module os, but for what is written."""

        def __getattr__(self, name: str) -> object:
            return written if name == "write" else getattr(os, name)

    monkeypatch.setattr(staging, "os", Refusing())

    def fill() -> None:
        for _ in range(70):
            file.write(bytes(1 << 20))

    with pytest.raises(ArchiveUnwritable) as raised:
        fill()
    assert type(raised.value) is expected
    assert path.stat().st_size == 0
    file.discard()
