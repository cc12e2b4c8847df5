"""The generated archives are such as the tool makes."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from archiver.model.schema import CHECKS, TABLES
from archiver.query.sql import run_query
from archiver.store.archive_file import open_archive
from archiver.verify.verify import find_damage
from tests.benchmarks.nightly.__main__ import main


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nightly")
    ids = folder / "ids.txt"
    options = ["--ids", f"{ids}", "--nights", "33", "--processes", "1"]
    main([f"{folder / 'archive'}", "1000", *options])
    return folder / "archive"


def ask(archive: Path, sql: str) -> tuple[object, ...]:
    (batch,) = run_query(open_archive(archive), sql).batches
    (row,) = batch.to_pylist()
    return tuple(row.values())


def test_the_runs_are_those_that_were_asked_for(archive: Path) -> None:
    ids = (archive.parent / "ids.txt").read_text().split()
    assert len(set(ids)) == len(ids) == 1000
    runs = "count(*), count(DISTINCT run_id), max(revision), count(*) FILTER (is_complete)"
    count, distinct, latest, complete = ask(archive, f"SELECT {runs} FROM run_revisions")
    assert (distinct, latest) == (1000, 2)
    assert isinstance(count, int)
    assert isinstance(complete, int)
    assert 1020 <= count <= 1035
    assert complete >= 980


def test_the_tables_fit_together(archive: Path) -> None:
    counted = "sum(downloaded_file_count) + sum(screenshot_count)"
    held = "count(*) FILTER (kind <> 'recording')"
    assert ask(archive, f"SELECT {counted} FROM run_revisions") == ask(
        archive, f"SELECT {held} FROM artifact_revisions"
    )
    assert ask(archive, "SELECT sum(len(error_codes)) FROM run_revisions") == ask(
        archive, "SELECT count(*) FROM error_revisions"
    )
    documents = "run_revisions ANTI JOIN document_revisions USING (run_id, revision, session)"
    assert ask(archive, f"SELECT count(*) FROM {documents}") == (0,)
    whole = "bool_and(document ->> 'status' = status AND document ->> 'run_id' = d.run_id)"
    joined = "document_revisions d JOIN run_revisions USING (run_id, revision)"
    assert ask(archive, f"SELECT {whole} FROM {joined}") == (True,)
    size = "median(strlen(document)) FROM documents WHERE output IS NOT NULL"
    (bytes_,) = ask(archive, f"SELECT {size}")
    assert isinstance(bytes_, float)
    assert 3_800 < bytes_ < 4_200


def test_months_are_one_sorted_file_for_each_table_but_the_last(archive: Path) -> None:
    for table in TABLES:
        if table is CHECKS:  # nothing was verified
            continue
        counts = {
            folder.name: len(list(folder.iterdir()))
            for folder in sorted((archive / "tables" / table.name).iterdir())
        }
        assert counts.pop("fetched=2026-11") >= 10
        assert set(counts.values()) == {1}
    for path in (archive / "tables/runs").glob("*/*.parquet"):
        keys = pq.read_table(path, partitioning=None).select(["run_id", "revision"])
        ordered = keys.sort_by([("run_id", "ascending"), ("revision", "ascending")])
        assert pc.all(pc.equal(keys["run_id"], ordered["run_id"])).as_py()


def test_the_ledger_is_one_chain(archive: Path) -> None:
    assert len(list((archive / "ledger").iterdir())) == 33
    findings = find_damage(open_archive(archive))
    assert not [f for f in findings if f.path.startswith("ledger")]
