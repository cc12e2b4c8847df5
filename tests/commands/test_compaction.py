"""Table files are merged where they are many, and nobody sees anything of it but speed."""

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from archiver.errors import ExitCode
from archiver.fetch.answer import RunOptions
from archiver.fetch.events import CompactionStarted, Event
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.plan import Selection
from archiver.fetch.session import fetch as run_fetch
from archiver.model.artifact import ArtifactKind
from archiver.model.ids import RunId
from archiver.query.sql import run_query
from archiver.session import open_for_writing
from archiver.store.archive_file import open_archive
from archiver.system.stop import StopSwitch
from archiver.tables.rewrite import MANY, compact
from archiver.tables.write import flush_name
from tests.archive_folder import TABLES, ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.commands.nights import RUNS_A_NIGHT, spend_night, spend_nights
from tests.lying_server import LyingServer, task_run

NOW = datetime.now(UTC)
LAST_MONTH = NOW.replace(day=1) - timedelta(days=1)


def never() -> None:
    """Nobody asks to stop."""


def all_rows(archive: ArchiveFolder) -> dict[str, list[str]]:
    """Every row as text, in an order that says nothing of the files."""
    return {table: sorted(map(repr, archive.rows(table))) for table in TABLES}


def files(archive: ArchiveFolder, table: str = "runs") -> dict[str, int]:
    """How many files a table has, by month."""
    return dict(Counter(path.parent.name.split("=")[1] for path in archive.table_files(table)))


def left_in_tmp(archive: ArchiveFolder) -> list[str]:
    return [path.name for path in (archive.root / "tmp").iterdir() if "lock" not in path.name]


@pytest.fixture
def new_run(server: LyingServer) -> str:
    return server.add_run(task_run("tsk_new", errors=[{"error_code": "A"}]))


def test_a_session_merges_the_files_of_the_month_as_soon_as_they_are_many(
    fetch: Fetch, archive: ArchiveFolder, new_run: str, server: LyingServer
) -> None:
    spend_nights(archive.root, MANY - 2, NOW)
    ran = fetch(new_run, "--log-format", "text")
    assert "merging" not in ran.err
    assert files(archive) == {f"{NOW:%Y-%m}": MANY - 1}
    before = all_rows(archive)

    ran = fetch(server.add_run(task_run("tsk_newer")))

    assert "merging" in ran.err
    for table in TABLES:
        assert files(archive, table) == {f"{NOW:%Y-%m}": 1}
        (path,) = archive.table_files(table)
        assert path.stem == flush_name(ran.json["session"], 2)
    after = all_rows(archive)
    assert all(set(before[table]) <= set(after[table]) for table in TABLES)
    assert len(after["runs"]) == len(set(after["runs"])) == len(before["runs"]) + 1
    assert after["errors"] == before["errors"]
    assert left_in_tmp(archive) == []
    ledger = archive.root / "ledger" / f"{ran.json['session']}.json"
    assert json.loads(ledger.read_text())["runs"]["fetched"] == 1


def test_months_that_are_over_become_one_file_for_each_table(
    fetch: Fetch, archive: ArchiveFolder, new_run: str
) -> None:
    before_that = LAST_MONTH.replace(day=1) - timedelta(days=1)
    spend_nights(archive.root, 2, before_that)
    spend_nights(archive.root, 5, LAST_MONTH, first=2)
    spend_nights(archive.root, 3, NOW, first=7)
    before = all_rows(archive)
    fetch(new_run)

    months = [f"{at:%Y-%m}" for at in (before_that, LAST_MONTH, NOW)]
    assert files(archive) == dict(zip(months, (1, 1, 4), strict=True))
    after = all_rows(archive)
    assert {table: set(before[table]) - set(after[table]) for table in TABLES} == {
        table: set() for table in TABLES
    }
    assert sum(map(len, after.values())) == sum(map(len, before.values())) + 4


def test_a_session_that_has_nothing_to_write_merges_nothing(
    fetch: Fetch, archive: ArchiveFolder, new_run: str
) -> None:
    fetch(new_run)
    spend_nights(archive.root, MANY + 5, NOW)
    before = archive.files()
    ran = fetch(new_run)
    assert ran.runs == {"asked": 1, "unchanged": 1}
    assert "merging" not in ran.err
    assert {name for name in archive.files().items() if "tables" in name[0]} == {
        name for name in before.items() if "tables" in name[0]
    }


