"""What the API refuses or gets wrong costs that run, or ends the batch where nothing can help."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.session import open_for_writing
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import (
    EMPTY,
    FORBIDDEN,
    FOREVER,
    HTML_PAGE,
    SERVER_ERROR,
    UNAUTHORIZED,
    Delay,
    Extra,
    Fields,
    GzipBomb,
    HangUp,
    HugeOutput,
    Lie,
    LyingServer,
    NestedOutput,
    Recoded,
    Reset,
    Status,
    task_run,
    throttled,
)

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
NO_RUN = [
    pytest.param(HTML_PAGE, id="HTML"),
    pytest.param(EMPTY, id="nothing"),
    pytest.param(Extra(b"}"), id="JSON and more"),
    pytest.param(Recoded(), id="latin-1"),
    pytest.param(NestedOutput(50_000), id="nested deeply"),
    pytest.param(Fields(without=("status",)), id="no status"),
    pytest.param(Fields({"status": None}), id="null status"),
    pytest.param(Fields({"status": ["completed"]}), id="a list as status"),
    pytest.param(Fields(without=("run_id",)), id="no id"),
    pytest.param(Fields({"run_id": "tsk_other"}), id="another id"),
    pytest.param(Fields({"run_id": "tsk_v2_1"}), id="another task's id"),
    pytest.param(Fields({"run_id": "../../tsk_1"}), id="an id that is a path"),
    pytest.param(Fields({"run_id": 7}), id="a number as id"),
    pytest.param(HugeOutput(3_000_000), id="too large"),
    pytest.param(GzipBomb(50 << 20), id="too large when unpacked"),
    pytest.param(Status(200, b"[]"), id="a list"),
    pytest.param(Status(200, b"null"), id="null"),
    pytest.param(Status(200, b"\xff\xfe{}"), id="binary"),
    pytest.param(Status(204), id="204"),
    pytest.param(Status(400, b'{"detail":"no"}'), id="400"),
    pytest.param(Status(422), id="422"),
    pytest.param(SERVER_ERROR, id="500"),
    pytest.param(throttled(), id="429"),
    pytest.param(HangUp(), id="hung up"),
    pytest.param(Reset(), id="reset"),
]


@pytest.mark.parametrize("lie", NO_RUN)
def test_an_answer_that_is_no_run_has_failed_and_the_rest_goes_on(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Lie
) -> None:
    for run_id in ("tsk_1", "tsk_2", "tsk_3"):
        server.add_run(task_run(run_id))
    server.lie("tsk_2", lie, times=FOREVER)

    ran = fetch("tsk_1", "tsk_2", "tsk_3", "--max-document-size", "2MB", code=3)

    assert ran.runs == {"asked": 3, "fetched": 2, "failed": 1}
    (problem,) = ran.json["problems"]
    assert (problem["run_id"], problem["kind"], problem["ordinal"]) == ("tsk_2", None, None)
    assert problem["reason"]
    assert not list(archive.root.glob("runs/**/tsk_2"))
    row = archive.row("fetches", asked_id="tsk_2")
    assert (row["outcome"], row["run_id"], row["reason"]) == ("failed", None, problem["reason"])
    assert {row["run_id"] for row in archive.rows("runs")} == {"tsk_1", "tsk_3"}


def test_a_run_that_failed_is_asked_for_again(server: LyingServer, fetch: Fetch) -> None:
    for run_id in ("tsk_1", "tsk_2"):
        server.add_run(task_run(run_id))
    server.lie("tsk_2", HTML_PAGE)
    fetch("tsk_1", "tsk_2", code=3)
    assert fetch("tsk_1", "tsk_2").runs == {"asked": 2, "fetched": 1, "unchanged": 1}


def test_a_workflow_run_that_another_workflow_run_answers_for_has_failed(
    server: LyingServer, fetch: Fetch
) -> None:
    server.add_run(task_run("wr_2"), run_id="wr_1")
    server.add_run(task_run("tsk_2"), run_id="wr_3")
    assert fetch("wr_1", "wr_3", code=3).runs == {"asked": 2, "failed": 2}


def test_a_run_that_is_not_known_is_not_found(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1"))
    ran = fetch("tsk_1", "tsk_9", "--attempts", "3", code=3)

    assert ran.runs == {"asked": 2, "fetched": 1, "not_found": 1}
    assert "tsk_9" in ran.reasons[0]
    assert server.count("/v1/runs/tsk_9") == 1
    row = archive.row("fetches", asked_id="tsk_9")
    assert (row["outcome"], row["http_status"], row["requests"]) == ("not_found", 404, 1)
    assert fetch("tsk_9", code=3).runs == {"asked": 1, "not_found": 1}


@pytest.mark.parametrize("refusal", [UNAUTHORIZED, FORBIDDEN], ids=["401", "403"])
def test_a_refused_key_ends_the_batch(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, refusal: Status
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(200)]
    server.lie("/v1/runs/*", refusal, times=FOREVER)

    ran = fetch(*ids, "--attempts", "5", "--api-concurrency", "1", code=12)

    assert ran.json["runs"]["fetched"] == 0
    assert "SKYVERN_API_KEY" in ran.err
    assert server.key not in ran.err
    # Those under way when the refusal came may have been asked for, the rest must not.
    assert len(server.requests) <= 10
    assert archive.rows("runs") == []


def test_what_was_had_before_the_key_was_refused_is_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(30)]
    server.lie("/v1/runs/*", UNAUTHORIZED, times=FOREVER, after=20)
    fetch(*ids, "--api-concurrency", "1", "--attempts", "2", code=12)

    kept = {row["run_id"] for row in archive.rows("runs")}
    assert kept == {path.parents[1].name for path in archive.root.rglob("manifest.json")}
    # What was answered and is still under way when the last one is refused is left.
    assert 15 <= len(kept) <= 20
    server.stop_lying()
    server.clear_requests()
    left = 30 - len(kept)
    assert fetch(*ids).runs == {"asked": 30, "fetched": left, "unchanged": len(kept)}
    assert len(server.requests) == left


NOT_THE_KEY = [
    pytest.param(
        Status(403, b"<!doctype html><title>Just a moment</title>", "text/html"), id="HTML"
    ),
    pytest.param(Status(403, b"Forbidden by policy 7", "text/plain"), id="text"),
    pytest.param(Status(403, b'{"message":"Forbidden"}'), id="another's JSON"),
    pytest.param(Status(403, b'["detail"]'), id="a list"),
    pytest.param(Status(403, b'{"detail":"cut'), id="half of JSON"),
    pytest.param(Status(401), id="nothing"),
    pytest.param(Status(401, headers={"WWW-Authenticate": "Basic"}), id="a proxy's"),
    pytest.param(throttled(0, 403), id="403 with Retry-After"),
    pytest.param(Status(404, b"<h1>Not found</h1>", "text/html"), id="404 of another"),
    pytest.param(Status(404, b'{"error":"no route"}'), id="404 in another's JSON"),
]


@pytest.mark.parametrize("refusal", [*NOT_THE_KEY, UNAUTHORIZED, FORBIDDEN])
def test_one_run_that_is_refused_costs_that_run(
    server: LyingServer, fetch: Fetch, at_once: None, refusal: Status
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(12)]
    server.lie("tsk_7", refusal, times=FOREVER)
    ran = fetch(*ids, "--api-concurrency", "1", "--attempts", "3", code=3)
    assert ran.runs == {"asked": 12, "fetched": 11, "failed": 1}
    assert server.count("/v1/runs/tsk_7") == 3
    server.stop_lying()
    assert fetch(*ids).runs == {"asked": 12, "fetched": 1, "unchanged": 11}


@pytest.mark.parametrize("refusal", [*NOT_THE_KEY[:8], UNAUTHORIZED, FORBIDDEN])
@pytest.mark.parametrize("run_id", ["tsk_0", "tsk_3"])
def test_a_refusal_that_passes_costs_nothing(
    server: LyingServer, fetch: Fetch, at_once: None, refusal: Status, run_id: str
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(4)]
    server.lie(run_id, refusal)
    ran = fetch(*ids, "--api-concurrency", "1", "--attempts", "3")
    assert ran.runs == {"asked": 4, "fetched": 4}


def test_a_few_runs_that_are_refused_at_the_end_are_not_the_keys_fault(
    server: LyingServer, fetch: Fetch, at_once: None
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(12)]
    for run_id in ids[6:]:
        server.lie(run_id, FORBIDDEN, times=FOREVER)
    ran = fetch(*ids, "--api-concurrency", "1", "--attempts", "5", code=3)
    assert ran.runs == {"asked": 12, "fetched": 6, "failed": 6}


@pytest.mark.parametrize("answered", [0, 5])
def test_a_key_that_is_refused_for_good_ends_the_session(
    server: LyingServer, fetch: Fetch, at_once: None, answered: int
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(100)]
    server.lie("/v1/runs/*", FORBIDDEN, times=FOREVER, after=answered)
    ran = fetch(*ids, "--api-concurrency", "4", "--attempts", "2", code=12)
    assert ran.json["runs"]["fetched"] == answered
    assert len(server.requests) <= answered + 30
    assert "SKYVERN_API_KEY" in ran.err


@pytest.mark.parametrize("refusal", NOT_THE_KEY[:8])
def test_a_refusal_by_another_is_never_taken_for_the_keys(
    server: LyingServer, fetch: Fetch, at_once: None, refusal: Status
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(5)]
    server.lie("/v1/runs/*", refusal, times=FOREVER)
    assert "refused the key" not in fetch(*ids, "--attempts", "2", code=3).err


@pytest.mark.parametrize("key", [None, "", "  ", "schlüssel", "two\nlines"])
def test_without_a_key_nothing_begins(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    monkeypatch: pytest.MonkeyPatch,
    key: str | None,
) -> None:
    monkeypatch.delenv("SKYVERN_API_KEY")
    if key is not None:
        monkeypatch.setenv("SKYVERN_API_KEY", key)

    ran = fetch("tsk_1", code=2)

    assert "SKYVERN_API_KEY" in ran.err
    assert (server.requests, archive.root.exists()) == ([], False)


def test_the_key_is_no_option(fetch: Fetch, archive: ArchiveFolder) -> None:
    assert "api-key" in fetch("tsk_1", "--api-key", "secret", code=2).err
    assert not archive.root.exists()


@pytest.mark.parametrize(
    "address",
    [
        "api.skyvern.com",
        "ftp://host",
        "https://",
        "http://user:pass@host",
        "http://h:99999",
        "x y",
        "u:pass@h",
        "//u:pass@h",
        "http:u:pass@h",
        "http:///u:pass@h",
        "http://u:pass/x@h",
        "http://u:pass#x@h",
        "http://h/u:pass@x",
    ],
)
def test_a_base_url_that_is_none_is_refused(
    fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SKYVERN_BASE_URL", address)
    ran = fetch("tsk_1", code=2)
    assert "pass" not in ran.err
    assert not archive.root.exists()


@pytest.mark.parametrize("ending", ["/", "/v1", "/v1/"])
def test_a_base_url_may_end_as_it_does_in_the_documentation(
    server: LyingServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("SKYVERN_BASE_URL", server.base_url + ending)
    server.add_run(task_run("tsk_1"))
    assert fetch("tsk_1").runs == {"asked": 1, "fetched": 1}


def test_an_api_that_is_not_there_fails_every_run(
    fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYVERN_BASE_URL", "http://127.0.0.1:1")
    ran = fetch("tsk_1", "tsk_2", code=3)
    assert ran.runs == {"asked": 2, "failed": 2}
    assert ran.json["head"] is None
    assert "http://127.0.0.1:1: check SKYVERN_BASE_URL" in ran.err
    assert not archive.root.exists()


@pytest.mark.parametrize("before", [(), ("lost+found",), ("tmp",)])
def test_a_first_fetch_that_got_no_answer_leaves_the_folder_as_it_was(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    before: tuple[str, ...],
) -> None:
    archive.root.mkdir()
    for name in before:
        (archive.root / name).mkdir()
    server.add_run(task_run("tsk_1"))
    server.lie("tsk_1", HangUp(), times=FOREVER)
    fetch("tsk_1", code=3)
    assert {path.name for path in archive.root.iterdir()} == set(before) - {"tmp"}
    server.stop_lying()
    assert fetch("tsk_1").runs == {"asked": 1, "fetched": 1}
    server.lie("tsk_2", HangUp(), times=FOREVER)
    fetch("tsk_2", code=3)
    assert archive.row("fetches", asked_id="tsk_2")["http_status"] is None
    archiver("verify")


def test_what_is_no_skyvern_api_ends_the_session_at_once(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    ids = [f"tsk_{n}" for n in range(50)]
    server.lie("/v1/runs/*", Status(404, b"<h1>nginx</h1>", "text/html"), times=FOREVER)
    ran = fetch(*ids, "--attempts", "5", "--api-concurrency", "2", code=3)
    assert f"{server.base_url} is no Skyvern API" in ran.err
    assert len(server.requests) <= 4
    assert not archive.root.exists()


@pytest.mark.parametrize("lie", [None, HTML_PAGE, SERVER_ERROR])
def test_where_no_run_could_be_had_one_line_says_where_to_look(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Lie | None
) -> None:
    ids = [f"tsk_{n}" for n in range(40)]
    if lie is not None:
        server.lie("/v1/runs/*", lie, times=FOREVER)
    ran = fetch(*ids, code=3)
    (line,) = [line for line in ran.err.splitlines() if "SKYVERN_BASE_URL" in line]
    assert server.base_url in line
    assert "organization" in line
    assert ran.err.count("warning: ") <= 25
    if lie is None:
        assert ran.err.count("the API does not know it") == 3
        assert "the API does not know 37 more" in ran.err


def test_where_one_run_could_be_had_the_address_is_right(server: LyingServer, fetch: Fetch) -> None:
    server.add_run(task_run("tsk_1"))
    ran = fetch("tsk_1", "tsk_2", code=3)
    assert "SKYVERN_BASE_URL" not in ran.err
    assert "SKYVERN_BASE_URL" not in fetch("tsk_1", "tsk_2", code=3).err


def test_a_folder_that_holds_something_else_is_left_alone(
    server: LyingServer, fetch: Fetch, tmp_path: Path
) -> None:
    other = tmp_path / "documents"
    other.mkdir()
    (other / "letter.txt").write_text("dear")

    assert str(other) in fetch("tsk_1", "--archive", other, code=10).err
    assert [path.name for path in other.iterdir()] == ["letter.txt"]
    assert server.requests == []


@pytest.mark.parametrize("name", ["tmp/photo.jpg", "tmp/thesis/one.txt", "tmp/lock-notes.md"])
def test_a_folder_of_that_name_with_something_else_in_it_is_left_alone(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, name: str
) -> None:
    (archive.root / name).parent.mkdir(parents=True)
    (archive.root / name).write_text("dear")
    assert "tmp" in fetch("tsk_1", code=10).err
    assert (archive.root / name).read_text() == "dear"


@pytest.mark.parametrize("refusal", [FORBIDDEN, Status(404, b"<h1>no</h1>", "text/html")])
def test_a_run_that_is_refused_before_others_are_answered_costs_that_run(
    server: LyingServer, archiver: Command, refusal: Status
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(6)]
    server.lie("tsk_0", refusal, times=FOREVER)
    for run_id in ids[1:]:
        server.lie(run_id, Delay(1.0))
    ran = archiver("fetch", *ids, "--attempts", "2", "--json", code=3)
    assert ran.runs == {"asked": 6, "fetched": 5, "failed": 1}


def test_an_empty_folder_becomes_an_archive(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    archive.root.mkdir()
    server.add_run(task_run("tsk_1"))
    assert fetch("tsk_1").runs == {"asked": 1, "fetched": 1}


@pytest.mark.parametrize("command", ["query", "show", "verify", "reindex"])
def test_commands_that_read_make_no_archive(
    archiver: Command, archive: ArchiveFolder, command: str
) -> None:
    argument = {"query": ["SELECT 1"], "show": ["tsk_1"]}.get(command, [])
    assert str(archive.root) in archiver(command, *argument, code=10).err
    assert not archive.root.exists()


@pytest.mark.parametrize("command", ["fetch", "query", "show", "verify", "reindex"])
@pytest.mark.parametrize(
    "beginning",
    [
        {"format": 3, "tool": "x", "created_at": "2026-01-01T00:00:00Z"},
        {"format": "1"},
        [],
        "cut off",
    ],
)
def test_a_newer_or_broken_format_is_refused(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, command: str, beginning: object
) -> None:
    archive.root.mkdir()
    text = beginning if isinstance(beginning, str) else json.dumps(beginning)
    (archive.root / "archive.json").write_text(text)
    argument = {"query": ["SELECT 1"], "show": ["tsk_1"], "fetch": ["tsk_1"]}.get(command, [])

    archiver(command, *argument, code=10)
    assert [path.name for path in archive.root.iterdir()] == ["archive.json"]
    assert server.requests == []


@pytest.mark.parametrize("command", ["fetch", "reindex"])
def test_a_second_writer_is_told_who_holds_the_archive(
    server: LyingServer, archiver: Command, fetch: Fetch, archive: ArchiveFolder, command: str
) -> None:
    server.add_run(task_run("tsk_1"))
    fetch("tsk_1")
    server.clear_requests()
    with open_for_writing(archive.root, NOW, b"abcd") as writer:
        ran = archiver(command, *(["tsk_2"] if command == "fetch" else []), code=11)
        assert writer.session in ran.err
        assert str(os.getpid()) in ran.err
        assert server.requests == []
        # Readers need no lock.
        archiver("query", "FROM runs")
        archiver("show", "tsk_1")
        archiver("verify", "--no-record")
    assert fetch("tsk_1").runs == {"asked": 1, "unchanged": 1}


def test_a_disk_that_refuses_ends_the_batch_with_a_reason(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1"))
    fetch("tsk_9", code=3)
    (archive.root / "runs").write_text("in the way")
    assert "runs" in fetch("tsk_1", code=3).err
