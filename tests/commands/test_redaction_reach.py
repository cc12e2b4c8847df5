"""Where what is to be masked may hide: in escapes, errors, headers, names, links and options."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, Ran
from tests.lying_server import (
    EXPIRED,
    FOREVER,
    Blob,
    Cut,
    ETag,
    Fields,
    Headers,
    LyingServer,
    Redirect,
    Status,
    png,
    task_run,
    webm,
    workflow_run,
)

SECRET = "Zoë-4711 Doe"
PATTERN = r"Zoë-\d+ Doe"
ACCOUNT = 4711_0815_4711_0815_4711_0815
HIDDEN = (
    *(
        SECRET,
        "Zoe\u0308-4711 Doe",
        quote(SECRET),
        quote(SECRET).replace("%C3%AB", "%c3%ab"),
        "https://x.example.com/?q=Zoë-4711+Doe",
    ),
    *(json.dumps(SECRET)[1:-1], "Zo&euml;-4711 Doe", "471108154711"),
)
"""The secret in every form that a browser, a server or a file system may give it."""
OPTIONS = ("--redact", PATTERN, "--redact", r"\b4711\d{8,}\b")


def everywhere(server: LyingServer) -> dict[str, Any]:
    """Fields of an answer, all of them with the secret in all forms."""
    forms = " / ".join(HIDDEN)
    recording = server.artifact(webm(), in_storage=True).url
    shots = [server.artifact(png(n), "screenshot", in_storage=True).url for n in (1, 2)]
    files = [
        server.artifact(form.encode(), "download").entry(
            filename=f"{form}.pdf", note={form: [ACCOUNT, form]}
        )
        for form in HIDDEN[:2]
    ]
    return {
        "recording_url": recording,
        "screenshot_urls": shots,
        "downloaded_files": files,
        "title": forms,
        "failure_reason": forms,
        "output": {forms: {"deep": [[forms, {SECRET: ACCOUNT}]]}, "of": ACCOUNT},
        "errors": [{"error_code": SECRET, "reasoning": forms, "more": {SECRET: 1}}, forms],
        "app_url": f"https://app.example.com/?q={quote(SECRET)}",
        "run_with": SECRET,
        "script_run": {"ai_fallback_triggered": True, SECRET: forms},
        "queued_at": SECRET,
        "zoe_4711": 0,
        SECRET: forms,
        "run_request": {"prompt": forms, "parameters": {SECRET: forms}, "model": {"m": SECRET},
                        "extra_http_headers": {SECRET: forms}, SECRET: ACCOUNT,
                        "webhook_url": f"https://hook.example.com/{quote(SECRET)}?x=1"},
    }  # fmt: skip


def assert_hidden(archive: ArchiveFolder, *runs: Ran) -> None:
    everything = archive.everything() + "".join(ran.out + ran.err for ran in runs)
    # Bytes of artifacts are not looked into.
    own = [path.read_text() for path in archive.root.rglob("downloads/*")]
    for data in own:
        everything = everything.replace(data, "", 1)
    assert [form for form in HIDDEN if form in everything] == []
    assert r"Zo\u00eb" not in everything


@pytest.mark.parametrize("make", [task_run, workflow_run])
def test_no_form_of_it_is_left(
    server: LyingServer,
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    make: Callable[..., dict[str, Any]],
) -> None:
    run_id = server.add_run({**make("tsk_4711", "failed"), **everywhere(server)})
    ran = fetch(run_id, *OPTIONS)
    assert set(archive.states(run_id).values()) == {"verified", "unverified"}
    assert archive.read(run_id, "screenshot 2") == png(2).data
    shown = archiver("show", run_id, "--json")
    asked = [archiver("query", f"FROM {name}", "--format", "json") for name in ("runs", "fetches")]
    assert_hidden(archive, ran, shown, *asked)
    row = archive.row("runs", run_id=run_id)
    assert row["redacted"] == ran.json["redacted"] == archive.manifest(run_id)["redacted"]
    assert row["created_at"] is not None
    told = "*** / *** / *** / *** / https://x.example.com/?q=*** / *** / *** / ***"
    assert archive.row("errors", ordinal=1)["reasoning"] == told
    archiver("verify")
    before = archive.rows("runs")
    archiver("reindex")
    assert archive.rows("runs") == before
    assert fetch(run_id, "--refresh", *OPTIONS).runs == {"asked": 1, "unchanged": 1}


LEAKY = json.dumps({"detail": f"no run for {SECRET}"}).encode()


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (Status(404, LEAKY), 3),
        (Status(500, LEAKY), 3),
        (Status(418, LEAKY), 3),
        (Status(401, LEAKY), 12),
        (Status(418, (b"x" * 190 + SECRET.encode())), 3),
        (Redirect(f"https://elsewhere.example.com/{quote(SECRET)}"), 3),
        (Fields({"status": None}), 3),
    ],
    ids=str,
)
def test_what_the_api_says_is_masked_and_run_ids_are_not(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, lie: Any, code: int
) -> None:
    server.add_run({**task_run("tsk_4711"), **everywhere(server)})
    server.lie("tsk_4711", lie, times=FOREVER)
    for how in (("--log-format", "json"), ("--log-format", "text"), ("--dry-run",)):
        ran = fetch("tsk_4711", *OPTIONS, "--redact", "4711", *how, code=code)
        assert_hidden(archive, ran)
        assert "Zoë-47" not in ran.out + ran.err
        assert code == 12 or "tsk_4711" in ran.out + ran.err


def test_an_api_that_is_down_tells_nothing(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}")) for n in range(101)]
    server.lie("/v1/runs/*", Status(503, LEAKY), times=FOREVER)
    ran = fetch(*ids, *OPTIONS, code=3)
    assert "down" in ran.err
    assert_hidden(archive, ran)


def test_what_storage_says_is_masked(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    kinds = ("application/zoe-4711", "text/plain")
    good, cut, ended = (server.artifact(Blob(2 << 20, n), "download") for n in range(3))
    server.lie(good, Headers({"Content-Type": kinds[0]}))
    server.lie(cut, ETag(('"zoe-4711"',)), Cut(1_500_000), times=FOREVER)
    server.lie(ended, EXPIRED, times=FOREVER)
    server.add_run(task_run("tsk_1", downloads=[good, cut, ended]))
    server.lie("tsk_1", Status(500, b"zoe-4711"), times=FOREVER, after=1)
    ran = fetch("tsk_1", "--redact", "zoe-4711", code=3)
    assert sorted(archive.states("tsk_1").values()) == ["failed", "failed", "verified"]
    assert archive.artifact("tsk_1", "download 1")["served_type"] == "application/***"
    assert "zoe-4711" not in archive.everything() + ran.out + ran.err


def test_links_are_renewed_for_each_artifact_also_where_their_urls_look_alike(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    shots = [server.artifact(png(n), "screenshot", in_storage=True) for n in range(3)]
    server.add_run(task_run("tsk_1", screenshots=shots))
    for shot in shots:
        server.lie(shot, EXPIRED)
    fetch("tsk_1", "--redact-path", "$.screenshot_urls")
    assert {archive.artifact("tsk_1", f"screenshot {n}")["url"] for n in (1, 2, 3)} == {"***"}
    held = [archive.read("tsk_1", f"screenshot {n}") for n in (1, 2, 3)]
    assert held == [png(n).data for n in range(3)]


@pytest.mark.parametrize("options", [("--redact", "setup"), ("--redact-path", "$..filename")])
def test_what_is_left_out_goes_by_the_true_name(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, options: tuple[str, ...]
) -> None:
    files = [server.artifact(b"x", "download", name) for name in ("setup.exe", "bill.pdf")]
    server.add_run(task_run("tsk_1", downloads=files))
    fetch("tsk_1", *options, "--without-name", "setup*")
    assert archive.states("tsk_1") == {"download 1": "excluded", "download 2": "verified"}
    assert "setup" not in archive.artifact("tsk_1", "download 1")["filename"]


def test_options_that_may_tell_it_are_not_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_run({**task_run("tsk_1"), **everywhere(server)})
    monkeypatch.setenv("ARCHIVER_FETCH_REDACT_PATH", f"$.output[?@.x == '{SECRET}']\n$['{SECRET}']")
    fetch("tsk_1", *OPTIONS, "--without-name", f"*{SECRET}*")
    assert {archive.states("tsk_1")[f"download {n}"] for n in (1, 2)} == {"excluded"}
    assert_hidden(archive)
    (record,) = archive.root.glob("ledger/*.json")
    options = json.loads(record.read_bytes())["by"]["options"]
    assert options["redact"] == options["redact-path"] == "(not kept)"
    assert options["without-name"] == "*****"


def test_a_variable_holds_a_pattern_a_line(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_run(task_run("tsk_1", title="Jane Doe and Jane Roe, Doe and Roe"))
    monkeypatch.setenv("ARCHIVER_FETCH_REDACT", "Jane Doe\n\nJane R..\n")
    fetch("tsk_1")
    assert archive.document("tsk_1")["title"] == "*** and ***, Doe and Roe"


def test_places_are_counted_where_a_run_is_kept_anew(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1", output={"a": "x-1", "x-2": "x-3 x-4", "n": 17}))
    assert fetch("tsk_1").json["redacted"] is None
    assert fetch("tsk_1", "--redact", r"x-\d").json["redacted"] == 0
    assert fetch("tsk_1", "--refresh", "--redact", "nowhere").runs == {"asked": 1, "unchanged": 1}
    ran = fetch("tsk_1", "--refresh", "--redact", r"x-\d", "--redact-path", "$.output.n")
    assert ran.json["redacted"] == archive.manifest("tsk_1", 2)["redacted"] == 4
    assert archive.manifest("tsk_1", 1)["redacted"] is None
    assert archive.document("tsk_1", 1)["output"]["n"] == 17
    assert "4 places masked" in fetch.command(
        "fetch", "tsk_1", "--archive", archive.root.parent / "other",
        "--redact", r"x-\d", "--redact-path", "$.output.n"
    ).out  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["$.run_id", "$['status']", "$.created_at", "$.downloaded_files[*].checksum",
     "$.downloaded_files[0].artifact_id", "$.recording_archived"],
)  # fmt: skip
def test_a_path_to_what_the_archive_lives_by_is_refused(fetch: Fetch, path: str) -> None:
    told = fetch("tsk_1", "--redact-path", path, code=2).err
    assert path in told
    assert "lives by" in told


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--redact-path", "output.name", "JSON path"),
        ("--redact-path", "$.output.~name", "JSON path"),
        ("--redact-path", "$[?search(@.x, '(')]", "regular expression"),
        ("--redact-path", "$[?match(@.x, '(?=x)')]", "regular expression"),
        ("--redact", "a)(b", "regular expression"),
        ("--redact", r"\Qabc", "regular expression"),
        ("--redact", "(?:x{1000}){1000}", "regular expression"),
        ("--without-type", "video", "media types"),
    ],
)
def test_settings_that_can_do_nothing_are_refused_by_name(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, option: str, value: str, told: str
) -> None:
    err = fetch("tsk_1", option, value, code=2).err
    assert told in err
    assert f"{option} {value!r}" in err
    assert server.requests == []


def test_what_cannot_be_read_any_more_is_no_problem_of_the_answer(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    run = task_run("tsk_1", step_count=3, errors=[{"confidence_float": 0.5}, {}])
    server.add_run(run)
    paths = ("$.run_request", "$.step_count", "$.errors[*].confidence_float", "$.errors[1]")
    fetch("tsk_1", *(word for path in paths for word in ("--redact-path", path)))
    row = archive.row("runs", run_id="tsk_1")
    assert (row["step_count"], row["request_prompt"], row["problems"]) == (None, None, [])
    assert [row["confidence"] for row in archive.rows("errors")] == [None, None]


def test_an_earlier_copy_stays_where_the_new_one_is_left_out(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    recording = server.artifact(webm())
    early = task_run("tsk_1", "running", recording=recording)
    server.add_run(early, task_run("tsk_1", recording=recording))
    assert fetch("tsk_1", "--settle", "0").states == {"unverified": 1}
    before = archive.read("tsk_1", "recording 1")
    assert fetch("tsk_1", "--without-type", "video/*").states == {"unverified": 1}
    assert archive.manifest("tsk_1", 2)["is_complete"]
    assert archive.read("tsk_1", "recording 1", 2) == before
    assert "--without-type" in archive.artifact("tsk_1", "recording 1", 2)["reason"]
