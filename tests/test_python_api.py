"""``archiver.open``: the archive in Python, for pandas, Arrow and whatever DuckDB relations can."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import archiver
from archiver.errors import ArchiveDamaged, ArchiverError, InvalidRunId, NotAnArchive, UsageError
from archiver.model.schema import VIEWS
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, child_environment
from tests.lying_server import LyingServer, task_run

NAMES = [view.name for view in VIEWS]


@pytest.fixture
def held(server: LyingServer, fetch: Fetch, archive: ArchiveFolder) -> ArchiveFolder:
    """An archive of two runs, one of which failed, with a file."""
    file = server.artifact(b"position,amount\n", "download").entry(filename="für №1.csv")
    created = "2026-03-01T23:30:00"
    server.add_run(task_run("tsk_1", created_at=created, downloads=[file]))
    server.add_run(task_run("tsk_2", "failed", failure_reason="Page 7", created_at=created))
    fetch("tsk_1", "tsk_2")
    return archive


@pytest.fixture
def command(fetch: Fetch) -> Command:
    """The command, under a name that is not the package's."""
    return fetch.command


@pytest.fixture
def opened(held: ArchiveFolder) -> Iterator[archiver.Archive]:
    with archiver.open(held.root) as opened:
        yield opened


def test_there_is_a_method_for_every_view_and_it_has_its_columns(
    opened: archiver.Archive,
) -> None:
    of_rows = {name for name, kind in vars(archiver.Archive).items() if callable(kind)}
    assert of_rows - {name for name in of_rows if name.startswith("_")} == {
        *NAMES,
        *("sql", "show", "path", "close"),
    }
    for view in VIEWS:
        relation = getattr(opened, view.name)()
        assert isinstance(relation, duckdb.DuckDBPyRelation)
        assert relation.columns == [column.name for column in view.columns]
        assert getattr(archiver.Archive, view.name).__doc__


