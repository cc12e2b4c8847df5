"""Whatever the API answers: no crash, no lost run, no path outside, no secret anywhere."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archiver.model.document import encode_json
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command
from tests.lying_server import LyingServer, png, task_run, workflow_run
from tests.model.strategies import ANY_TEXT, FILE_NAMES, JSON

# Not shrunk: each example is a whole session.
FUZZ = settings(
    max_examples=int(os.environ.get("ARCHIVER_TEST_FUZZ", "12")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    report_multiple_bugs=False,
)
SIGNATURE = "s1gn4tureThatNobodyMaySee"
PASSWORD = "pa55wordThatNobodyMaySee"
PLACES = (
    *("run_type", "status", "output", "downloaded_files", "recording_url", "screenshot_urls"),
    *("created_at", "started_at", "finished_at", "modified_at", "queued_at", "errors", "title"),
    *("failure_reason", "step_count", "app_url", "script_run", "run_request", "attempts"),
    *("recording_archived", "browser_session_id", "run_with", "attempt", "unknown"),
)
REQUEST_PLACES = (
    *("prompt", "url", "engine", "proxy_location", "webhook_url", "totp_url", "browser_address"),
    *("extra_http_headers", "cdp_connect_headers", "max_steps", "error_code_mapping", "model"),
    *("data_extraction_schema", "workflow_id", "parameters", "run_metadata", "publish_workflow"),
)
FILE_PLACES = ("url", "checksum", "filename", "file_size", "modified_at", "artifact_id")


def urls(server: LyingServer) -> st.SearchStrategy[str]:
    """Addresses that a hostile server may name, each with a signature."""
    heads = st.sampled_from(
        [
            *("ftp://h/a", "file:///etc/passwd", "file://h/../../etc/passwd", "data:text/plain,x"),
            *("javascript:alert(1)", "//127.0.0.1:1/a", "http://127.0.0.1:1/a", "HTTP://[::1", ""),
            *(
                "/v1/none",
                "../../v1/none",
                f"{server.base_url}/v1/none",
                "http:///",
                "http://\ud800",
            ),
            *(
                "https://127.0.0.1:1/a",
                "http://127.0.0.1:99999/a",
                "s3://bucket/key",
                "http://a b/",
            ),
        ]
    )
    return st.builds(lambda head, more: f"{head}{more}?sig={SIGNATURE}&expiry=1", heads, ANY_TEXT)


@st.composite
def answers(draw: st.DrawFn, server: LyingServer, run_id: str) -> bytes:
    """The answer for a run, valid or not: a true one of which some values are others."""
    build = workflow_run if run_id.startswith("wr_") else task_run
    file = server.artifact(b"%PDF-1.7", "download").entry(filename=draw(FILE_NAMES))
    document: dict[str, Any] = build(
        run_id,
        recording=draw(st.none() | urls(server)),
        screenshots=[server.artifact(png(1), "screenshot")],
        downloads=[file],
        request={
            "extra_http_headers": {"X-Key": PASSWORD},
            "webhook_url": f"https://user:{PASSWORD}@hooks.example/?token={PASSWORD}",
        },
    )
    values = JSON | urls(server)
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=4)):
        document[place] = draw(values)
    if isinstance(document["run_request"], dict):
        for place in draw(st.lists(st.sampled_from(REQUEST_PLACES), max_size=3)):
            if PASSWORD not in str(document["run_request"].get(place)):
                document["run_request"][place] = draw(values)
    if isinstance(document["downloaded_files"], list):
        for place in draw(st.lists(st.sampled_from(FILE_PLACES), max_size=2)):
            file[place] = draw(values)
        document["downloaded_files"] = [file, *draw(st.lists(JSON, max_size=1))]
    for place in draw(st.lists(st.sampled_from(sorted(document)), max_size=1)):
        del document[place]
    data = encode_json(document).encode()
    cut = draw(st.integers(0, len(data)) | st.just(len(data)))
    return data[:cut] if draw(st.integers(0, 9)) == 0 else data


@pytest.fixture
def hostile() -> Iterator[LyingServer]:
    with LyingServer() as server:
        yield server


@FUZZ
@given(st.data())
def test_whatever_the_api_answers_every_run_is_held_or_has_failed_with_a_reason(
    hostile: LyingServer, archiver: Command, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    monkeypatch.setenv("SKYVERN_BASE_URL", hostile.base_url)
    run_ids = [*(f"tsk_{number}" for number in range(6)), "wr_6", "tsk_v2_7"]
    for run_id in run_ids:
        hostile.add_run(data.draw(answers(hostile, run_id)), run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        archive = ArchiveFolder(Path(folder) / "archive")
        options = ("--archive", archive.root, "--attempts", "1", "--log-format", "json")
        ran = archiver("fetch", *run_ids, *options, "--json", code=None)

        assert ran.code in (0, 3), ran.err
        runs = ran.json["runs"]
        failed = {p["run_id"] for p in ran.json["problems"] if p["kind"] is None}
        assert runs["asked"] == 8 == sum(runs.values()) - 8
        assert len(failed) == runs["failed"] + runs["not_found"]
        held = {row["run_id"] for row in archive.rows("runs")}
        assert held | failed == set(run_ids)
        assert not held & failed

        written = [path for path in Path(folder).rglob("*") if path.is_file()]
        for run_id in held:
            manifest = archive.manifest(run_id)
            listed = {entry["path"] for entry in manifest["artifacts"] if entry["path"]}
            inside = {f"r1/{name}" for name in ("run.json", "manifest.json", "SHA256SUMS")} | listed
            ours = archive.run(run_id)
            assert {str(p.relative_to(ours)) for p in ours.rglob("*") if p.is_file()} == inside
        folders = {archive.run(run_id) for run_id in held}
        for path in written:
            assert path.is_relative_to(archive.root)
            if path.is_relative_to(archive.root / "runs"):
                assert folders & set(path.parents), "a file of no run that is held"
        everything = [path.read_bytes() for path in written if path.suffix == ".json"]
        everything += [
            json.dumps(archive.rows(table), default=str).encode()
            for table in ("runs", "documents", "artifacts", "errors", "fetches")
        ]
        everything += [ran.stdout, ran.err.encode()]
        for secret in (SIGNATURE, PASSWORD, hostile.key):
            for text in everything:
                ahead, found, behind = text.partition(secret.encode())
                assert not found, ahead[-200:] + found + behind[:100]
        assert archiver("verify", "--archive", archive.root).code == 0
        before = {table: archive.rows(table) for table in ("runs", "artifacts", "errors")}
        archiver("reindex", "--archive", archive.root)
        assert {table: archive.rows(table) for table in before} == before
