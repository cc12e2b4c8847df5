"""Bytes come whole or not at all, however a server frames, cuts or wraps them."""

import gzip
import hashlib
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import (
    EXPIRED,
    FOREVER,
    Artifact,
    Blob,
    Body,
    Content,
    Cut,
    Endless,
    Extra,
    Framed,
    Gzip,
    HangUp,
    Headers,
    Lie,
    LyingServer,
    Plain,
    Reset,
    Stall,
    WrongLength,
    png,
    read,
    task_run,
    webm,
)

DATA = b"%PDF-1.7 " + b"the same again and again, " * 400
RANDOM = read(Blob(60_000, seed=5))


def add(server: LyingServer, file: Artifact, **changes: Any) -> str:
    return server.add_run(task_run("tsk_1", downloads=[file.entry(**changes)]))


@pytest.mark.parametrize(
    "lies",
    [
        [Framed("chunked")],
        [Framed("close")],
        [Gzip()],
        [Gzip(), Framed("chunked")],
        [Gzip(), Framed("close")],
        [Headers({"Content-Type": None})],
        [Headers({"Content-Type": "text/html; charset=x"})],
        [Headers({"Content-Encoding": "identity"})],
        [Headers({"Content-Encoding": "aws-chunked"})],
        [Headers({"Content-Encoding": "gzip"})],  # it is not
        [Gzip(), Headers({"Content-Encoding": "aws-chunked,gzip"})],
        [Gzip(), Headers({"Content-Encoding": "gzip, identity"})],
        [Gzip(), Gzip(), Headers({"Content-Encoding": "gzip,gzip"})],
        [Gzip(), Headers({"Content-Encoding": "gzip\r\nContent-Encoding: identity"})],
    ],
    ids=str,
)
@pytest.mark.parametrize("data", [DATA, RANDOM], ids=["text", "noise"])
@pytest.mark.parametrize("proof", ["checksum", "none"])
def test_however_a_body_is_sent_its_bytes_are_those_of_the_file(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    lies: Sequence[Lie],
    data: bytes,
    proof: str,
) -> None:
    file = server.artifact(data, "download")
    server.lie(file, *lies, times=FOREVER)
    run_id = add(server, file, **({} if proof == "checksum" else {"checksum": None}))

    fetch(run_id)
    assert archive.read(run_id, "download 1") == data
    assert archive.states(run_id) == {
        "download 1": "verified" if proof == "checksum" else "unverified"
    }


def test_a_file_that_is_gzip_itself_stays_as_it_is(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    packed = gzip.compress(DATA, mtime=0)
    file = server.artifact(packed, "download", "log.gz")
    server.lie(file, Headers({"Content-Encoding": "gzip"}), times=FOREVER)
    run_id = add(server, file)

    assert fetch(run_id).states == {"verified": 1}
    assert archive.read(run_id, "download 1") == packed


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip\r\nContent-Encoding: br"])
@pytest.mark.parametrize("kind", ["recording", "download"])
@pytest.mark.parametrize("proof", ["checksum", "none"])
def test_what_cannot_be_undone_is_not_kept_as_it_came(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    encoding: str,
    kind: Literal["recording", "download"],
    proof: str,
) -> None:
    made = server.artifact(RANDOM, kind)
    entry = made.entry() if proof == "checksum" else made.entry(checksum=None, file_size=None)
    server.add_run(
        task_run("tsk_1", recording=made)
        if kind == "recording"
        else task_run("tsk_1", downloads=[entry])
    )
    packed = Body(gzip.compress(RANDOM)[::-1])  # bytes that are not those of the file
    server.lie(made, packed, Headers({"Content-Encoding": encoding}), times=FOREVER)
    fetch("tsk_1", code=3)
    entry = archive.artifact("tsk_1", f"{kind} 1")
    assert entry["state"] == "failed"
    assert encoding.rpartition(" ")[2] in entry["reason"]


@pytest.mark.parametrize("lies", [[Gzip()], [Gzip(), Gzip()], [Gzip(), Gzip(), Framed("close")]])
@pytest.mark.parametrize("content", [webm(), png()])
def test_a_recording_is_never_kept_compressed_however_often(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    lies: Sequence[Lie],
    content: Content,
) -> None:
    recording = server.artifact(content)
    server.lie(recording, *lies, times=FOREVER)
    fetch(server.add_run(task_run("tsk_1", recording=recording)))
    assert archive.read("tsk_1", "recording 1") == read(content)


@pytest.mark.parametrize("encoding", ["br", "zstd", "base64"])
def test_what_is_stored_encoded_is_what_its_digest_says(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, encoding: str
) -> None:
    file = server.artifact(RANDOM, "download")
    server.lie(file, Headers({"Content-Encoding": encoding}), times=FOREVER)
    assert fetch(add(server, file)).states == {"verified": 1}
    assert archive.read("tsk_1", "download 1") == RANDOM


@pytest.mark.parametrize(
    "lie",
    [
        Cut(1000),
        Cut(1000, "chunked"),
        Cut(0),
        WrongLength(+5),
        Reset(),
        Reset(1000),
        HangUp(),
        Stall(1000),
        Endless(),
    ],
    ids=str,
)
def test_a_recording_that_does_not_come_whole_is_not_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Lie
) -> None:
    recording = server.artifact(DATA)
    server.lie(recording, lie, times=FOREVER)
    run_id = server.add_run(task_run("tsk_1", recording=recording))
    endless = ["--max-file-size", "1MB"] if isinstance(lie, Endless) else []

    fetch(run_id, "--stall-timeout", "0.2s", *endless, code=None)
    (state,) = archive.states(run_id).values()
    assert state == ("excluded" if endless else "failed")
    assert archive.artifact(run_id, "recording 1")["reason"]
    assert not list(archive.run(run_id).rglob("recording*"))
    assert not [path for path in (archive.root / "tmp").rglob("*") if "lock" not in path.name]


