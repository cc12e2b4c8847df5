"""One archive with whatever is odd in it, made by real fetches, and never changed."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, point_to
from tests.cli.test_sign_off import Authority, openssl
from tests.lying_server import LyingServer, png, task_run, webm

NAMES = [
    *("invoice.pdf", "Invoice.pdf", "100%.pdf", "a%0Ab%25.txt", "new\nline.txt", "CON", "nul.txt"),
    *("Übersicht_請求書 #1?.csv", "=cmd|calc.csv", "x" * 300 + ".pdf", "../../evil", " ", "-rf"),
    *(unicodedata.normalize("NFC", "été.pdf"), unicodedata.normalize("NFD", "été.pdf")),
]
FORMULA = '=HYPERLINK("http://example.com","click")'
CREATED = "2026-03-01T23:30:00"


@dataclass(frozen=True, slots=True)
class Known:
    """The archive; ``heads`` are those that its two sessions printed.

    ``public_key`` and ``root`` are what the second's signature and time stamp are checked with.
    """

    held: ArchiveFolder
    sessions: tuple[str, str]
    heads: tuple[str, str]
    public_key: Path
    root: Path


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """tsk_1 has odd names, tsk_2 failed, tsk_3 two revisions, tsk_v2_4 was asked for as wr_4."""
    folder = tmp_path_factory.mktemp("packed")
    held = ArchiveFolder(folder / "archive")
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        _tell(server)
        archiver = Command()
        archiver("keygen", folder / "key")
        here = ("--archive", held.root)
        first = Fetch(archiver)("tsk_1", "tsk_2", "tsk_3", *here).json
        second = Fetch(archiver)("tsk_3", "wr_4", "--sign-key", folder / "key", *here).json
    authority = Authority(folder)
    record = held.root / "ledger" / f"{second['session']}.json"
    query = ("ts", "-query", "-data", record, "-sha256", "-cert", "-out", folder / "query.tsq")
    assert openssl(*query).returncode == 0
    stamp = authority.stamp((folder / "query.tsq").read_bytes())
    record.with_suffix(".tsr").write_bytes(stamp)
    sessions = (first["session"], second["session"])
    heads = (first["head"], second["head"])
    return Known(held, sessions, heads, folder / "key.pub", folder / "ca.pem")


def _tell(server: LyingServer) -> None:
    files = [
        server.artifact(f"{n}: {name!r}".encode(), "download").entry(filename=name)
        for n, name in enumerate(NAMES)
    ]
    pictures = [server.artifact(png(n), "screenshot") for n in range(2)]
    recording = server.artifact(webm())
    times: dict[str, Any] = {
        "created_at": CREATED,
        "started_at": CREATED,
        "finished_at": "2026-03-01T23:31:00",
    }
    server.add_run(
        task_run(
            "tsk_1", recording=recording, screenshots=pictures, downloads=files, title="A", **times
        )
    )
    errors = [{"error_code": "A, B", "reasoning": "+1\n2"}]
    server.add_run(task_run("tsk_2", "failed", failure_reason=FORMULA, errors=errors, **times))
    running = task_run("tsk_3", "running", created_at=CREATED)
    picture = server.artifact(png(9), "screenshot")
    server.add_run(running, task_run("tsk_3", screenshots=[picture], **times))
    server.add_run(task_run("tsk_v2_4", **times), run_id="wr_4")


@pytest.fixture(autouse=True)
def unchanged(known: Known, archiver: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The archive that the command uses; nothing that is exported may change it."""
    monkeypatch.setenv("ARCHIVER_ARCHIVE", str(known.held.root))
    before = known.held.files()
    yield
    assert known.held.files() == before
    assert [path.name for path in (known.held.root / "tmp").iterdir()] == ["lock"]
