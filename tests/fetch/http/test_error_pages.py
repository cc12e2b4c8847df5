"""A page, or nothing, in place of a recording or a picture is an error of storage, never kept."""

import codecs
import gzip
from typing import Literal

import pytest

from archiver.fetch.http import downloads
from archiver.model.artifact import ArtifactKind
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import (
    FOREVER,
    Artifact,
    Blob,
    Body,
    Framed,
    Headers,
    Lie,
    LyingServer,
    Redirect,
    png,
    read,
    task_run,
    webm,
)

Kind = Literal["recording", "screenshot"]
KINDS = pytest.mark.parametrize("kind", ["recording", "screenshot"])
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>reduce the rate</Message></Error>"
)
GATEWAY = (
    "<!DOCTYPE html>\r\n<html><head><style>h1 { color: red }</style><!-- x --><title>502</title>"
    "</head><body><h1>Bad gateway</h1>für Sie</body></html>"
)
PAGES = {
    "S3": (SLOW_DOWN, "SlowDown"),
    "S3 in few words": (b"<Error><Code>InternalError</Code></Error>", "InternalError"),
    "S3 with names": (b'<s:Error xmlns:s="x"><s:Code>Odd</s:Code></s:Error>', "Odd"),
    "HTML": (GATEWAY.encode(), "502 Bad gateway für Sie"),
    "HTML after blanks": (b"\r\n\t  " + GATEWAY.encode(), "502 Bad gateway"),
    "HTML with a mark": (codecs.BOM_UTF8 + GATEWAY.encode(), "502 Bad gateway"),
    "HTML in UTF-16": (GATEWAY.encode("utf-16"), "502 Bad gateway für Sie"),
    "HTML in UTF-16 LE": (GATEWAY.replace("ü", "u").encode("utf-16-le"), "502 Bad gateway"),
    "HTML in UTF-16 BE": (GATEWAY.replace("ü", "u").encode("utf-16-be"), "502 Bad gateway"),
    "HTML in UTF-32": (GATEWAY.encode("utf-32"), "502 Bad gateway"),
    "HTML in Latin-1": (GATEWAY.encode("latin-1"), "502 Bad gateway für Sie"),
    "HTML with a NUL": (GATEWAY.encode() + b"\0", "502 Bad gateway"),
    "long HTML": (GATEWAY.encode() + b"<p>and so on" * 20_000, "502 Bad gateway"),
    "HTML of nothing": (b"<html></html>", "<html></html>"),
    "JSON": (b'{"detail":"Artifact \\u001b[31m storage is down"}', "storage is down"),
    "words": (b"upstream connect error\n", "upstream connect error"),
    "words of another alphabet": ("недоступно".encode("cp1251"), "text came"),
    "words like a bitmap": (b"BM is not available", "BM is not available"),
    "words like a sound": (b"ID3, OggS and RIFF are not available", "not available"),
    "words like a picture": (b"GIF87a is not available", "not available"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'><text>No</text></svg>", "No"),
    "a control character": (b"<html>\x1b[2Jcleared \x9b </html>", "cleared"),
    "blanks": (b" \n" * 20_000, "blanks"),
    "HTML after many blanks": (b" \n" * 5_000 + GATEWAY.encode(), "text came"),
    "nothing": (b"", "empty body"),
}


def one(server: LyingServer, kind: Kind) -> Artifact:
    """The one artifact of the run tsk_1."""
    made = server.artifact(webm() if kind == "recording" else png(), kind)
    if kind == "recording":
        server.add_run(task_run("tsk_1", recording=made))
    else:
        server.add_run(task_run("tsk_1", screenshots=[made]))
    return made


@KINDS
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_is_never_kept_and_the_next_fetch_asks_again(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    kind: Kind,
    page: tuple[bytes, str],
) -> None:
    made, (body, words) = one(server, kind), page
    server.lie(made, Body(body), times=FOREVER)
    ran = fetch("tsk_1", code=3)
    assert ran.states == {"failed": 1}
    (reason,) = ran.reasons
    assert words in reason
    assert reason.isprintable()
    assert len(reason) <= 400
    assert not [path for path in archive.run("tsk_1").rglob(f"*{kind}*") if path.is_file()]

    server.stop_lying()
    assert fetch("tsk_1").states == {"unverified": 1}
    assert archive.read("tsk_1", f"{kind} 1", 2) == read(made.content)


NO_MEDIA = {
    "a gzip'd page": (gzip.compress(GATEWAY.encode()), "502 Bad gateway"),
    "a gzip'd S3 error": (gzip.compress(SLOW_DOWN), "SlowDown"),
    "gzip": (gzip.compress(bytes(range(256)) * 90), "a gzip file"),
    "zeros": (bytes(50_000), "nothing but zeros"),
    "NUL": (b"\0", "nothing but zeros"),
    "framing": (b"1f4;chunk-signature=aa\r\n\x1a\x45\xdf\xa3\x01\0\r\n", "aws-chunked framing"),
    "an empty ZIP": (b"PK\x05\x06" + bytes(18), "an empty ZIP file"),
}


@KINDS
@pytest.mark.parametrize("what", NO_MEDIA.values(), ids=NO_MEDIA)
def test_what_is_no_medium_is_never_kept(
    server: LyingServer, fetch: Fetch, kind: Kind, what: tuple[bytes, str]
) -> None:
    server.lie(one(server, kind), Body(what[0]), times=FOREVER)
    ran = fetch("tsk_1", code=3)
    assert ran.states == {"failed": 1}
    assert what[1] in ran.reasons[0]


def test_a_bundle_may_come_for_a_screenshot_alone(server: LyingServer, fetch: Fetch) -> None:
    bundle = Body(b"PK\x03\x04\x14" + bytes(90) + b"\x01")
    server.lie(one(server, "screenshot"), bundle, times=FOREVER)
    assert fetch("tsk_1").states == {"unverified": 1}
    made = server.artifact(webm(), "recording")
    server.add_run(task_run("tsk_2", recording=made))
    server.lie(made, bundle, times=FOREVER)
    assert fetch("tsk_2", code=3).states == {"failed": 1}


@KINDS
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "lies",
    [
        [Body(SLOW_DOWN, "application/xml")],
        [Body(b"")],
        [Body(GATEWAY.encode()), Framed("chunked")],
        [Body(GATEWAY.encode()), Framed("close")],
        [Body(gzip.compress(GATEWAY.encode(), mtime=0)), Headers({"Content-Encoding": "gzip"})],
    ],
    ids=str,
)
def test_a_page_that_passes_is_none(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, kind: Kind, lies: list[Lie]
) -> None:
    made = one(server, kind)
    server.lie(made, *lies)
    assert fetch("tsk_1", "--attempts", "2").states == {"unverified": 1}
    assert archive.read("tsk_1", f"{kind} 1") == read(made.content)