@pytest.mark.parametrize(
    "lie", [Cut(1000, "close"), WrongLength(-5), Body(b""), Extra(), Endless()]
)
@pytest.mark.parametrize("proof", ["checksum", "size"])
def test_a_file_of_another_size_or_digest_is_not_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Lie, proof: str
) -> None:
    file = server.artifact(DATA, "download")
    server.lie(file, lie, times=FOREVER)
    run_id = add(server, file, **({} if proof == "checksum" else {"checksum": None}))

    fetch(run_id, code=3)
    (state,) = archive.states(run_id).values()
    assert state in ("failed", "mismatch")
    assert not list(archive.run(run_id).rglob("downloads/*"))


@pytest.mark.usefixtures("at_once")
def test_a_whole_body_that_is_another_file_is_a_mismatch_after_two_looks(
    server: LyingServer, fetch: Fetch
) -> None:
    file = server.artifact(DATA, "download")
    server.lie(file, Body(DATA[:50]), Framed("chunked"), times=FOREVER)
    assert fetch(add(server, file), "--attempts", "3", code=3).states == {"mismatch": 1}
    assert server.count("/v1/artifacts/") == 2


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("lie", [Cut(1000), HangUp(), Cut(5, "chunked"), EXPIRED])
def test_what_passes_is_tried_again(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Lie
) -> None:
    file = server.artifact(DATA, "download")
    server.lie(file, lie)
    run_id = add(server, file)

    assert fetch(run_id, "--attempts", "2").states == {"verified": 1}
    assert archive.read(run_id, "download 1") == DATA
    row = archive.row("fetches", run_id=run_id)
    assert row["requests"] == len(server.requests)


def test_an_empty_file_is_kept(server: LyingServer, fetch: Fetch, archive: ArchiveFolder) -> None:
    server.add_run(task_run("tsk_1", downloads=[server.artifact(Plain(b""), "download")]))
    fetch("tsk_1")
    assert archive.read("tsk_1", "download 1") == b""
    entry = archive.artifact("tsk_1", "download 1")
    assert entry["sha256"] == hashlib.sha256(b"").hexdigest()


def test_relative_links_lead_to_the_api(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    shot, file = server.artifact(png(), "screenshot"), server.artifact(DATA, "download")

    def relative(artifact: Artifact) -> str:
        parts = urlsplit(server.link(artifact))
        return f"{parts.path}?{parts.query}"

    server.add_run(
        task_run(
            "tsk_1",
            screenshots=[relative(shot)],
            downloads=[file.entry(url=relative(file).removeprefix("/"))],
        )
    )
    assert fetch("tsk_1").states == {"verified": 1, "unverified": 1}
    assert archive.read("tsk_1", "screenshot 1") == read(png())


def test_a_link_that_ended_is_renewed(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    file = server.artifact(DATA, "download", in_storage=True)
    run_id = add(server, file)
    server.lie(file, EXPIRED)
    assert fetch(run_id).states == {"verified": 1}
    assert server.count(f"/v1/runs/{run_id}") == 2