def test_reindex_can_merge_all_there_is_without_reading_the_manifests(
    archiver: Command, archive: ArchiveFolder
) -> None:
    spend_nights(archive.root, 3, LAST_MONTH)
    spend_nights(archive.root, 2, NOW, first=3)
    before = all_rows(archive)

    ran = archiver("reindex", "--compact", "--json")

    assert ran.json == {"files": {"before": 20, "after": 8}}
    assert all_rows(archive) == before
    assert files(archive) == {f"{LAST_MONTH:%Y-%m}": 1, f"{NOW:%Y-%m}": 1}
    assert "no table files" in archiver("reindex", "--compact").out
    assert left_in_tmp(archive) == []


def test_what_else_lies_among_the_tables_stays(archiver: Command, archive: ArchiveFolder) -> None:
    spend_nights(archive.root, 3, NOW)
    month = archive.root / "tables/runs" / f"fetched={NOW:%Y-%m}"
    others = [month / ".DS_Store", archive.root / "tables/mine/notes.txt"]
    others[1].parent.mkdir()
    for path in others:
        path.write_text(path.name)
    archiver("reindex", "--compact")
    assert [path.read_text() for path in others] == [path.name for path in others]
    assert files(archive) == {f"{NOW:%Y-%m}": 1}


def test_a_file_system_without_hard_links_is_all_the_same(
    archiver: Command, archive: ArchiveFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend_nights(archive.root, 2, LAST_MONTH)
    archiver("reindex", "--compact")
    spend_nights(archive.root, 2, NOW, first=2)
    before = all_rows(archive)

    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted", source)

    monkeypatch.setattr(os, "link", refuse)
    archiver("reindex", "--compact")
    assert all_rows(archive) == before
    assert files(archive) == {f"{LAST_MONTH:%Y-%m}": 1, f"{NOW:%Y-%m}": 1}


def test_a_file_that_is_damaged_costs_one_warning_and_no_session(
    fetch: Fetch, archiver: Command, archive: ArchiveFolder, new_run: str, server: LyingServer
) -> None:
    spend_nights(archive.root, 2, LAST_MONTH)
    spend_nights(archive.root, MANY, NOW, first=2)
    damaged = archive.table_files("documents")[-5]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    this_month = f"tables/*/fetched={NOW:%Y-%m}/*"
    before = {path: path.read_bytes() for path in archive.root.glob(this_month)}

    ran = fetch(new_run, "--quiet")

    assert ran.runs == {"asked": 1, "fetched": 1}
    (warning,) = ran.err.splitlines()
    assert str(damaged.relative_to(archive.root)) in warning
    assert "archiver reindex" in warning
    assert all(path.read_bytes() == data for path, data in before.items())
    assert files(archive) == {f"{LAST_MONTH:%Y-%m}": 1, f"{NOW:%Y-%m}": MANY + 1}
    assert left_in_tmp(archive) == []
    other = server.add_run(task_run("tsk_other"))
    told = fetch(other, "--log-format", "json").err.splitlines()
    assert [json.loads(line)["event"] for line in told].count("warning") == 1

    before = {path: path.read_bytes() for path in archive.root.rglob("tables/*/*/*.parquet")}
    ran = archiver("reindex", "--compact", code=ExitCode.DAMAGED)
    assert str(damaged.relative_to(archive.root)) in ran.err
    assert all(path.read_bytes() == data for path, data in before.items())
    assert left_in_tmp(archive) == []


def options(server: LyingServer, archive: ArchiveFolder) -> FetchOptions:
    run = RunOptions(Selection(frozenset(ArtifactKind), None), timedelta(0), (server.key,))
    return FetchOptions(archive.root, server.base_url, server.key, run)


def test_who_asks_to_stop_while_files_are_merged_is_heard_and_has_his_session(
    server: LyingServer, archiver: Command, archive: ArchiveFolder, new_run: str
) -> None:
    spend_nights(archive.root, MANY, NOW)
    stop = StopSwitch()
    told: list[Event] = []

    def report(event: Event) -> None:
        told.append(event)
        if isinstance(event, CompactionStarted):
            stop.interrupt()

    context = Context(lambda: datetime.now(UTC), Random(1), report, stop)
    summary = run_fetch([RunId(new_run)], options(server, archive), context)

    assert summary.exit_code == ExitCode.OK
    assert told[-1] == CompactionStarted(MANY * 4 + 4 + 1)  # one without rows
    assert files(archive) == {f"{NOW:%Y-%m}": MANY + 1}
    assert left_in_tmp(archive) == []
    archiver("reindex", "--compact")
    assert len(archive.rows("runs")) == MANY * RUNS_A_NIGHT + 1


def test_sessions_that_found_no_run_lose_and_double_nothing(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, new_run: str
) -> None:
    session = fetch(new_run).json["session"]
    for number in range(3):
        fetch(f"tsk_unknown{number}", code=3)
    asked = [row["asked_id"] for row in archive.rows("fetches")]
    assert len(asked) == 4
    # The last session was killed before its tables were whole: a journal, and no rows in runs.
    (runs,) = archive.table_files("runs")
    (folder,) = [row["path"] for row in archive.rows("runs")]
    (archive.root / "ledger" / f"{session}.journal").write_text(f"{folder}\n")
    runs.unlink()

    archiver("reindex", "--compact")

    assert [row["asked_id"] for row in archive.rows("fetches")] == asked
    for table in ("runs", "documents", "errors"):
        assert len(archive.rows(table)) == 1
    assert [len(archive.table_files(table)) for table in TABLES] == [1, 1, 0, 1, 1]
    archiver("verify")
    spend_nights(archive.root, 1, NOW)
    archiver("reindex", "--compact")
    (archive.root / "ledger" / f"{session}.journal").write_text(f"{folder}\n")
    fetch(new_run)
    assert len(archive.rows("fetches")) == 4 + RUNS_A_NIGHT
    assert len(archive.rows("documents")) == 1 + RUNS_A_NIGHT


def test_readers_see_all_rows_once_while_files_are_merged_again_and_again(
    archive: ArchiveFolder,
) -> None:
    spend_nights(archive.root, 4, NOW)
    storage = open_archive(archive.root)

    def merge_many_times() -> int:
        merged = 0
        for night in range(8):
            with open_for_writing(archive.root, NOW, b"%04d" % night) as writer:
                for number in (1, 2):
                    spend_night(writer, [f"wr_{night}_{number}"], NOW, number)
                merged += compact(writer, never)[1]
        return merged

    counts = "count(*), count(DISTINCT run_id), sum(revision)"
    joined = "run_revisions JOIN document_revisions USING (run_id, revision)"
    sql = f"SELECT {counts} FROM {joined} WHERE run_id LIKE 'tsk%'"
    seen = []
    with ThreadPoolExecutor(1) as executor:
        merging = executor.submit(merge_many_times)
        while not merging.done():
            for batch in run_query(storage, sql).batches:
                seen += [tuple(row.values()) for row in batch.to_pylist()]
        assert merging.result() > 8 * 8
    assert set(seen) == {(12, 12, 12)}
    assert len(archive.rows("runs")) == 12 + 16
    with open_for_writing(archive.root, NOW, b"last"):
        pass
    assert left_in_tmp(archive) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends with an error")
@pytest.mark.parametrize("name", ["archive", "link"])
def test_a_long_result_is_that_of_the_tables_with_which_it_began(
    archive: ArchiveFolder, name: str
) -> None:
    spend_nights(archive.root, 30, NOW)
    archive.root.with_name("link").symlink_to(archive.root, target_is_directory=True)
    storage = open_archive(archive.root.with_name(name))
    before = archive.rows("documents")
    batches = run_query(storage, "FROM document_revisions").batches
    found = next(batches).to_pylist()
    with open_for_writing(archive.root, NOW, b"1234") as writer:
        compact(writer, never)
    assert files(archive) == {f"{NOW:%Y-%m}": 1}
    assert left_in_tmp(archive) == ["tables"]
    for batch in batches:
        found += batch.to_pylist()
    assert sorted(row["run_id"] for row in found) == [row["run_id"] for row in before]
    with open_for_writing(archive.root, NOW, b"5678"):
        pass
    assert left_in_tmp(archive) == []