def test_rows_come_as_python_arrow_and_pandas(
    opened: archiver.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    runs = opened.runs().order("run_id")
    at = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    first = dict(zip(runs.columns, runs.fetchall()[0], strict=True))
    assert (first["run_id"], first["created_at"]) == ("tsk_1", at)
    assert first["created_at"].utcoffset().total_seconds() == 0
    assert runs.to_arrow_table()["created_at"].to_pylist() == [at, at]
    assert str(runs.to_arrow_table().schema.field("created_at").type) == "timestamp[us, tz=UTC]"
    frame = runs.df()
    assert (str(frame["created_at"].dtype), frame["created_at"][0]) == ("datetime64[us, UTC]", at)
    assert str(opened.daily().df()["day"][0])[:10] == "2026-03-01"


def test_relations_are_filtered_and_joined(opened: archiver.Archive) -> None:
    joined = opened.runs().join(opened.artifacts(), "run_id").filter("kind = 'download'")
    assert joined.select("run_id, filename").fetchall() == [("tsk_1", "für №1.csv")]
    assert opened.failures().select("reason").fetchall() == [("Page <number>",)]


def test_sql_takes_parameters_and_only_reads(held: ArchiveFolder, opened: archiver.Archive) -> None:
    before = held.files()
    found = opened.sql(
        "SELECT run_id FROM runs WHERE status = $status AND created_at < $until",
        status="failed",
        until=datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert found.fetchall() == [("tsk_2",)]
    for sql in (
        *("DROP VIEW runs", "COPY runs TO 'x.csv'", "SELECT 1; SELECT 2", "SELEC", "FROM nothing"),
        *("SET threads = 1", "SELECT $missing", "FROM read_text('/etc/passwd')"),
        *("FROM before", "FROM held"),
    ):
        with pytest.raises(UsageError):
            opened.sql(sql).fetchall()
    with pytest.raises(UsageError):
        opened.sql("SELECT 1", more=1)
    assert held.files() == before


def test_a_run_is_shown_and_its_files_are_found(opened: archiver.Archive) -> None:
    shown = opened.show("tsk_1")
    assert shown is not None
    assert shown["run"]["status"] == "completed"
    (artifact,) = shown["artifacts"]
    assert opened.path(artifact["path"]).read_bytes() == b"position,amount\n"
    assert opened.show("tsk_3") is None
    with pytest.raises(InvalidRunId):
        opened.show("../tsk_1")
    for path in ("../x", "/etc/passwd", "runs/../../x"):
        with pytest.raises(UsageError):
            opened.path(path)


def test_what_is_fetched_meanwhile_is_seen(
    server: LyingServer, fetch: Fetch, opened: archiver.Archive
) -> None:
    before = opened.runs()
    assert len(before) == 2
    server.add_run(task_run("tsk_3"))
    fetch("tsk_3")
    assert len(opened.runs()) == 3
    assert len(before.join(opened.fetches(), "run_id")) == 3


@pytest.mark.parametrize("options", [[], ["--compact"]])
def test_relations_outlive_tables_that_are_replaced(
    server: LyingServer,
    fetch: Fetch,
    command: Command,
    opened: archiver.Archive,
    options: list[str],
) -> None:
    server.add_run(task_run("tsk_3"))
    fetch("tsk_3")
    before = opened.runs().filter("status = 'completed'")
    command("reindex", *options)
    if sys.platform == "linux":
        assert len(before) == 2
    server.add_run(task_run("tsk_4"))
    fetch("tsk_4")
    assert len(opened.runs()) == 4
    if sys.platform == "linux":
        assert len(before) == 2
    assert len(opened.sql("FROM runs WHERE status = 'completed'")) == 3


def test_replaced_tables_go_when_nobody_reads_them(
    command: Command, held: ArchiveFolder, opened: archiver.Archive
) -> None:
    relation = opened.runs()
    command("reindex")
    opened.runs()
    del relation
    command("reindex")
    command("reindex")
    assert len(list(held.root.glob("*/**/runs/fetched=*"))) <= 2
    opened.close()
    command("reindex")
    assert len(list(held.root.glob("*/**/runs/fetched=*"))) == 1


def test_threads_ask_at_the_same_time(opened: archiver.Archive) -> None:
    found: list[list[tuple[int]]] = []

    def ask() -> None:
        for _ in range(5):
            found.append(opened.runs().aggregate("count(*)").fetchall())
            found.append(opened.sql("SELECT count(*) FROM runs").fetchall())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(2,)]] * 40


def test_a_relation_works_without_a_name_for_the_archive(held: ArchiveFolder) -> None:
    assert len(archiver.open(str(held.root)).runs().df()) == 2


def test_a_closed_archive_says_so(held: ArchiveFolder) -> None:
    opened = archiver.open(held.root)
    relation = opened.runs()
    rows = relation.df()
    opened.close()
    opened.close()
    assert len(rows) == 2
    with pytest.raises(UsageError, match="closed"):
        opened.runs()
    with pytest.raises(duckdb.Error):
        relation.fetchall()


def test_errors_are_archivers(held: ArchiveFolder, tmp_path: Path) -> None:
    with pytest.raises(NotAnArchive):
        archiver.open(tmp_path / "nothing")
    for path in held.table_files("runs"):
        path.write_bytes(b"x")
    with pytest.raises(ArchiveDamaged):
        archiver.open(held.root).runs()
    assert issubclass(ArchiveDamaged, archiver.errors.ArchiverError)
    assert archiver.errors.ArchiverError is ArchiverError


def test_an_archive_without_tables_has_empty_views(held: ArchiveFolder) -> None:
    for path in held.root.glob("tables/*/*/*.parquet"):
        path.unlink()
    opened = archiver.open(held.root)
    for name in NAMES:
        assert len(getattr(opened, name)()) == 0


def test_importing_is_light() -> None:
    code = "import archiver, sys; print({'duckdb', 'pyarrow', 'click'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True
    )
    assert ran.stdout == "set()\n"


def test_times_need_no_time_zones_of_the_system(held: ArchiveFolder) -> None:
    code = f"import archiver; print(archiver.open({str(held.root)!r}).runs().fetchall()[0][10])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(PYTHONTZPATH=""),
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.stderr) == ("2026-03-01 23:30:00+00:00\n", "")