def test_a_login_page_behind_a_redirect_is_a_page(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    made = one(server, "recording")
    page = server.artifact(b"<html><body>Please sign in", "download", media_type="text/html")
    server.lie(made, Redirect(server.link(page)), times=FOREVER)
    assert fetch("tsk_1", code=3).states == {"failed": 1}
    assert "Please sign in" in archive.artifact("tsk_1", "recording 1")["reason"]


def test_what_a_page_says_is_masked(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    made = one(server, "recording")
    signed = "https://h.example/a?X-Amz-Signature=0123456789abcdef"
    page = f"<p>{'so ' * 110} card 4711 0815 of {signed}</p><a href='{signed}'>"
    server.lie(made, Body(page.encode()), times=FOREVER)
    fetch("tsk_1", "--redact", "4711 0815", code=3)
    assert "0123456789abcdef" not in archive.everything()
    assert "4711 0815" not in archive.everything()


@pytest.mark.parametrize("option", ["text/*", "application/json"])
def test_a_page_is_not_left_out_as_a_kind_of_file(
    server: LyingServer, fetch: Fetch, option: str
) -> None:
    made = one(server, "recording")
    body = Body(b'{"detail":"no"}', "application/json" if "json" in option else "text/html")
    server.lie(made, body, times=FOREVER)
    assert fetch("tsk_1", "--without-type", option, code=3).states == {"failed": 1}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("proof", ["checksum", "none"])
def test_a_file_may_be_text(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    page: tuple[bytes, str],
    proof: str,
) -> None:
    file = server.artifact(page[0], "download", "page.html", media_type="application/xml")
    entry = file.entry() if proof == "checksum" else file.entry(checksum=None)
    server.add_run(task_run("tsk_1", downloads=[entry]))
    fetch("tsk_1")
    assert archive.read("tsk_1", "download 1") == page[0]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("proof", ["checksum", "size"])
def test_an_error_document_in_place_of_another_file_is_read_for_its_code(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, proof: str
) -> None:
    file = server.artifact(b"%PDF-1.7 " + bytes(500), "download")
    server.lie(file, Body(SLOW_DOWN, "application/xml"), times=3)
    entry = file.entry() if proof == "checksum" else file.entry(checksum=None)
    server.add_run(task_run("tsk_1", downloads=[entry]))
    assert sum(fetch("tsk_1", "--attempts", "4").states.values()) == 1
    assert archive.read("tsk_1", "download 1") == b"%PDF-1.7 " + bytes(500)


# What version 0.1.0 kept


@pytest.fixture(
    params=["HTML", "HTML in UTF-16", "HTML in Latin-1", "words like a bitmap", "nothing"]
)
def held(
    request: pytest.FixtureRequest, server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> Artifact:
    """The recording of tsk_1, of which an earlier version kept a page; tsk_2 has a true one."""
    made = one(server, "recording")
    server.lie(made, Body(PAGES[request.param][0]))
    odd = server.artifact(Blob(5_000, 1), "screenshot")  # of a type that nobody knows
    server.add_run(task_run("tsk_2", recording=server.artifact(webm()), screenshots=[odd]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "MEDIA", frozenset[ArtifactKind]())
        archiver("fetch", "tsk_1", "tsk_2", "--attempts", "1")
    assert archive.manifest("tsk_1")["is_complete"]
    server.clear_requests()
    return made


@pytest.mark.usefixtures("held")
def test_a_page_that_is_held_is_a_gap(archiver: Command) -> None:
    ran = archiver("verify", "--json", "--require-complete", code=3)
    assert ran.json["integrity"]["intact"]
    (gap,) = ran.json["completeness"]["gaps"]
    assert (gap["kind"], gap["id"]) == ("artifact", "tsk_1")
    assert gap["what"].startswith("recording 1 is no recording")


def test_a_page_that_is_held_is_asked_for_again(
    server: LyingServer,
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    held: Artifact,
) -> None:
    first = archive.files()
    assert fetch("tsk_1", "tsk_2").runs == {"asked": 2, "fetched": 1, "unchanged": 1}
    assert server.count("/v1/runs/") == 1
    assert archive.read("tsk_1", "recording 1", 2) == read(held.content)
    assert first.items() <= archive.files().items()
    archiver("verify", "--require-complete")
    server.clear_requests()
    fetch("tsk_1", "tsk_2")
    assert server.requests == []


def test_a_page_that_is_held_never_stands_in_for_what_could_not_be_had(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, held: Artifact
) -> None:
    server.lie(held, Body(GATEWAY.encode()), times=FOREVER)
    assert fetch("tsk_1", code=3).states == {"failed": 1}
    assert archive.states("tsk_1", 2) == {"recording 1": "failed"}


@pytest.mark.parametrize("page", ["HTML", "S3", "words", "nothing"])
@pytest.mark.parametrize("by", [(), ("--by", "day"), ("--run-type", "task_v1")], ids=str)
def test_reports_count_a_page_as_a_gap(
    server: LyingServer, archiver: Command, page: str, by: tuple[str, ...]
) -> None:
    made = one(server, "recording")
    server.lie(made, Body(PAGES[page][0]))
    server.add_run(task_run("tsk_2", recording=server.artifact(webm())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "MEDIA", frozenset[ArtifactKind]())
        archiver("fetch", "tsk_1", "tsk_2", "--attempts", "1")
    (row,) = archiver("report", "overview", "--json", *by).json["tables"]["overview"]
    counts = {name: row[name] for name in ("runs", "complete", "incomplete", "artifacts", "gaps")}
    assert counts == {"runs": 2, "complete": 1, "incomplete": 1, "artifacts": 2, "gaps": 1}
    (gap,) = archiver("report", "artifacts", "--json", *by).json["tables"]["gaps"]
    assert (gap["run_id"], gap["kind"], gap["ordinal"]) == ("tsk_1", "recording", 1)
    assert "error page" in gap["reason"]
    archiver("fetch", "tsk_1")
    assert archiver("report", "artifacts", "--json", *by).json["tables"]["gaps"] == []
    assert archiver("report", "overview", "--json", *by).json["tables"]["total"][0]["complete"] == 2


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("archived", [True, False])
def test_a_page_of_what_is_not_offered_any_more_is_gone(
    server: LyingServer, archiver: Command, fetch: Fetch, archive: ArchiveFolder, archived: bool
) -> None:
    server.add_run(task_run("tsk_1", recording_archived=archived))
    assert fetch("tsk_1").states == {"gone": 1}
    archiver("verify", "--require-complete")
    server.clear_requests()
    fetch("tsk_1")
    assert server.requests == []
    assert archive.states("tsk_1", 2) == {"recording 1": "gone"}
