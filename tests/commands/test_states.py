"""Every artifact ends in the state that says what became of it."""

import hashlib

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    EXPIRED,
    FOREVER,
    GONE,
    NOT_FOUND,
    SERVER_ERROR,
    Artifact,
    Corrupt,
    LyingServer,
    Status,
    png,
    read,
    task_run,
    webm,
)

DATA = b"%PDF-1.7 " + bytes(range(200))
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def file(server: LyingServer) -> Artifact:
    return server.artifact(DATA, "download")


@pytest.fixture
def run_id(server: LyingServer, file: Artifact) -> str:
    """A run with one of each kind."""
    return server.add_run(
        task_run(
            "tsk_1",
            recording=server.artifact(webm()),
            screenshots=[server.artifact(png(), "screenshot", in_storage=True)],
            downloads=[file],
        )
    )


def test_bytes_with_the_apis_digest_are_verified_others_unverified(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    ran = fetch(run_id)

    assert archive.states(run_id) == {
        "recording 1": "unverified",
        "screenshot 1": "unverified",
        "download 1": "verified",
    }
    assert ran.runs == {"asked": 1, "fetched": 1}
    assert ran.states == {"verified": 1, "unverified": 2}
    assert ran.json["bytes"]["downloaded"] == webm().size + png().size + len(DATA)
    assert ran.json["problems"] == []
    assert ran.json["seconds"] > 0
    assert archive.manifest(run_id)["is_complete"] is True


@pytest.mark.parametrize(
    "given",
    [DIGEST.upper(), f"sha256:{DIGEST}", f"SHA256:{DIGEST.upper()}", f"sha-256={DIGEST}"],
    ids=["upper case", "prefix", "upper case prefix", "dashed prefix"],
)
def test_a_digest_counts_in_any_case_and_with_a_prefix(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact, given: str
) -> None:
    run_id = server.add_run(task_run("tsk_1", downloads=[file.entry(checksum=given)]))
    assert fetch(run_id).states == {"verified": 1}
    assert archive.artifact(run_id, "download 1")["expected_sha256"] == DIGEST


@pytest.mark.parametrize(
    "given",
    [hashlib.md5(DATA).hexdigest(), "no checksum", DIGEST[:-1], "", f"md5:{DIGEST}", 17, [DIGEST]],
    ids=["md5", "garbage", "cut short", "empty", "another name", "a number", "a list"],
)
def test_what_is_no_digest_proves_nothing_and_is_noted(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact, given: object
) -> None:
    run_id = server.add_run(task_run("tsk_1", downloads=[file.entry(checksum=given)]))

    assert fetch(run_id).states == {"unverified": 1}
    assert archive.read(run_id, "download 1") == DATA
    assert archive.artifact(run_id, "download 1")["expected_sha256"] is None
    (problem,) = archive.row("runs", run_id=run_id)["problems"]
    assert problem.startswith("downloaded_files[0].checksum: ")


def test_no_digest_is_nothing_to_note(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    entry = file.entry(checksum=None)
    del entry["file_size"]
    run_id = server.add_run(task_run("tsk_1", downloads=[entry]))
    assert fetch(run_id).states == {"unverified": 1}
    assert archive.row("runs", run_id=run_id)["problems"] == []


def test_a_mismatch_is_fetched_twice_and_what_was_seen_is_recorded(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact, run_id: str
) -> None:
    server.lie(file, Corrupt(3), times=FOREVER)
    ran = fetch(run_id, code=3)
    seen = DATA[:3] + bytes([DATA[3] ^ 0xFF]) + DATA[4:]

    assert server.count(f"/v1/artifacts/{file.id}") == 2
    entry = archive.artifact(run_id, "download 1")
    assert (entry["state"], entry["path"], entry["attempts"]) == ("mismatch", None, 2)
    assert (entry["size"], entry["sha256"]) == (len(DATA), hashlib.sha256(seen).hexdigest())
    assert entry["expected_sha256"] == DIGEST
    assert not list(archive.run(run_id).rglob("downloads/*"))
    (problem,) = ran.json["problems"]
    assert (problem["run_id"], problem["kind"], problem["ordinal"]) == (run_id, "download", 1)
    assert archive.manifest(run_id)["is_complete"] is False
    assert ran.runs == {"asked": 1, "fetched": 1}


def test_a_mismatch_that_passes_is_none(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact, run_id: str
) -> None:
    server.lie(file, Corrupt(3))
    assert fetch(run_id).states == {"verified": 1, "unverified": 2}
    assert archive.artifact(run_id, "download 1")["attempts"] == 2


@pytest.mark.parametrize("refusal", [NOT_FOUND, GONE], ids=["404", "410"])
def test_what_the_service_does_not_have_any_more_is_gone(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    file: Artifact,
    run_id: str,
    refusal: Status,
) -> None:
    server.lie(file, refusal, times=FOREVER)

    assert fetch(run_id, "--attempts", "3").states == {"unverified": 2, "gone": 1}
    assert server.count(f"/v1/artifacts/{file.id}") == 1
    entry = archive.artifact(run_id, "download 1")
    assert (entry["state"], entry["path"]) == ("gone", None)
    assert str(refusal.code) in entry["reason"]
    assert archive.manifest(run_id)["is_complete"] is True


def test_a_recording_in_cold_storage_is_gone(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    run_id = server.add_run(task_run("tsk_1", recording_archived=True))
    assert fetch(run_id).states == {"gone": 1}
    assert "recording_archived" in archive.artifact(run_id, "recording 1")["reason"]
    assert fetch(run_id).runs == {"asked": 1, "unchanged": 1}


@pytest.mark.parametrize(
    "refusal",
    [SERVER_ERROR, EXPIRED, Status(418), Status(204)],
    ids=["500", "403", "418", "204"],
)
def test_what_could_not_be_had_has_failed_and_is_tried_again(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    file: Artifact,
    run_id: str,
    refusal: Status,
) -> None:
    server.lie(file, refusal, times=FOREVER)
    ran = fetch(run_id, code=3)

    entry = archive.artifact(run_id, "download 1")
    assert (entry["state"], entry["path"]) == ("failed", None)
    assert str(refusal.code) in entry["reason"]
    assert ran.reasons == [entry["reason"]]
    assert ran.states == {"unverified": 2, "failed": 1}

    server.stop_lying()
    server.clear_requests()
    assert fetch(run_id).states == {"verified": 1, "unverified": 2}
    assert [request.path for request in server.requests] == [
        f"/v1/runs/{run_id}",
        f"/v1/artifacts/{file.id}/content",
    ]
    assert archive.read(run_id, "download 1", 2) == DATA


def test_a_file_without_a_url_has_failed(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, file: Artifact
) -> None:
    run_id = server.add_run(
        task_run("tsk_1", downloads=[file.entry(url=None, filename="a.pdf"), file])
    )
    assert fetch(run_id, code=3).states == {"failed": 1, "verified": 1}
    assert archive.artifact(run_id, "download 1")["filename"] == "a.pdf"


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (["--without", "recording"], {"recording 1"}),
        (["--without", "recording", "--without", "screenshot"], {"recording 1", "screenshot 1"}),
        (["--only", "download"], {"recording 1", "screenshot 1"}),
        (["--only", "none"], {"recording 1", "screenshot 1", "download 1"}),
        (["--max-file-size", "208"], {"recording 1", "download 1"}),
        (["--max-file-size", "209"], {"recording 1"}),
        (["--max-file-size", "4.096kB"], set()),
    ],
)
def test_what_was_not_wanted_is_excluded(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    run_id: str,
    options: list[str],
    left_out: set[str],
) -> None:
    ran = fetch(run_id, *options)

    excluded = {name for name, state in archive.states(run_id).items() if state == "excluded"}
    assert excluded == left_out
    assert ran.json["problems"] == []
    for name in left_out:
        entry = archive.artifact(run_id, name)
        assert entry["path"] is None
        assert entry["reason"]
    if "--max-file-size" not in options:
        assert len(server.requests) == 1 + 3 - len(left_out)
    assert archive.manifest(run_id)["is_complete"] is True
    assert fetch(run_id, *options).runs == {"asked": 1, "unchanged": 1}


def test_what_was_excluded_is_had_with_refresh(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    fetch(run_id, "--only", "none")
    assert fetch(run_id, "--refresh").states == {"verified": 1, "unverified": 2}
    assert archive.read(run_id, "recording 1", 2) == read(webm())
