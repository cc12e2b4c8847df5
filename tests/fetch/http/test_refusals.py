"""What storage says where it gives no bytes: gone for good, for now, or another link is wanted."""

import gzip

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    EXPIRED,
    EXPIRED_S3,
    EXPIRED_TOKEN_S3,
    FOREVER,
    Artifact,
    Body,
    LyingServer,
    Status,
    WrongLength,
    task_run,
    webm,
)

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>x</Message></Error>'


def s3(status: int, code: str, *, mark: str = "") -> Status:
    """A refusal as S3 writes it, and Azure, with a byte order mark."""
    return Status(status, (mark + XML.format(code)).encode(), "application/xml")


COLD = {
    "S3": s3(403, "InvalidObjectState"),
    "Azure": s3(409, "BlobArchived", mark="\ufeff"),
    "Azure in its header": Status(409, headers={"x-ms-error-code": "BlobArchived"}),
    "with another status": s3(400, "InvalidObjectState"),
    "compressed": Status(
        403,
        gzip.compress(XML.format("InvalidObjectState").encode(), mtime=0),
        headers={"Content-Encoding": "gzip"},
    ),
}
ANOTHER_LINK = {
    "400 RequestTimeout": s3(400, "RequestTimeout"),
    "409 OperationAborted": s3(409, "OperationAborted"),
    "400 ExpiredToken": EXPIRED_TOKEN_S3,
    "400 in words": Status(400, b"the link has expired"),
    "401": Status(401),
    "401 with a page": Status(401, b"<html>Sign in", "text/html"),
    "403": EXPIRED,
    "403 AccessDenied": EXPIRED_S3,
    "403 without a word": Status(403),
    "410 in words": Status(410, b"link expired"),
    "498": Status(498, b"Invalid Token"),
}
OTHERS = {
    "400 InvalidArgument": s3(400, "InvalidArgument"),
    "409 BlobBeingRehydrated": s3(409, "BlobBeingRehydrated"),
    "402": Status(402, b"pay"),
    "451": Status(451),
}


@pytest.fixture
def recording(server: LyingServer) -> Artifact:
    made = server.artifact(webm(), in_storage=True)
    server.add_run(task_run("tsk_1", recording=made))
    return made


@pytest.mark.parametrize("refusal", COLD.values(), ids=COLD)
def test_what_lies_in_cold_storage_is_gone_until_refresh(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
    refusal: Status,
) -> None:
    server.lie(recording, refusal, times=FOREVER)
    assert fetch("tsk_1").states == {"gone": 1}
    reason = archive.artifact("tsk_1", "recording 1")["reason"]
    assert "cold storage" in reason
    assert "InvalidObjectState" in reason or "BlobArchived" in reason
    assert server.count("/v1/runs/") == 1
    assert archive.manifest("tsk_1")["is_complete"]

    server.stop_lying()
    server.clear_requests()
    fetch("tsk_1")
    assert server.requests == []
    assert fetch("tsk_1", "--refresh").states == {"unverified": 1}


@pytest.mark.parametrize("refusal", [Body(XML.format("InvalidObjectState").encode())])
def test_a_code_counts_whatever_the_status(
    server: LyingServer, fetch: Fetch, recording: Artifact, refusal: Body
) -> None:
    server.lie(recording, refusal, times=FOREVER)
    assert fetch("tsk_1").states == {"gone": 1}


@pytest.mark.parametrize("refusal", ANOTHER_LINK.values(), ids=ANOTHER_LINK)
def test_a_link_that_ended_is_another_link_s_turn(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
    refusal: Status,
) -> None:
    server.lie(recording, refusal)
    assert fetch("tsk_1").states == {"unverified": 1}
    assert server.count("/v1/runs/") == 2

    file = server.artifact(b"another", "download", in_storage=True)
    server.add_run(task_run("tsk_2", downloads=[file]))
    server.lie(file, refusal, times=FOREVER)
    assert fetch("tsk_2", code=3).states == {"failed": 1}
    assert str(refusal.code) in archive.artifact("tsk_2", "download 1")["reason"]
    assert not archive.manifest("tsk_2")["is_complete"]


@pytest.mark.parametrize("refusal", OTHERS.values(), ids=OTHERS)
def test_other_refusals_stay_for_the_next_time(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
    refusal: Status,
) -> None:
    server.lie(recording, refusal, times=FOREVER)
    assert fetch("tsk_1", code=3).states == {"failed": 1}
    assert str(refusal.code) in archive.artifact("tsk_1", "recording 1")["reason"]
    assert server.count("/v1/runs/") == 1


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_refusal_counts_although_its_body_is_cut_off(
    server: LyingServer, fetch: Fetch, recording: Artifact, status: int
) -> None:
    server.lie(recording, s3(status, "NoSuchKey"), WrongLength(+20), times=FOREVER)
    assert fetch("tsk_1").states == {"gone": 1}
