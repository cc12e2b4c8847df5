"""One archive whose truth is known, made by real fetches, for all tests of reports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, point_to
from tests.lying_server import LyingServer
from tests.query.asking import rows
from tests.query.reports.answers import MISSING, Answers
from tests.query.reports.truth import Ask, artifacts_of, runs_of


@dataclass(frozen=True, slots=True)
class Known:
    """An archive, what its runs and artifacts are, and what each fetch said of itself."""

    archive: ArchiveFolder
    runs: pd.DataFrame
    artifacts: pd.DataFrame
    summaries: tuple[dict[str, Any], ...]
    """From the first session to the last, as ``fetch --json`` prints them."""

    def query(self, sql: str) -> Any:
        return rows(self.archive, sql)


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    root = tmp_path_factory.mktemp("reported") / "archive"
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        answers = Answers(server)
        answered = answers.all()
        here = ("--archive", root, "--no-fsync")
        fetch = Fetch(Command())
        ids = [run.run_id for run in answered]
        first = fetch(*ids, MISSING, *here, code=3)
        again = fetch(*ids, *here, code=3)
        refreshed = fetch(*answers.refreshed(), "--refresh", *here)
    summaries = tuple(ran.json for ran in (first, again, refreshed))
    return Known(ArchiveFolder(root), runs_of(answered), artifacts_of(answered), summaries)


def asking(archive: Path) -> Ask:
    def ask(name: str, *options: str) -> dict[str, list[dict[str, Any]]]:
        ran = Command()("report", name, "--archive", archive, "--json", *options)
        document = ran.json
        assert document["report"] == name
        tables: dict[str, list[dict[str, Any]]] = document["tables"]
        return tables

    return ask


@pytest.fixture
def ask(known: Known) -> Ask:
    """Asks for reports on the archive whose truth is known."""
    return asking(known.archive.root)


@pytest.fixture
def ask_of() -> Callable[[Path], Ask]:
    """Asks for reports on any archive."""
    return asking
