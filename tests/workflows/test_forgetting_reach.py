"""Prune and erase reach what is out of the ordinary: readers, other ids, what was killed."""

import pytest

import archiver as archiver_for_python
from archiver.domain.ledger import ids_path
from tests.cli.running import Command, Fetch
from tests.lying_server import FOREVER, LyingServer, Status, png, task_run
from tests.workflows.held import Held
from tests.workflows.test_deciding import OLD
from tests.workflows.test_redaction import everything

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
    archiver: Command, server: LyingServer, fetch: Fetch, archive: Held
) -> None:
    fetch(ALIAS, code=3)
    server.lie(f"/v1/runs/{ALIAS}", Status(500), times=1)
    fetch(ALIAS, code=3)
    assert archive.row("fetches", asked_id=ALIAS, outcome="failed")["reason"]
    archiver("erase", RUN, *ERASE)
    assert {row["reason"] for row in archive.rows("fetches")} == {None}


def test_who_still_reads_keeps_nothing_of_an_erased_run(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: Held
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
    archiver: Command, server: LyingServer, fetch: Fetch, archive: Held
) -> None:
    server.add_run(task_run("tsk_1", **OLD))
    fetch("tsk_1")
    (archive.root / ids_path("29991231T000000.000Z-00000000")).write_text("tsk_1\n")
    assert archiver("hold", "--list", "--json").json == {"runs": []}
    dry = archiver("prune", "--older-than", "1y", "--dry-run", "--json").json
    assert dry["runs"] == ["tsk_1"]


def test_one_run_that_cannot_be_read_keeps_no_other_from_being_pruned(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: Held
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


def test_an_erase_is_of_all_runs_or_none(
    archiver: Command, server: LyingServer, fetch: Fetch, archive: Held
) -> None:
    for number in (1, 2):
        server.add_run(task_run(f"tsk_{number}", title=MARK))
    fetch("tsk_1", "tsk_2")
    (archive.run("tsk_2") / "r1/manifest.json").write_text("{")
    before = archive.files()
    assert "tsk_2" in archiver("erase", "tsk_1", "tsk_2", *ERASE, code=4).err
    assert archive.files() == before
