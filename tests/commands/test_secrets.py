"""Keys, credentials and signatures stay in memory: nothing of them reaches disk or terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, Ran
from tests.lying_server import (
    EXPIRED_S3,
    FOREVER,
    SERVER_ERROR,
    Artifact,
    Corrupt,
    Cut,
    Lie,
    LyingServer,
    Redirect,
    Reset,
    Status,
    png,
    task_run,
    webm,
    workflow_run,
)

HEADER = "Bearer eyJhbGciOi.header-value-4711"
COOKIE = "session=c00kie-of-the-shop"
CDP = "cdp-token-0815-xyz"
PASSWORD = "p4ssword-of-the-hook"
TOKEN = "tok-9f8e7d6c5b"
PROXY = "pr0xy-secret-1a2b"
REQUEST: dict[str, Any] = {
    "extra_http_headers": {"Authorization": HEADER, "Cookie": COOKIE, "X-Shop": "s" * 24},
    "cdp_connect_headers": {"X-Cdp-Token": CDP},
    "webhook_url": f"https://hook:{PASSWORD}@hooks.example.com/skyvern?token={TOKEN}&kind=run#{TOKEN}",
    "totp_url": f"https://totp.example.com/codes?api_key={TOKEN}-totp",
    "browser_address": f"wss://agent:{PASSWORD}@browser.example.com/devtools?token={TOKEN}-cdp",
    "proxy_location": {"server": f"http://p:{PROXY}@proxy.example.com:3128", "password": PROXY},
    "proxy_url": f"socks5://p:{PROXY}@proxy.example.com:1080",
}
SECRETS = (
    *(HEADER, HEADER.split()[1], COOKIE, "s" * 24, CDP, PASSWORD, TOKEN, PROXY),
    *("sig=", "X-Amz-", "x-amz-", "expiry=", "Signature="),
)


def signed(server: LyingServer, artifact: Artifact) -> dict[str, Any]:
    """Signed links as they stand in outputs of workflow runs."""
    api, storage = server.link(artifact, "api"), server.link(artifact, "storage")
    return {
        "screenshots": [api, storage],
        "text": f"see <a href='{api}'>this</a> and {storage}, or (escaped) {json.dumps(storage)}",
        "html": storage.replace("&", "&amp;"),
        "nested": [{"deep": {"deeper": [f"https://app.example.com/?next={storage}"]}}],
        "quoted": "https://x.example.com/?u="
        + storage.replace(":", "%3A").replace("/", "%2F").replace("?", "%3F").replace("=", "%3D"),
    }


@pytest.fixture
def file(server: LyingServer) -> Artifact:
    return server.artifact(b"%PDF-1.7 x", "download", in_storage=True)


@pytest.fixture
def ids(server: LyingServer, file: Artifact) -> list[str]:
    """A task and a workflow run that are full of secrets."""
    shot = server.artifact(png(), "screenshot")
    output = signed(server, shot)
    echo = f"the hook answered 500 to {REQUEST['webhook_url']} with {HEADER}, key {server.key}"
    return [
        server.add_run(
            task_run(
                "tsk_1",
                recording=server.artifact(webm(), in_storage=True),
                screenshots=[shot],
                downloads=[file],
                request=REQUEST,
                output=output,
            )
        ),
        server.add_run(
            workflow_run(
                "wr_1",
                "failed",
                screenshots=[shot],
                request={**REQUEST, "parameters": {"auth": HEADER, "link": output["html"]}},
                output=output,
                failure_reason=f"{echo} while loading {server.link(shot, 'storage')}",
                errors=[{"error_code": "E1", "reasoning": echo, "confidence_float": 0.5}],
                attempts=[{"attempt_number": 1, "failure_reason": echo}],
            )
        ),
    ]


def assert_no_secrets(server: LyingServer, archive: ArchiveFolder, *runs: Ran) -> None:
    everything = archive.everything() + "".join(ran.out + ran.err for ran in runs)
    leaked = [secret for secret in (*SECRETS, server.key) if secret in everything]
    assert leaked == []


def test_nothing_that_is_written_or_said_holds_a_secret(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, ids: list[str]
) -> None:
    said = [
        fetch(*ids),
        fetch(*ids, "--refresh", "--log-format", "json"),
        archiver("show", "tsk_1"),
        archiver("show", "wr_1", "--json"),
        archiver("query", "FROM runs"),
        archiver("query", "FROM documents", "--format", "json"),
        archiver("fetch", *ids, "--dry-run", "--refresh"),
        archiver("reindex"),
        archiver("verify"),
    ]
    assert archive.states("tsk_1").keys() == {"recording 1", "screenshot 1", "download 1"}
    assert_no_secrets(server, archive, *said)


def test_names_stay_and_a_mark_shows_that_something_was_there(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, ids: list[str]
) -> None:
    fetch(*ids)
    for run_id in ids:
        request = archive.document(run_id)["run_request"]
        assert request["extra_http_headers"].keys() == REQUEST["extra_http_headers"].keys()
        assert request["cdp_connect_headers"].keys() == {"X-Cdp-Token"}
        assert len({*request["extra_http_headers"].values(), "***"}) == 1
        for name, host in (
            ("webhook_url", "hooks.example.com/skyvern"),
            ("totp_url", "totp.example.com/codes"),
            ("browser_address", "browser.example.com/devtools"),
            ("proxy_url", "proxy.example.com:1080"),
        ):
            assert host in request[name]
            assert "***" in request[name]
        assert "token=***&kind=***" in request["webhook_url"]
        assert request["proxy_location"]["password"] == "***"
        row = archive.row("runs", run_id=run_id)
        assert row["request_webhook_url"] == request["webhook_url"]
        assert json.loads(row["request_extra_http_headers"]) == request["extra_http_headers"]
    assert archive.document("tsk_1")["recording_url"].startswith(server.storage_url)
    assert archive.artifact("tsk_1", "recording 1")["url"].startswith(server.storage_url)


def test_signed_links_as_names_of_fields_are_cut_too(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    shot = server.artifact(png(), "screenshot", in_storage=True)
    server.add_run(task_run("tsk_1", output={server.link(shot): "checked", "n": 1}))
    assert_no_secrets(server, archive, fetch("tsk_1"))


@pytest.mark.parametrize(
    "lie",
    [
        SERVER_ERROR,
        EXPIRED_S3,
        Corrupt(3),
        Cut(3),
        Reset(),
        Redirect(),
        Redirect("file:///etc/passwd"),
        Redirect("http://127.0.0.1:1/x?X-Amz-Signature=0815&sig=4711"),
        Redirect("http://user:p4ssword-of-the-hook@[::1/?sig=1"),
        Status(403, b"X-Amz-Signature=4711 sig=4711"),
    ],
    ids=str,
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_download_that_fails_tells_no_secret(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    ids: list[str],
    lie: Lie,
    log_format: str,
) -> None:
    server.lie("/skyvern-artifacts/*", lie, times=FOREVER)
    server.lie("/v1/artifacts/*", lie, times=FOREVER)
    ran = fetch(*ids, "--log-format", log_format, code=3)

    assert {"failed", "mismatch"} >= set(archive.states("tsk_1").values()) - {"unverified"}
    assert ran.reasons
    assert_no_secrets(server, archive, ran)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a?sig=4711",
        "http://127.0.0.1:99999/a?sig=4711",
        "http://[::1/a?sig=4711",
        "http://ho st/a?sig=4711",
        "http://127.0.0.1:1/a\x7f?sig=4711",
        "http://user:p4ssword-of-the-hook@127.0.0.1:1/a?sig=4711",
        "ftp://127.0.0.1/a?sig=4711",
        "http://xn--a/a?sig=4711",
        "http:///a?sig=4711",
        "?sig=4711",
        "",
        "http://127.0.0.1:1/\ud800?sig=4711",
    ],
)
def test_a_url_that_leads_nowhere_costs_its_artifact_and_is_not_told(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, url: str
) -> None:
    good = server.artifact(png(), "screenshot")
    entry = server.artifact(b"x", "download").entry(url=url)
    body = json.dumps(task_run("tsk_1", screenshots=[good, url], downloads=[entry])).encode()
    server.add_run(body, run_id="tsk_1")
    server.add_run(task_run("tsk_2", screenshots=[good]))

    ran = fetch("tsk_1", "tsk_2", code=3)
    assert archive.states("tsk_1")["screenshot 1"] == "unverified"
    assert archive.states("tsk_1")["download 1"] in ("failed", "gone")
    assert archive.states("tsk_2") == {"screenshot 1": "unverified"}
    assert_no_secrets(server, archive, ran)


def test_the_apis_refusals_tell_no_secret(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, ids: list[str]
) -> None:
    detail = f'{{"detail":"no {server.key} for https://x.example.com/a?sig=4711&expiry=5"}}'
    server.lie("tsk_1", Status(404, detail.encode()))
    server.lie("wr_1", Status(500, detail.encode()))
    not_found = fetch("tsk_1", "wr_1", code=3)
    server.lie("tsk_1", Redirect(f"https://u:{PASSWORD}@x.example.com/a?sig=4711"))
    redirected = fetch("tsk_1", code=3)
    server.lie("tsk_1", Status(401, detail.encode()))
    refused = fetch("tsk_1", code=12)
    assert_no_secrets(server, archive, not_found, redirected, refused)


def test_the_key_goes_to_the_api_alone(server: LyingServer, fetch: Fetch, ids: list[str]) -> None:
    fetch(*ids)

    asked = [request for request in server.requests if request.path.startswith("/v1/runs/")]
    others = [request for request in server.requests if request not in asked]
    assert len(asked) == 2
    assert {request.headers["x-api-key"] for request in asked} == {server.key}
    assert {request.origin for request in others} == {"api", "storage"}
    for request in others:
        assert server.key not in str(request)
        assert not request.headers.keys() & {"x-api-key", "authorization", "cookie"}
        assert request.headers["accept-encoding"] == "identity"
        assert "httpx" not in request.headers["user-agent"]


HANDED_OVER: dict[str, Any] = {
    "parameters": {
        "login": {"clientSecretValue": "zQ7-client", "user": "ann"},
        "page_token": "zQ7-page",
        "storage_state": {"cookies": [{"name": "sid", "value": "zQ7-cookie"}]},
        "max_tokens": 4096,
    },
    "model": {"name": "m-1", "api_key": "zQ7-model"},
    "webhook_url": "https://hooks.example.com/services/zQ7-path",
}


@pytest.fixture
def named(server: LyingServer) -> str:
    output = {"block": {"headers": {"Set-Cookie": "zQ7-header"}, "log": "Bearer zQ7-bearer"}}
    return server.add_run(task_run("tsk_1", request=HANDED_OVER, output=output))


def test_what_is_named_as_a_secret_reaches_neither_disk_nor_terminal(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, named: str
) -> None:
    server.add_run(task_run("tsk_2"))
    server.lie("tsk_2", Status(500, b'{"detail": "sent Bearer zQ7-error"}'), times=FOREVER)
    said = [
        fetch(named, "tsk_2", code=3),
        archiver("show", named, "--json"),
        archiver("query", "FROM documents", "--format", "json"),
    ]
    assert "zQ7" not in archive.everything() + "".join(ran.out + ran.err for ran in said)
    request = archive.document(named)["run_request"]
    assert request["parameters"]["login"]["user"] == "ann"
    assert request["parameters"]["max_tokens"] == 4096
    assert archive.row("runs", run_id=named)["redacted"] is None


@pytest.mark.parametrize("way", ["option", "variable", "config"])
def test_what_must_stay_is_named(
    fetch: Fetch,
    archive: ArchiveFolder,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    if way == "option":
        fetch(named, "--unmask", "PageToken", "--unmask", "api-key")
    elif way == "variable":
        monkeypatch.setenv("ARCHIVER_FETCH_UNMASK", "PageToken\napi-key")
        fetch(named)
    else:
        config = tmp_path / "night.toml"
        config.write_text('[fetch]\nunmask = ["PageToken", "api-key"]\n')
        fetch(named, "--config", config)
    request = archive.document(named)["run_request"]
    assert request["parameters"]["page_token"] == "zQ7-page"
    assert request["model"]["api_key"] == "zQ7-model"
    assert request["parameters"]["login"]["clientSecretValue"] == "***"


def test_a_name_to_keep_that_is_none_is_refused(fetch: Fetch, named: str) -> None:
    assert "--unmask '-_' is no name of a field" in fetch(named, "--unmask", "-_", code=2).err
