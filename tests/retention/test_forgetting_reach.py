"""Prune and erase reach what is out of the ordinary: readers, other ids, what was killed."""

import json
import shutil
from pathlib import Path

import pytest

import archiver as archiver_for_python
from archiver.model.ledger import ids_path
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.commands.test_redaction import everything
from tests.lying_server import FOREVER, LyingServer, Status, png, task_run
from tests.retention.test_deciding import OLD

MARK = "Marker4711"
ALIAS, RUN = "wr_7", "tsk_v2_7"
ERASE = ("--reason", "asked for", "--yes", "--json")


@pytest.fixture
def gap(server: LyingServer) -> None:
    """A run that is asked for under another id, and whose file cannot be had."""
    broken = server.artifact(png(), "download", "a.png")
    server.lie(broken, Status(500), times=FOREVER)
    document = task_run(RUN, run_type="task_v2", downloads=[broken])
    server.add_run(document, run_id=ALIAS)
    server.add_run(document, run_id=RUN)


@pytest.mark.usefixtures("gap")
@pytest.mark.parametrize("accepted", [RUN, ALIAS])
def test_a_run_is_accepted_under_each_of_its_ids(
    archiver: Command, fetch: Fetch, accepted: str
) -> None:
    fetch(ALIAS, code=3)
    archiver("accept", accepted, "--reason", "lost")
    for asked in (ALIAS, RUN):
        assert (ran := fetch(asked).json)["accepted"] == 1, asked
        assert ran["problems"] == []
        assert archiver("show", asked, "--json").json["accepted"]["reason"] == "lost"


@pytest.mark.usefixtures("gap")
def test_a_hold_ends_under_the_id_under_which_it_began(archiver: Command, fetch: Fetch) -> None:
    fetch(ALIAS, code=3)
    assert archiver("hold", ALIAS, "--reason", "case", "--json").json["runs"] == [RUN]
    archiver("erase", RUN, *ERASE, code=3)
    assert archiver("release", ALIAS, "--reason", "over", "--json").json["runs"] == [RUN]
    assert archiver("erase", RUN, *ERASE).json["runs"] == [RUN]


