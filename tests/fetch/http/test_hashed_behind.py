"""What is hashed one piece behind is hashed as it came, whoever uses the buffer next."""

import contextlib
import hashlib
import threading
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from archiver.fetch.http.client import Timeouts, new_client
from archiver.fetch.http.downloads import Downloader
from archiver.fetch.http.resume import DownloadState
from archiver.fetch.http.retry import Patience, RetryPolicy, Throttle
from archiver.fetch.plan import Selection
from archiver.model.artifact import ArtifactKind, ArtifactSource
from archiver.store import staging as hashing
from archiver.store.staging import StagedFile
from archiver.system.fsync import Durability
from tests.lying_server import Blob, Cut, LyingServer

SIZE = 5 << 20
REST = 100_000


class SlowSha256:
    """A SHA-256 that looks at what it is given a moment later."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, piece: Any) -> None:
        if len(piece) <= REST:
            threading.Event().wait(0.05)
        self._hash.update(piece)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def test_the_end_of_a_resumed_download_is_hashed_before_its_connection_is_used_again(
    server: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "hashlib", SimpleNamespace(sha256=SlowSha256))
    large = server.artifact(Blob(SIZE, 1), "recording")
    other = server.artifact(Blob(REST, 2), "recording")
    server.lie(large, Cut(SIZE - REST))
    with new_client(Timeouts(), 1) as client:
        downloader = Downloader(
            client,
            server.base_url,
            RetryPolicy(lambda _: None, Random(1)),
            lambda: datetime.now(UTC),
            local_artifacts=None,
            selection=Selection(),
            check_stop=lambda: None,
            on_bytes=lambda _: None,
            throttle=Throttle(None, lambda _: None),
        )
        source = ArtifactSource(ArtifactKind.RECORDING, 1, url=server.link(large))
        into = StagedFile(str(tmp_path / "large.part"), Durability())
        downloader.download(source, into, DownloadState(), Patience())
        with contextlib.closing(client.get(server.link(other), client.headers({}))) as answer:
            assert sum(map(len, answer.views())) == REST
        into.finish()
    assert into.sha256 == hashlib.sha256((tmp_path / "large.part").read_bytes()).hexdigest()
