"""What the user wants masked is nowhere in the archive, nor in what is said about it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import (
    FOREVER,
    Blob,
    Cut,
    LyingServer,
    Status,
    png,
    task_run,
    webm,
)

SECRET = "Jane-4711-Doe"
PATTERN = r"Jane-\d+-Doe"


@pytest.fixture
def run_id(server: LyingServer) -> str:
    """A run that has the secret wherever the API may have one."""
    return server.add_run(
        task_run(
            "tsk_1",
            "failed",
            title=f"for {SECRET}",
            failure_reason=f"{SECRET} was not found",
            output={"name": SECRET, SECRET: [{"deep": f"x{SECRET}y"}], "account": 4711_0815_4711},
            errors=[{"error_code": SECRET, "reasoning": SECRET, "confidence_float": 0.5}],
            app_url=f"https://app.example.com/{SECRET}",
            request={
                "prompt": f"log in as {SECRET}",
                "url": f"https://example.com/{SECRET}?q={SECRET}",
                "data_extraction_schema": {SECRET: {"type": "string"}},
                "error_code_mapping": {SECRET: SECRET},
                "run_metadata": {"who": SECRET},
            },
            recording=server.artifact(webm()),
            screenshots=[server.artifact(png(), "screenshot")],
            downloads=[server.artifact(b"%PDF-1.7", "download", f"{SECRET}.pdf")],
        )
    )


def everything(root: Path) -> str:
    """All files of an archive as text, the tables' values too."""
    found = []
    for path in root.rglob("*"):
        found.append(str(path))
        if path.suffix == ".parquet":
            found.append(
                json.dumps(pq.read_table(path, partitioning=None).to_pylist(), default=str)
            )
        elif path.is_file():
            found.append(path.read_bytes().decode("latin-1"))
    return "\n".join(found)


def test_what_matches_is_nowhere(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str
) -> None:
    ran = fetch(run_id, "--redact", PATTERN, "--redact", "471108154711")
    assert SECRET not in everything(archive.root)
    assert "471108154711" not in everything(archive.root)
    assert SECRET not in ran.err
    assert ran.json["redacted"] >= 16
    (row,) = archiver("query", "SELECT * FROM runs", "--format", "json").json
    assert row["redacted"] == ran.json["redacted"]
    assert (row["title"], row["failure_reason"]) == ("for ***", "*** was not found")
    output = json.loads(archive.run(run_id).joinpath("r1/run.json").read_text())["output"]
    assert output == {"name": "***", "***": [{"deep": "x***y"}], "account": "***"}
    states = archive.states(run_id)
    assert set(states.values()) == {"verified", "unverified"}
    archiver("verify")
    assert fetch(run_id, "--refresh", "--redact", PATTERN, "--redact", "471108154711").runs == {
        "asked": 1,
        "unchanged": 1,
    }


def test_the_pattern_is_kept_nowhere(fetch: Fetch, archive: ArchiveFolder, run_id: str) -> None:
    fetch(run_id, "--redact", SECRET)
    assert SECRET not in everything(archive.root)


def test_places_are_masked_whatever_is_there(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str
) -> None:
    paths = ("$.output.account", "$.run_request.prompt", "$.errors[*].reasoning", "$.nothing")
    ran = fetch(run_id, *(word for path in paths for word in ("--redact-path", path)))
    document = json.loads(archive.run(run_id).joinpath("r1/run.json").read_text())
    assert ran.json["redacted"] == 3
    assert document["output"]["account"] == "***"
    assert document["output"]["name"] == SECRET
    assert document["run_request"]["prompt"] == "***"
    assert document["errors"][0]["reasoning"] == "***"
    archiver("verify")


@pytest.mark.parametrize(
    "path",
    ["$", "$.*", "$..*", "$.downloaded_files", "$.downloaded_files[0]", "$.screenshot_urls",
     "$.recording_url", "$..url", "$..checksum", "$..status"],
)  # fmt: skip
def test_the_archive_keeps_what_it_lives_by(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, run_id: str, path: str
) -> None:
    fetch(run_id, "--redact-path", path)
    assert len(archive.states(run_id)) == 3
    assert set(archive.states(run_id).values()) == {"verified", "unverified"}
    archiver("verify")
    archiver("reindex")
    assert archiver("query", "SELECT status FROM runs", "--format", "json").json == [
        {"status": "failed"}
    ]


