"""Downloads go on where they stopped, but only with the same file."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_command, child_environment
from tests.lying_server import (
    FOREVER,
    SERVER_ERROR,
    Blob,
    Body,
    Cut,
    ETag,
    Headers,
    Lie,
    LyingServer,
    RangeIgnored,
    RangeRefused,
    Stall,
    WrongRange,
    read,
    task_run,
)
from tests.lying_server.answers import Answer, Asked
from tests.lying_server.documents import Artifact

SIZE = 4 << 20
CUT = 3 << 20
AGAIN = 64 << 10
"""Bytes that are asked for once more where no strong validator tells, to be compared."""
DATA = read(Blob(SIZE, 7))


@pytest.fixture
def recording(server: LyingServer) -> Artifact:
    recording = server.artifact(DATA, "recording")
    server.add_run(task_run("tsk_1", recording=recording))
    return recording


def ranges(server: LyingServer) -> list[str | None]:
    """What the requests for artifacts asked for, in order."""
    return [r.headers.get("range") for r in server.requests if "/artifacts/" in r.path]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("lies", "again"),
    [
        ([], AGAIN),
        ([ETag(('"a"',))], 0),
        ([ETag(('W/"a"',))], AGAIN),
        ([ETag((f'"65b2c7e1-{SIZE:x}"',))], AGAIN),  # as nginx makes it, of time and length
        ([ETag((f'"2a-{SIZE:X}-5f0c"',))], AGAIN),  # as Apache does
        ([ETag((f'"1763856000-{SIZE}"',))], AGAIN),
        ([Headers({"Last-Modified": "x"})], AGAIN),
    ],
)
def test_a_body_that_was_cut_off_goes_on(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
    lies: Sequence[Lie],
    again: int,
) -> None:
    server.lie(recording, Cut(CUT))
    for lie in lies:
        server.lie(recording, lie, times=FOREVER)
    fetch("tsk_1", "--attempts", "2")

    assert ranges(server) == [None, f"bytes={CUT - again}-"]
    assert archive.read("tsk_1", "recording 1") == DATA
    assert archive.row("fetches", run_id="tsk_1")["bytes"] == SIZE + again


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "lie",
    [
        RangeIgnored(),
        RangeRefused(),
        WrongRange(1),
        WrongRange(header="bytes 0-1/2"),
        WrongRange(header=f"bytes {'9' * 5000}-1/2"),
        WrongRange(header="what"),
        Headers({"ETag": '"other"'}),
        Headers({"ETag": 'W/"other"'}),
        Headers({"Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("etag", ['"a"', 'W/"a"', '"\xfc"', None])
def test_a_body_that_cannot_go_on_begins_again(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
    lie: Lie,
    etag: str | None,
) -> None:
    server.lie(recording, Cut(CUT), Headers({"ETag": etag}))
    server.lie(recording, Headers({"ETag": etag}), lie)
    server.lie(recording, Headers({"ETag": etag}), times=FOREVER)
    fetch("tsk_1", "--attempts", "2")
    assert archive.read("tsk_1", "recording 1") == DATA
    assert ranges(server)[0] is None
    again = 0 if etag == '"a"' else AGAIN
    assert ranges(server)[1] == f"bytes={CUT - again}-"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"a"'},
        {"ETag": f'"65b2c7e1-{SIZE:x}"'},
        {"Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT"},
    ],
    ids=str,
)
@pytest.mark.parametrize("cut", [1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, CUT, SIZE - 1])
def test_two_versions_of_one_length_are_never_joined_in_a_session(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
    headers: dict[str, str],
    cut: int,
) -> None:
    other = read(Blob(SIZE, 8))
    server.lie(recording, Cut(cut), Headers(headers))
    server.lie(recording, Body(other), Headers(headers), times=FOREVER, after=1)
    fetch("tsk_1", "--attempts", "2")
    assert archive.read("tsk_1", "recording 1") == other
    assert ranges(server)[1] == (f"bytes={cut - AGAIN}-" if cut >= 1 << 20 else None)


@pytest.mark.usefixtures("at_once")
def test_a_body_that_is_cut_off_time_and_again_comes_whole(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact
) -> None:
    server.lie(recording, Cut(2 << 20))
    server.lie(recording, Cut(1000), times=3)  # less than comes again
    server.lie(recording, Cut(1 << 20))
    fetch("tsk_1", "--attempts", "6")
    assert archive.read("tsk_1", "recording 1") == DATA
    begun = [f"bytes={at - AGAIN}-" for at in (*[2 << 20] * 4, (3 << 20) - AGAIN)]
    assert ranges(server) == [None, *begun]


@pytest.mark.usefixtures("at_once")
def test_another_encoding_is_another_file(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact
) -> None:
    server.lie(recording, Cut(CUT))
    server.lie(recording, Headers({"Content-Encoding": "gzip"}))
    fetch("tsk_1", "--attempts", "2")
    assert archive.read("tsk_1", "recording 1") == DATA


class AsRange:
    """The whole body, in an answer that calls it a range, although none was asked for."""

    def __init__(self, span: str | None) -> None:
        self._span = span

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, status=206).with_headers({"Content-Range": self._span})


@pytest.mark.parametrize("proof", ["checksum", "none"])
def test_a_range_that_is_the_whole_is_the_whole(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, proof: str
) -> None:
    file = server.artifact(DATA, "download")
    entry = file.entry() if proof == "checksum" else file.entry(checksum=None)
    server.add_run(task_run("tsk_2", downloads=[entry]))
    server.lie(file, AsRange(f"bytes 0-{SIZE - 1}/{SIZE}"), times=FOREVER)
    fetch("tsk_2")
    assert archive.read("tsk_2", "download 1") == DATA
    assert server.count("/v1/artifacts/") == 1


@pytest.mark.usefixtures("at_once")
def test_the_whole_in_place_of_the_rest_is_taken_from_its_beginning(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact
) -> None:
    server.lie(recording, Cut(CUT))
    server.lie(recording, RangeIgnored(), AsRange(f"bytes 0-{SIZE - 1}/{SIZE}"))
    fetch("tsk_1", "--attempts", "2")
    assert archive.read("tsk_1", "recording 1") == DATA
    assert server.count("/v1/artifacts/") == 2


@pytest.mark.parametrize(
    "span",
    [
        *(None, "", "bytes", f"bytes 0-{SIZE - 1}/*", f"bytes 0-{SIZE}/{SIZE}"),
        *(f"bytes 1-{SIZE - 1}/{SIZE}", f"bytes 0-{SIZE - 2}/{SIZE}", "bytes 0-0/1"),
        *(f"bytes 0-{SIZE}/{SIZE + 1}", f"bytes 0-{SIZE - 2}/{SIZE - 1}"),
    ],
)
def test_a_range_that_is_not_the_whole_is_not(
    server: LyingServer, fetch: Fetch, recording: Artifact, span: str | None
) -> None:
    server.lie(recording, AsRange(span), times=FOREVER)
    assert fetch("tsk_1", code=3).states == {"failed": 1}


def test_a_later_session_goes_on_where_one_gave_up(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact
) -> None:
    server.lie(recording, Cut(CUT))
    fetch("tsk_1", code=3)
    server.lie(recording, SERVER_ERROR)
    fetch("tsk_1", code=3)
    fetch("tsk_1")

    assert ranges(server) == [None, *[f"bytes={CUT - AGAIN}-"] * 2]
    assert archive.read("tsk_1", "recording 1", 2) == DATA
    assert not list((archive.root / "tmp").glob("*.*"))


@pytest.mark.parametrize("harm", ["bytes", "note", "cut", "other"])
def test_what_an_earlier_session_left_is_checked_before_it_is_used(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact, harm: str
) -> None:
    server.lie(recording, Cut(CUT))
    fetch("tsk_1", code=3)
    part = archive.root / "tmp/tsk_1-recording-1.part"
    note = part.with_suffix(".resume")
    match harm:
        case "bytes":
            part.write_bytes(b"x" + part.read_bytes()[1:])
        case "cut":
            part.write_bytes(part.read_bytes()[:1000])
        case "note":
            note.write_bytes(b"{")
        case "other":
            other = server.artifact(DATA[::-1], "recording")
            server.add_run(task_run("tsk_1", recording=other), run_id="tsk_1")
    fetch("tsk_1")
    assert ranges(server) == [None, None]
    expected = DATA[::-1] if harm == "other" else DATA
    assert archive.read("tsk_1", "recording 1", 2) == expected


def test_a_session_that_was_killed_is_gone_on_with(
    server: LyingServer,
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    recording: Artifact,
) -> None:
    server.lie(recording, Stall(CUT))
    with subprocess.Popen(
        child_command("fetch", "tsk_1"), env=child_environment(), stderr=subprocess.DEVNULL
    ) as process:
        part = archive.root / "tmp/tsk_1-recording-1.part"
        while not part.exists() or part.stat().st_size < CUT:
            assert process.poll() is None
        process.kill()
    assert fetch("tsk_1").json["bytes"]["downloaded"] <= SIZE - (1 << 20)

    begun = ranges(server)[1]
    assert begun is not None
    assert int(begun.removeprefix("bytes=").removesuffix("-")) >= 1 << 20
    assert archive.read("tsk_1", "recording 1") == DATA


def test_what_no_session_went_on_with_is_swept_after_a_week(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact
) -> None:
    server.lie(recording, Cut(CUT))
    fetch("tsk_1", code=3)
    server.add_run(task_run("tsk_2"))
    fetch("tsk_2")
    notes = list((archive.root / "tmp").glob("*.resume"))
    assert len(notes) == 1
    os.utime(notes[0], (0, 0))
    fetch("tsk_2")
    assert not list((archive.root / "tmp").glob("*.*"))


@pytest.mark.parametrize("etag", [None, '"a"', 'W/"a"'])
def test_two_files_of_the_same_size_are_never_joined(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact, etag: str | None
) -> None:
    server.lie(recording, Cut(CUT), Headers({"ETag": etag}))
    fetch("tsk_1", code=3)
    other = read(Blob(SIZE, 8))
    changed = '"b"' if etag == '"a"' else etag
    server.lie(recording, Body(other), Headers({"ETag": changed}), times=FOREVER)
    fetch("tsk_1", "--attempts", "2")
    assert archive.read("tsk_1", "recording 1", 2) == other


@pytest.mark.parametrize("etag", [None, '"a"'])
def test_a_strong_validator_needs_no_second_look(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, recording: Artifact, etag: str | None
) -> None:
    server.lie(recording, Headers({"ETag": etag}), times=FOREVER)
    server.lie(recording, Cut(CUT))
    fetch("tsk_1", code=3)
    fetch("tsk_1")
    assert ranges(server)[1] == f"bytes={CUT if etag else CUT - AGAIN}-"