@pytest.mark.usefixtures("gap")
def test_words_of_the_server_go_with_the_run_whatever_it_was_asked_as(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    fetch(ALIAS, code=3)
    server.lie(f"/v1/runs/{ALIAS}", Status(500), times=1)
    fetch(ALIAS, code=3)
    assert archive.row("fetches", asked_id=ALIAS, outcome="failed")["reason"]
    archiver("erase", RUN, *ERASE)
    assert {row["reason"] for row in archive.rows("fetches")} == {None}


def test_who_still_reads_keeps_nothing_of_an_erased_run(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1", title=MARK))
    server.add_run(task_run("tsk_2"))
    fetch("tsk_1", "tsk_2")
    with archiver_for_python.open(archive.root) as reading:
        assert len(reading.runs().fetchall()) == 2
        archiver("erase", "tsk_1", *ERASE)
        assert MARK not in everything(archive.root)
        assert [title for (title,) in reading.runs().select("title").fetchall()] == [None, None]
    archiver("verify")


def test_what_would_go_is_counted_without_what_stays(
    archiver: Command, server: LyingServer, fetch: Fetch
) -> None:
    for number in (1, 2):
        shots = [server.artifact(png(number), "screenshot")]
        server.add_run(task_run(f"tsk_{number}", screenshots=shots, **OLD))
    fetch("tsk_1", "tsk_2")
    archiver("hold", "tsk_1", "--reason", "case")
    dry = archiver("prune", "--older-than", "1y", "--dry-run", "--json").json
    done = archiver("prune", "--older-than", "1y", "--json").json
    assert (dry["runs"], done["runs"]) == (["tsk_2"], ["tsk_2"])
    assert (dry["files"], dry["bytes"]) == (done["files"], done["bytes"])


def test_a_list_that_no_record_followed_is_in_nobodys_way(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1", **OLD))
    fetch("tsk_1")
    (archive.root / ids_path("29991231T000000.000Z-00000000")).write_text("tsk_1\n")
    assert archiver("hold", "--list", "--json").json == {"runs": []}
    dry = archiver("prune", "--older-than", "1y", "--dry-run", "--json").json
    assert dry["runs"] == ["tsk_1"]


def test_one_run_that_cannot_be_read_keeps_no_other_from_being_pruned(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    for number in (1, 2, 3):
        server.add_run(task_run(f"tsk_{number}", title=MARK, **OLD))
    fetch("tsk_1", "tsk_2", "tsk_3")
    damaged = archive.run("tsk_2") / "r1/manifest.json"
    damaged.write_text("{")
    ran = archiver("prune", "--older-than", "1y", "--json", code=4)
    assert ran.json["runs"] == ["tsk_1", "tsk_3"]
    assert "tsk_2" in ran.err
    assert (archive.run("tsk_2") / "r1/run.json").exists()
    titles = {row["run_id"]: row["title"] for row in archive.rows("runs")}
    assert titles == {"tsk_1": None, "tsk_2": MARK, "tsk_3": None}


@pytest.fixture
def damaged(server: LyingServer, fetch: Fetch, archive: ArchiveFolder) -> Path:
    """The folder of a run with two revisions, of which no manifest can be read, and another run."""
    for title in (MARK, f"{MARK} again"):
        shots = [server.artifact(png(), "screenshot", f"{MARK}.png")]
        server.add_run(task_run("tsk_1", title=title, screenshots=shots))
        server.add_run(task_run("tsk_2"))
        fetch("tsk_1", "tsk_2", "--refresh")
    (archive.run("tsk_1") / "r1/manifest.json").write_text("{")
    (archive.run("tsk_1") / "r2/manifest.json").unlink()
    return archive.run("tsk_1")


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_damaged_run_is_erased_all_the_same(
    archiver: Command, archive: ArchiveFolder, damaged: Path, is_indexed: bool
) -> None:
    before = archive.row("runs", run_id="tsk_1", revision=2)
    if not is_indexed:
        archiver("reindex", code=4)
        assert archive.rows("runs", run_id="tsk_1") == []
    dry = archiver("erase", "tsk_1", "--reason", "asked for", "--dry-run", "--json").json
    assert (dry["runs"], dry["files"]) == (["tsk_1"], 7)
    assert archiver("erase", "tsk_1", *ERASE).json["runs"] == ["tsk_1"]
    assert MARK not in everything(archive.root)
    assert [path.name for path in damaged.iterdir()] == ["r3"]
    row = archive.row("runs", run_id="tsk_1")
    assert row["removed"] == "erased"
    if is_indexed:
        for name in ("status", "document_sha256", "finished_at", "run_type"):
            assert row[name] == before[name]
    else:
        assert row["status"] == "unknown"
    archiver("verify")
    archiver("reindex")
    archiver("verify")


def test_a_run_whose_folder_is_gone_is_erased_from_the_tables(
    archiver: Command, archive: ArchiveFolder, damaged: Path
) -> None:
    shutil.rmtree(damaged)
    assert archiver("erase", "tsk_1", *ERASE).json["runs"] == ["tsk_1"]
    assert MARK not in everything(archive.root)
    archiver("verify")


def test_a_pruned_run_can_be_erased(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_1", **OLD))
    server.lie("/v1/runs/tsk_1", Status(500), times=1)
    fetch("tsk_1", code=3)
    fetch("tsk_1")
    assert archive.row("fetches", outcome="failed")["reason"]
    archiver("prune", "--older-than", "1y")
    assert archive.row("fetches", outcome="failed")["reason"]
    pruned = json.loads((archive.run("tsk_1") / "r2/manifest.json").read_text())["removed"]
    assert archiver("erase", "tsk_1", *ERASE).json["runs"] == ["tsk_1"]
    assert {row["reason"] for row in archive.rows("fetches")} == {None}
    erased = json.loads((archive.run("tsk_1") / "r3/manifest.json").read_text())["removed"]
    assert erased["revisions"][:1] == pruned["revisions"]
    assert [one["manifest"].split("/")[-2] for one in erased["revisions"]] == ["r1", "r2"]
    assert archive.row("runs")["removed"] == "erased"
    archiver("verify")
    again = archiver("erase", "tsk_1", "--reason", "again", "--yes")
    assert again.out == "nothing to do: 1 run was erased before\n"


def test_words_about_an_id_that_never_became_a_run_are_erased(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    server.add_run(task_run("tsk_2"))
    server.lie("/v1/runs/tsk_404", Status(404), times=FOREVER)
    fetch("tsk_404", "tsk_2", code=3)
    assert archive.row("fetches", asked_id="tsk_404")["reason"]
    dry = archiver("erase", "tsk_404", "--reason", "x", "--dry-run", "--json").json
    assert (dry["runs"], dry["asked"]) == ([], ["tsk_404"])
    assert archiver("erase", "tsk_404", *ERASE).json["asked"] == ["tsk_404"]
    assert archive.row("fetches", asked_id="tsk_404")["reason"] is None
    assert "tsk_404" in archiver("verify", "--json").out
    records = archiver("ledger", "--json").json["records"]
    assert (records[-2]["kind"], records[-2]["ids_asked"]) == ("erase", 1)


def test_nothing_is_erased_where_an_id_is_unknown(
    archiver: Command, archive: ArchiveFolder, damaged: Path
) -> None:
    before = archive.files()
    assert "tsk_3" in archiver("erase", "tsk_2", "tsk_3", *ERASE, code=2).err
    assert archive.files() == before