def test_new_patterns_make_a_new_revision(
    fetch: Fetch, archive: ArchiveFolder, run_id: str
) -> None:
    assert fetch(run_id).json["redacted"] is None
    assert fetch(run_id, "--redact", PATTERN).json["redacted"] == 0
    assert fetch(run_id, "--redact", PATTERN, "--refresh").json["redacted"] > 9
    manifest = json.loads((archive.run(run_id) / "r2/manifest.json").read_text())
    assert manifest["redacted"] > 9


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--redact", "(", "regular expression"),
        ("--redact", r"(?=x)", "look-around"),
        ("--redact", "a*", "everything"),
        ("--redact", r"\*+", "everything"),
        ("--redact-path", "$.[", "JSON path"),
    ],
)
def test_what_is_no_pattern_is_told_before_anything_is_fetched(
    fetch: Fetch, archive: ArchiveFolder, run_id: str, option: str, value: str, told: str
) -> None:
    assert told in fetch(run_id, option, value, code=2).err
    assert not archive.root.exists()


def test_patterns_stand_in_the_config(
    archiver: Command,
    archive: ArchiveFolder,
    run_id: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("archiver.toml").write_text(
        f"[fetch]\nredact = ['{PATTERN}', '(?i)JANE']\nwithout-type = 'video/*'\nwithout-name = 'x'"
    )
    archiver("fetch", run_id)
    assert SECRET not in everything(archive.root)
    assert archive.states(run_id)["recording 1"] == "excluded"


def test_several_processes_mask_alike(
    fetch: Fetch, archive: ArchiveFolder, server: LyingServer
) -> None:
    ids = [server.add_run(task_run(f"tsk_{n}", title=SECRET)) for n in range(1, 502)]
    server.lie("tsk_7", Status(418, SECRET.encode()), times=FOREVER)
    options = ("--workers", "2", "--redact", PATTERN, "--redact-path", "$.output.count")
    ran = fetch(*ids, *options, code=3)
    assert ran.json["redacted"] == 1000
    assert SECRET not in everything(archive.root) + ran.out + ran.err
    titles = [
        row["title"]
        for path in archive.root.glob("tables/runs/*/*.parquet")
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]
    assert titles == ["***"] * 500


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [
        (("--without-name", "*.PDF"), {"download 1"}),
        (("--without-type", "video/*"), {"recording 1"}),
        (("--without-type", "application/pdf"), {"download 1"}),
        (("--without-type", "*/*"), {"recording 1", "screenshot 1", "download 1"}),
        (("--without-name", "?"), set()),
    ],
)
def test_artifacts_are_left_out_by_name_and_type(
    fetch: Fetch,
    archiver: Command,
    archive: ArchiveFolder,
    run_id: str,
    pattern: tuple[str, str],
    left_out: set[str],
) -> None:
    fetch(run_id, *pattern)
    states = archive.states(run_id)
    assert {name for name, state in states.items() if state == "excluded"} == left_out
    asked = archiver("query", "SELECT is_complete FROM runs", "--format", "json")
    assert asked.json == [{"is_complete": True}]
    reasons = archiver(
        "query", "SELECT reason FROM artifacts WHERE state = 'excluded'", "--format", "json"
    ).json
    assert all(pattern[1] in row["reason"] for row in reasons)
    assert [path.name for path in (archive.root / "tmp").iterdir() if path.name != "lock"] == []
    fetch(run_id, "--refresh")
    asked = archiver("query", "FROM artifacts WHERE state = 'excluded'", "--format", "json")
    assert asked.json == []


def test_what_bytes_are_counts_too(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    served = server.artifact(png(), "download", "a.txt", media_type="text/plain")
    fetch(server.add_run(task_run("tsk_1", downloads=[served])), "--without-type", "image/*")
    assert archive.states("tsk_1") == {"download 1": "excluded"}


def test_what_is_not_wanted_is_not_downloaded_to_its_end_and_leaves_nothing(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    file = server.artifact(webm(4 << 20), "download", "x.bin", media_type="application/x-data")
    text = server.artifact(Blob(4 << 20), "download", "x.txt", media_type="text/plain")
    server.add_run(task_run("tsk_1", downloads=[file, text]))
    for one in (file, text):
        server.lie(one, Cut(3 << 20))
    fetch("tsk_1", code=3)
    assert len([*(archive.root / "tmp").glob("*.part")]) == 2
    ran = fetch("tsk_1", "--without-type", "VIDEO/*", "--without-type", "text/plain")
    assert ran.states == {"excluded": 2}
    assert ran.json["bytes"]["downloaded"] < 1 << 20
    assert [*(archive.root / "tmp").glob("tsk_*")] == []
    assert fetch("tsk_1", "--refresh").states == {"verified": 2}
