"""Options come from the command line, the environment, and a file, in this order."""

import json
from pathlib import Path

import click
import pytest

from archiver.cli.config import config_files
from archiver.cli.main import cli
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, Ran, child_environment, run_child
from tests.lying_server import FOREVER, UNAUTHORIZED, LyingServer, png, task_run, webm


@pytest.fixture(autouse=True)
def known(server: LyingServer) -> None:
    recording = server.artifact(webm())
    server.add_run(
        task_run("tsk_1", recording=recording, screenshots=[server.artifact(png(), "screenshot")])
    )


def excluded(archive: ArchiveFolder) -> set[str]:
    return {name for name, state in archive.states("tsk_1").items() if state == "excluded"}


def test_a_file_sets_options_for_each_command(
    archiver: Command, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARCHIVER_ARCHIVE")
    Path("archiver.toml").write_text(
        f"""
        archive = {json.dumps(str(archive.root))}
        sign-key = "key"
        [fetch]
        without = ["recording"]
        max-file-size = 5000
        api_concurrency = 2
        settle = "1m"
        json = true
        [query]
        format = "json"
        """
    )
    archiver("keygen", "key")
    assert archiver("fetch", "tsk_1").json["runs"]["fetched"] == 1
    assert excluded(archive) == {"recording 1"}
    assert len(list(archive.root.glob("ledger/*.sig"))) == 1
    assert archiver("query", "SELECT count(*) AS n FROM runs").json == [{"n": 1}]
    assert archiver("query", "SELECT 1 AS n", "--format", "csv").out == "n\n1\n"


def test_a_file_may_have_any_name(fetch: Fetch, archiver: Command, archive: ArchiveFolder) -> None:
    Path("night.toml").write_text('[fetch]\nonly = "screenshot"\nquiet = true\n')
    ran = archiver("--config", "night.toml", "fetch", "tsk_1")
    assert (ran.out, ran.err) == ("", "")
    assert excluded(archive) == {"recording 1"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[fetch]\nrecordings = false\n", "fetch.recordings"),
        ("[fetsh]\nsettle = 5\n", "fetsh"),
        ("settle = 5\n", "settle"),
        ("fetch = 3\n", "fetch"),
        ("[fetch.deep]\nx = 1\n", "fetch.deep"),
        ("[fetch]\napi-concurrency = 'many'\n", "api-concurrency"),
        ("[fetch]\napi-concurrency = 0\n", "api-concurrency"),
        ("[fetch]\napi-concurrency = [1, 2]\n", "api-concurrency"),
        ("[fetch]\nsettle = 'soon'\n", "settle"),
        ("[fetch]\nsettle = 2026-01-01\n", "settle"),
        ("[fetch]\nonly = ['videos']\n", "only"),
        ("[fetch]\nonly = 3\n", "only"),
        ("[fetch]\nquiet = 'perhaps'\n", "quiet"),
        ("[fetch]\nlog-format = ''\n", "log-format"),
        ("[fetch]\nrun-ids = ['tsk_1']\n", "run-ids"),
        ("archive = 5\n", "archive"),
        ("archive = ['a']\n", "archive"),
        ("[fetch]\nmax-file-size = 'big'\n", "fetch.max-file-size"),
        ("[fetch]\nattempts = 'x'\n", "fetch.attempts"),
        ("[fetch]\nlocal-artifacts = '/no/such/folder'\n", "fetch.local-artifacts"),
        ("[fetch]\nsettle = 10\n", "fetch.settle: '10' has no unit"),
        ("[fetch]\nmax-file-size = 1\nmax_file_size = 2\n", "twice"),
        ("tsa-url = 'x'\ntsa_url = 'y'\n", "twice"),
        ("archive = 's3://bucket/x'\n", "s3://"),
        ("[fetch\n", "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    told: str,
) -> None:
    if text.startswith("archive"):
        monkeypatch.delenv("ARCHIVER_ARCHIVE")
    Path("archiver.toml").write_text(text)
    err = fetch("tsk_1", code=2).err.replace("_", "-")
    assert told in err
    assert "archiver.toml" in err
    assert (server.requests, archive.root.exists()) == ([], False)


def test_the_config_file_is_named_before_or_after_the_command_and_after_counts(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, tmp_path: Path
) -> None:
    Path("none.toml").write_text('[fetch]\nonly = ["none"]\nquiet = true\n')
    Path("night.toml").write_text('[fetch]\nonly = "screenshot"\nquiet = true\n')
    archiver("--config", "none.toml", "fetch", "tsk_1", "--config", "night.toml")
    assert excluded(archive) == {"recording 1"}
    other = ArchiveFolder(tmp_path / "other")
    archiver("fetch", "--config", "none.toml", "tsk_1", "--archive", other.root)
    assert excluded(other) == {"recording 1", "screenshot 1"}


def test_a_config_file_that_is_wrong_hides_no_help(
    archiver: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("archiver.toml").write_text("[fetch\n")
    monkeypatch.setenv("ARCHIVER_FETCH_SETLE", "1h")
    for asked in (
        *(["--help"], ["--config", "archiver.toml", "--help"], ["fetch", "--help"]),
        *(["fetch", "--config", "archiver.toml", "--help"], ["help"], ["help", "fetch"]),
        *(["--config", "archiver.toml", "help", "start"], ["--version"]),
    ):
        assert len(archiver(*asked).out) > 20
    archiver("fetch", "tsk_1", code=2)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_a_byte_order_mark_is_no_part_of_the_file(
    fetch: Fetch, archive: ArchiveFolder, mark: bytes
) -> None:
    Path("archiver.toml").write_bytes(mark + b'[fetch]\nonly = "none"\n')
    fetch("tsk_1")
    assert excluded(archive) == {"recording 1", "screenshot 1"}


@pytest.mark.parametrize("data", [b"\xff\xfe[\0f\0]\0", b'[fetch]\nonly = "\xe9"\n'])
def test_a_file_that_is_no_utf_8_is_named(fetch: Fetch, data: bytes) -> None:
    Path("archiver.toml").write_bytes(data)
    err = fetch("tsk_1", code=2).err
    assert "archiver.toml is not UTF-8 text" in err


def test_a_file_that_cannot_be_read_is_named_once(archiver: Command) -> None:
    Path("archiver.toml").mkdir()
    err = archiver("verify", code=2).err
    assert (err.count("archiver.toml"), "[Errno" in err) == (1, False)


def test_the_file_is_looked_for_here_then_at_the_users_then_at_the_machines(
    fetch: Fetch, archive: ArchiveFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    users = tmp_path / "config/archiver/archiver.toml"
    assert config_files() == [Path("archiver.toml"), users, Path("/etc/archiver.toml")]
    users.parent.mkdir(parents=True)
    users.write_text('[fetch]\nonly = "screenshot"\n')
    fetch("tsk_1")
    assert excluded(archive) == {"recording 1"}
    Path("archiver.toml").write_text('[fetch]\nonly = "none"\n')
    other = ArchiveFolder(tmp_path / "other")
    fetch("tsk_1", "--archive", other.root)
    assert excluded(other) == {"recording 1", "screenshot 1"}


@pytest.mark.parametrize(
    "name",
    [
        *("ARCHIVER_FETCH_SETLE", "ARCHIVER_FETCH_", "ARCHIVER_FETCH_RUN_IDS"),
        *("ARCHIVER_QUERY_SETTLE", "ARCHIVER_CHECK_PROOF_HED", "ARCHIVER_FETCH_CONFIG"),
    ],
)
def test_a_variable_of_a_command_that_is_no_option_is_refused(
    server: LyingServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "the value")
    err = fetch("tsk_1", code=2).err
    assert name in err
    assert "the value" not in err
    assert server.requests == []


def test_every_option_of_every_command_may_be_a_variable(
    archiver: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, command in cli.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.expose_value:
                option = (parameter.name or "").upper()
                monkeypatch.setenv(f"ARCHIVER_{name.replace('-', '_').upper()}_{option}", "")
    archiver("verify", code=10)


@pytest.mark.parametrize("way", ["command line", "environment", "file"])
def test_the_home_stands_for_itself_in_paths(
    archiver: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ARCHIVER_ARCHIVE")
    given = ["--archive", "~/a"] if way == "command line" else []
    if way == "environment":
        monkeypatch.setenv("ARCHIVER_ARCHIVE", "~/a")
    if way == "file":
        Path("archiver.toml").write_text('archive = "~/a"\n')
    (tmp_path / "home").mkdir()
    (tmp_path / "home/ids").write_text("tsk_1\n")
    archiver("fetch", "--ids", "~/ids", *given)
    out = archiver("query", "FROM runs", *given, "--output", "~/a.csv").out
    assert (out, (tmp_path / "home/a.csv").exists()) == ("", True)
    assert not Path("~").exists()


@pytest.mark.parametrize(
    "place",
    [
        "s3://bucket/a",
        "gs://b",
        "https://u:secret@host/a?key=secret",
        "file:///tmp/a",
        *(
            f"{scheme}:/b"
            for scheme in ("s3", "S3", "gs", "gcs", "az", "abfs", "file", "http", "https", "hdfs")
        ),
    ],
)
@pytest.mark.parametrize(
    "line",
    [
        ["fetch", "tsk_1", "--archive"],
        ["query", "FROM runs", "--output"],
        ["query", "FROM runs", "--attach"],
        ["keygen"],
    ],
)
def test_a_place_that_is_not_on_this_machine_is_refused(
    server: LyingServer, archiver: Command, place: str, line: list[str]
) -> None:
    err = archiver(*line, place, code=2).err
    assert f"{place.partition('/')[0]}/{'/' * ('//' in place)} is not supported" in err
    assert "not supported" in err
    assert "secret" not in err
    assert (list(Path().iterdir()), server.requests) == ([], [])


def test_a_home_that_there_is_not_is_wrong_usage(archiver: Command) -> None:
    assert (
        "~nobody-of-that-name/a"
        in archiver("verify", "--archive", "~nobody-of-that-name/a", code=2).err
    )
    assert "cannot read" in archiver("hold", "--ids", "~nobody-of-that-name/a", code=2).err


def test_a_duration_has_a_unit(fetch: Fetch) -> None:
    assert "unit" in fetch("tsk_1", "--settle", "10", code=2).err
    assert "unit" in fetch("tsk_1", "--settle", "1.5", code=2).err
    fetch("tsk_1", "--settle", "0")


@pytest.mark.parametrize("option", ["--stall-timeout", "--connect-timeout"])
def test_a_timeout_may_be_plain_seconds(fetch: Fetch, option: str) -> None:
    fetch("tsk_1", option, "10")
    fetch("tsk_1", option, "1.5")


@pytest.mark.parametrize(
    "base",
    [
        *("https://user:pw@host", "https://user@host", "https://:pw@host", "https://@host"),
        *("https://a:b@c@host", "https://user%40host", "https://host\\@evil", "http://u@[::1]:80"),
        *("https://host?", "https://host#", "https://host/?x=1", "https://host/a#b"),
    ],
)
def test_an_address_of_the_api_has_nothing_but_host_and_path(
    fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("SKYVERN_BASE_URL", base)
    err = fetch("tsk_1", code=2).err
    assert "base URL" in err
    assert "pw" not in err
    assert not archive.root.exists()


def test_the_archive_is_named_before_or_after_the_command_and_after_counts(
    archiver: Command, archive: ArchiveFolder, tmp_path: Path
) -> None:
    Path("archiver.toml").write_text('archive = "from-the-file"\n')
    before, after = ArchiveFolder(tmp_path / "before"), ArchiveFolder(tmp_path / "after")
    archiver("--archive", before.root, "fetch", "tsk_1", "--without", "recording")
    assert excluded(before) == {"recording 1"}
    archiver("--archive", before.root, "fetch", "tsk_1", "--archive", after.root)
    assert excluded(after) == set()
    count = "SELECT count(*) AS n FROM runs"
    assert archiver("--archive", before.root, "query", count, "--json").json == [{"n": 1}]
    assert not archive.root.exists()
    assert not Path("from-the-file").exists()


def test_json_is_a_format(archiver: Command, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("tsk_1")
    asked = ("query", "SELECT 1 AS n")
    assert archiver(*asked, "--json").json == [{"n": 1}]
    assert archiver(*asked, "--json", "--format", "json").json == [{"n": 1}]
    assert "--json" in archiver(*asked, "--json", "--format", "csv", code=2).err
    assert "--json" in archiver("report", "failures", "--json", "--format", "csv", code=2).err


def test_of_json_and_another_format_the_one_that_is_nearer_counts(
    archiver: Command, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch("tsk_1")
    asked = ("query", "SELECT 1 AS n")
    Path("archiver.toml").write_text("[query]\njson = true\n")
    assert archiver(*asked).json == [{"n": 1}]
    assert archiver(*asked, "--format", "csv").out == "n\n1\n"
    monkeypatch.setenv("ARCHIVER_QUERY_FORMAT", "csv")
    assert archiver(*asked).out == "n\n1\n"
    assert archiver(*asked, "--json").json == [{"n": 1}]


def test_a_file_that_was_named_and_is_not_there_is_refused(archiver: Command) -> None:
    assert "missing.toml" in archiver("--config", "missing.toml", "verify", code=2).err


def test_every_option_can_stand_in_the_file(archiver: Command) -> None:
    lines = []
    for name, command in cli.commands.items():
        lines.append(f"[{name}]")
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.opts[0].startswith("--"):
                values = {"archive": '"a"', "column": '"c"', "ids": '["x"]', "settle": '"1m"'}
                flag = parameter.is_flag and "false"
                value = values.get(parameter.opts[0][2:]) or flag or None
                if value:
                    lines.append(f"{parameter.opts[0][2:]} = {value}")
    Path("archiver.toml").write_text("\n".join(lines))
    archiver("verify", code=10)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARCHIVER_FETCH_WITHOUT", "recording"),
        ("ARCHIVER_FETCH_ONLY", "screenshot"),
        ("ARCHIVER_FETCH_MAX_FILE_SIZE", "1kB"),
    ],
)
def test_the_environment_sets_options(
    fetch: Fetch, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    fetch("tsk_1")
    assert excluded(archive) == {"recording 1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARCHIVER_FETCH_SETTLE", "soon"),
        ("ARCHIVER_FETCH_ATTEMPTS", "x"),
        ("ARCHIVER_FETCH_ONLY", "videos"),
        ("ARCHIVER_FETCH_QUIET", "perhaps"),
        ("ARCHIVER_ARCHIVE", "s3://bucket"),
    ],
)
def test_a_variable_with_a_value_that_makes_no_sense_is_named(
    archiver: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert name in archiver("fetch", "tsk_1", code=2).err
    given = ("--settle", "later", "--archive", "a", "--attempts", "1", "--only", "none", "--quiet")
    assert name not in archiver("fetch", "tsk_1", *given, code=2).err


def test_the_environment_sets_flags_and_formats(
    archiver: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIVER_FETCH_JSON", "1")
    monkeypatch.setenv("ARCHIVER_QUERY_FORMAT", "csv")
    assert archiver("fetch", "tsk_1").json["runs"]["fetched"] == 1
    assert archiver("query", "SELECT run_id FROM runs").out == "run_id\ntsk_1\n"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    fetch: Fetch, archive: ArchiveFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("archiver.toml").write_text('archive = "from-the-file"\n[fetch]\nonly = ["none"]\n')
    monkeypatch.setenv("ARCHIVER_FETCH_ONLY", "recording")
    fetch("tsk_1")
    assert excluded(archive) == {"screenshot 1"}
    other = ArchiveFolder(tmp_path / "other")
    fetch("tsk_1", "--archive", other.root, "--only", "screenshot")
    assert excluded(other) == {"recording 1"}
    assert not Path("from-the-file").exists()


def test_the_archive_is_a_folder_here_by_default(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARCHIVER_ARCHIVE")
    fetch("tsk_1")
    assert Path("archive/archive.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--only", "recording", "--without", "screenshot"],
        ["--only", "videos"],
        ["--max-file-size", "large"],
        ["--max-file-size", "-1"],
        ["--attempts", "0"],
        ["--api-concurrency", "0"],
        ["--stall-timeout", "0"],
        ["--stall-timeout", "99999999999999d"],
        ["--connect-timeout", "soon"],
        ["--local-artifacts", "/no/such/folder"],
        ["--log-format", "xml"],
        ["--no-such-option"],
    ],
)
def test_wrong_options_are_wrong_usage(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, options: list[str]
) -> None:
    fetch("tsk_1", *options, code=2)
    assert (server.requests, archive.root.exists()) == ([], False)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    text = archiver("fetch", "tsk_1", "--dry-run", "--without", "screenshot").out
    assert "tsk_1: fetch recording 1; excluded screenshot 1" in text
    assert "nothing was written" in text
    ran = archiver("fetch", "tsk_1", "--dry-run", "--json")
    assert ran.json["runs"] == {"asked": 1, "would_ask": 1, "held": 0}
    assert ran.json["artifacts"] == {"would_fetch": 2}
    (run,) = ran.json["would_ask"]
    assert [(a["kind"], a["action"]) for a in run["artifacts"]] == [
        ("recording", "fetch"),
        ("screenshot", "fetch"),
    ]
    assert not archive.root.exists()
    assert {request.path for request in server.requests} == {"/v1/runs/tsk_1"}


def test_a_dry_run_over_an_archive_leaves_it_alone(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder
) -> None:
    fetch("tsk_1")
    server.clear_requests()
    before = {path: path.stat().st_mtime_ns for path in archive.root.rglob("*")}
    assert "1 held complete" in archiver("fetch", "tsk_1", "--dry-run").out
    assert server.requests == []
    ran = archiver("fetch", "tsk_1", "tsk_9", "--dry-run", "--refresh", "--json", code=3)
    assert [a["action"] for a in ran.json["would_ask"][0]["artifacts"]] == ["keep", "keep"]
    assert "tsk_9" in ran.json["would_ask"][1]["reason"]
    assert {path: path.stat().st_mtime_ns for path in archive.root.rglob("*")} == before


def test_a_dry_run_is_refused_as_the_real_one_would_be(
    server: LyingServer, archiver: Command, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    archiver("fetch", "tsk_1", "--dry-run", "--archive", tmp_path / "other", code=10)
    server.lie("tsk_1", UNAUTHORIZED, times=FOREVER)
    archiver("fetch", "tsk_1", "--dry-run", code=12)
    archiver("fetch", "nonsense", "--dry-run", code=2)


def test_the_version_is_told(archiver: Command) -> None:
    assert archiver("--version").out.startswith("archiver, version ")


def test_wrong_commands_are_wrong_usage(archiver: Command) -> None:
    archiver("frobnicate", code=2)
    archiver("show", code=2)
    archiver("show", "nonsense", code=2)


def child(*arguments: str, **environment: str) -> Ran:
    return run_child(*arguments, environment=child_environment(**environment))


def test_processes_end_with_the_codes_that_were_promised(
    server: LyingServer, archiver: Command, archive: ArchiveFolder
) -> None:
    assert child("fetch", "tsk_1", "--json").json["runs"]["fetched"] == 1
    assert child("fetch", "tsk_1", SKYVERN_API_KEY="").code == 2
    assert child("fetch", "tsk_1", "--refresh", SKYVERN_API_KEY="wrong").code == 12
    assert child("verify", ARCHIVER_ARCHIVE=str(archive.root / "runs")).code == 10
    (archive.run("tsk_1") / "r1/recording.webm").unlink()
    ran = child("verify")
    assert ran.code == 4
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ARCHIVER_QUERI_FORMAT", "is ARCHIVER_QUERY_FORMAT meant?"),
        ("ARCHIVER_ARCHIV", "is ARCHIVER_ARCHIVE meant?"),
        ("ARCHIVER_SIGN_KEYS", "is ARCHIVER_SIGN_KEY meant?"),
        ("ARCHIVER_FECTH_SETTLE", "is ARCHIVER_FETCH_SETTLE meant?"),
        ("ARCHIVER_CLIENT_CERTS", "is ARCHIVER_CLIENT_CERT meant?"),
        ("ARCHIVER_XQZ", "ARCHIVER_XQZ is not known, and not read\n"),
    ],
)
def test_a_variable_that_nobody_reads_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, told: str
) -> None:
    monkeypatch.setenv(name, "x")
    (line,) = Command()("report", code=0).err.splitlines(keepends=True)
    assert line.startswith(f"the variable {name} is not known")
    assert told in line


@pytest.mark.parametrize(
    "name", ["ARCHIVER_TEST_X", "ARCHIVER_CONFIG", "ARCHIVER_KEY_PASSPHRASE", "ARCHIVER_TSA_URL"]
)
def test_a_variable_that_is_known_is_not_spoken_of(
    monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path
) -> None:
    (tmp_path / "a.toml").write_text("")
    monkeypatch.setenv(name, str(tmp_path / "a.toml"))
    assert Command()("report").err == ""
