"""The demo tells the whole story, needs nobody's account, and touches nobody's archive."""

from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command
from tests.lying_server import LyingServer


@pytest.fixture
def told(archiver: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the demo said, without key and server in the environment."""
    monkeypatch.delenv("SKYVERN_API_KEY")
    monkeypatch.delenv("SKYVERN_BASE_URL")
    return archiver("demo", "--archive", tmp_path / "demo").out


def test_the_demo_archives_verifies_and_asks(
    told: str, archiver: Command, tmp_path: Path, server: LyingServer, archive: ArchiveFolder
) -> None:
    demo = ArchiveFolder(tmp_path / "demo")
    assert "all intact" in told
    assert str(demo.root) in told
    assert told.count('archiver query "') >= 2
    assert "SELECT status" in told
    rows = demo.rows("runs")
    assert len(rows) >= 12
    assert len({row["status"] for row in rows}) >= 4
    assert {row["media_type"] for row in demo.rows("artifacts")} >= {
        *("video/webm", "image/png", "application/pdf")
    }
    archiver("verify", "--archive", demo.root)
    assert (server.requests, archive.root.exists()) == ([], False)


def test_the_demo_leaves_the_configured_archive_alone(
    archiver: Command, archive: ArchiveFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    Path("archiver.toml").write_text('archive = "mine"\n')
    archiver("demo")
    assert not Path("mine").exists()
    assert not archive.root.exists()
    assert len(list((tmp_path / "temporary").glob("*/archive.json"))) == 1
