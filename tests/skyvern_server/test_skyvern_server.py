"""The whole job against a real Skyvern server, compared with what is known to be true.

``ARCHIVER_TEST_TRUTH`` names the truth file of a running server: its address, its key, and the
SHA-256 of every artifact. Read with pandas, without this tool.
"""

import hashlib
import json
import os
import re
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bagit
import pandas as pd
import pyarrow.dataset as ds
import pytest

from tests.cli.running import Ran, child_environment, run_child

TRUTH = os.environ.get("ARCHIVER_TEST_TRUTH", "")

pytestmark = [
    pytest.mark.skyvern_server,
    pytest.mark.skipif(not TRUTH, reason="ARCHIVER_TEST_TRUTH names no truth file"),
]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The truth, and an archive of all its runs."""

    truth: dict[str, Any]
    archive: Path
    summary: dict[str, Any]
    environment: dict[str, str]

    def fetch(self) -> Ran:
        ids = "\n".join(run["run_id"] for run in self.truth["runs"])
        folder = Path(TRUTH).parent
        return run_child(
            *("fetch", "-", "--json", "--quiet", "--local-artifacts", folder),
            stdin=ids.encode(),
            environment=self.environment,
        )

    def latest(self, table: str) -> pd.DataFrame:
        """The rows of every run's latest revision."""
        rows = ds.dataset(self.archive / "tables" / table).to_table().to_pandas()
        last = rows.groupby("run_id")["revision"].transform("max")
        return rows[rows["revision"] == last]

    def ask(self, run_id: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.truth['base_url']}/v1/runs/{run_id}",
            headers={"x-api-key": self.truth["api_key"]},
        )
        with urllib.request.urlopen(request) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    truth = json.loads(Path(TRUTH).read_text())
    archive = tmp_path_factory.mktemp("real") / "archive"
    environment = child_environment(
        SKYVERN_API_KEY=truth["api_key"],
        SKYVERN_BASE_URL=truth["base_url"],
        ARCHIVER_ARCHIVE=str(archive),
    )
    made = Fetched(truth, archive, {}, environment)
    made.summary.update(made.fetch().json)
    return made


def test_every_run_is_held(fetched: Fetched) -> None:
    runs = fetched.latest("runs").set_index("run_id")
    assert fetched.summary["runs"]["failed"] == fetched.summary["runs"]["not_found"] == 0
    for run in fetched.truth["runs"]:
        row = runs.loc[run["run_id"]]
        assert (row.run_type, row.status) == (run["run_type"], run["status"])
        assert row.created_at == pd.Timestamp(run["created_at"], tz="UTC")
        assert list(row.problems) == [], run["scenario"]


def test_every_column_says_what_the_api_says(fetched: Fetched) -> None:
    runs = fetched.latest("runs").set_index("run_id")
    free_form = {"attempts", "output", "errors"}
    for run_id, row in runs.iterrows():
        answer = fetched.ask(str(run_id))
        request = answer["run_request"] or {}
        said = {name: answer[name] for name in answer.keys() & set(runs.columns) - free_form}
        said |= {f"request_{name}": value for name, value in request.items()}
        said["request_metadata"] = request.get("run_metadata")
        for name in said.keys() & set(runs.columns):
            value, expected = row[name], said[name]
            if name.endswith("_at"):
                expected = pd.NaT if expected is None else pd.Timestamp(expected, tz="UTC")
            if isinstance(expected, dict | list):
                assert json.loads(value) == expected, (run_id, name)
            elif expected is None or expected is pd.NaT:
                assert pd.isna(value), (run_id, name)
            else:
                assert value == expected, (run_id, name)
        assert row.downloaded_file_count == len(answer["downloaded_files"] or [])
        assert row.screenshot_count == len(answer["screenshot_urls"] or [])


def test_every_byte_is_the_true_one(fetched: Fetched) -> None:
    truth = {a["artifact_id"]: a for run in fetched.truth["runs"] for a in run["artifacts"]}
    artifacts = fetched.latest("artifacts")
    kept = artifacts[artifacts["path"].notna()]
    compared = 0
    for row in kept.itertuples():
        data = (fetched.archive / str(row.path)).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (row.sha256, row.size)
        known = truth.get(str(row.artifact_id))
        # Of a screenshot in a bundle, local storage serves the bundle as a whole.
        if known is not None and not (known["bundle_key"] and row.media_type == "application/zip"):
            assert row.sha256 == known["sha256"], row.path
            compared += 1
    assert compared > len(fetched.truth["runs"])
    final = set(fetched.latest("runs").query("is_settled")["run_id"])
    missing = artifacts[artifacts["path"].isna() & artifacts["run_id"].isin(final)]
    assert set(missing["state"]) <= {"gone", "mismatch"}


def test_a_second_fetch_asks_only_for_what_is_not_complete(fetched: Fetched) -> None:
    complete = int(fetched.latest("runs")["is_complete"].sum())
    again = fetched.fetch().json["runs"]
    assert again["unchanged"] >= complete
    fetches = ds.dataset(fetched.archive / "tables/fetches").to_table().to_pandas()
    second = fetches[fetches["session"] == fetches["session"].max()]
    assert len(second) == again["asked"] - complete


def test_no_secret_is_in_the_archive(fetched: Fetched) -> None:
    key = fetched.truth["api_key"].encode()
    signed = re.compile(rb"[?&](?:sig|expiry|X-Amz-Signature)=")
    texts = [path.read_bytes() for path in fetched.archive.rglob("*.json")]
    texts += [
        str(ds.dataset(path).to_table().to_pylist()).encode()
        for path in (fetched.archive / "tables").iterdir()
    ]
    assert not [text for text in texts if key in text or signed.search(text)]


def test_what_is_held_is_proven_handed_over_and_forgotten(fetched: Fetched, tmp_path: Path) -> None:
    archive = Path(shutil.copytree(fetched.archive, tmp_path / "archive"))

    def archiver(*arguments: str | Path) -> Any:
        ran = run_child(*arguments, environment=environment)
        assert ran.code == 0, ran.err
        return ran.json

    environment = fetched.environment | {"ARCHIVER_ARCHIVE": str(archive)}
    assert archiver("verify", "--json")["integrity"]["findings"] == []
    held = fetched.latest("artifacts")
    run_id = str(held[held["path"].notna() & (held["kind"] == "download")]["run_id"].iloc[0])
    run_child("export", run_id, "--bagit", tmp_path / "bag", environment=environment)
    assert bagit.Bag(str(tmp_path / "bag")).is_valid()
    shots = held[held["path"].notna() & (held["kind"] == "screenshot")]
    pruned = archiver("prune", "--rule", "older-than=1s kind=screenshot", "--json")
    assert set(shots["run_id"]) >= set(pruned["pruned_of"]) > set()
    assert not [path for path in shots["path"] if (archive / path).exists()]
    assert archiver("verify", "--json")["integrity"]["findings"] == []
    erased = archiver("erase", run_id, "--reason", "asked for", "--yes", "--json")
    assert erased["runs"] == [run_id]
    assert archiver("verify", "--json")["integrity"]["findings"] == []
    (left,) = [path for path in archive.glob(f"runs/**/{run_id}/**/*") if path.is_file()]
    names = held[(held["run_id"] == run_id) & held["filename"].notna()]["filename"]
    assert not [name for name in names if str(name) in left.read_text()]
