"""What must hold of an archive at every moment, also after a kill."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from archiver.adapters.archive import open_archive
from archiver.adapters.views import connect
from archiver.domain.paths import MANIFEST
from archiver.workflows.verify import verify


def manifests(archive: Path) -> dict[str, bytes]:
    """Every visible manifest, by its path."""
    return {
        str(path.relative_to(archive)): path.read_bytes()
        for path in archive.glob(f"runs/**/{MANIFEST}")
        if path.parent.name.startswith("r")
    }


def assert_intact(archive: Path) -> None:
    """Every manifest is true, and every table is whole and points only to what is there."""
    if not (archive / "archive.json").exists():
        assert not list(archive.glob("runs/**/*")), "runs before the archive itself"
        return
    storage = open_archive(archive)
    assert [f for checked in verify(storage) for f in checked.findings] == []
    for file in archive.glob("tables/**/*.parquet"):
        pq.read_table(file, partitioning=None)
    with connect(storage) as connection:
        for table in ("run_revisions", "document_revisions", "artifact_revisions"):
            for path, revision in connection.sql(
                f"SELECT DISTINCT run_id, revision FROM {table}"
            ).fetchall():
                assert list(archive.glob(f"runs/**/{path}/r{revision}/{MANIFEST}"))
        for (path,) in connection.sql(
            "SELECT path FROM artifact_revisions WHERE path IS NOT NULL"
        ).fetchall():
            assert (archive / path).exists()


def assert_tidy(archive: Path, tables: bool = True) -> None:
    """After a session that ended well: nothing half-written is left, the tables have every run."""
    left = [path.name for path in (archive / "tmp").rglob("*") if path.name != "lock"]
    assert left == []
    for folder in archive.glob("runs/**/r[0-9]*"):
        assert (folder / MANIFEST).exists(), f"{folder} was never committed and is still there"
    if tables:
        with connect(open_archive(archive)) as connection:
            rows = connection.sql("SELECT path, count(*) FROM run_revisions GROUP BY 1").fetchall()
        assert dict(rows) == {str(Path(path).parent): 1 for path in manifests(archive)}


def summary(output: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(output.read_text())
    return found
