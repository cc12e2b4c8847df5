"""What must hold of an archive at every moment, also after a kill."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from archiver.model.paths import MANIFEST
from archiver.store.archive_file import open_archive
from archiver.verify.verify import find_damage


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
    findings = find_damage(open_archive(archive))
    assert findings == [], [f"{one.path}: {one.problem}" for one in findings]
    committed = {Path(path).parent for path in manifests(archive)}
    for table in ("runs", "documents", "artifacts"):
        for row in rows(archive, table, "run_id", "revision"):
            revision = Path(row["run_id"]) / f"r{row['revision']}"
            assert any(path.match(str(revision)) for path in committed)
    for row in rows(archive, "artifacts", "path"):
        assert row["path"] is None or (archive / row["path"]).exists()


def rows(archive: Path, table: str, *columns: str) -> list[dict[str, Any]]:
    """All rows of a table, read from its files one by one, each of which must be whole."""
    found = []
    for file in archive.glob(f"tables/{table}/*/*.parquet"):
        found += pq.read_table(file, columns=list(columns), partitioning=None).to_pylist()
    return found


def assert_tidy(archive: Path) -> None:
    """After a session that ended well: nothing half-written is left, the tables have every run."""
    left = [path.name for path in (archive / "tmp").rglob("*") if path.name != "lock"]
    assert left == []
    assert not list((archive / "ledger").glob("*.journal"))
    for folder in archive.glob("runs/**/r[0-9]*"):
        assert (folder / MANIFEST).exists(), f"{folder} was never committed and is still there"
    stray = [
        path for path in archive.glob("runs/**/*") if path.is_dir() and not any(path.iterdir())
    ]
    assert not stray
    listed = "".join(path.read_text() for path in archive.glob("ledger/*.sha256"))
    assert Counter(listed.split("\n")[:-1]) == Counter(
        f"{hashlib.sha256(data).hexdigest()}  {path}" for path, data in manifests(archive).items()
    )
    sessions = {path.stem for path in archive.glob("ledger/*.json")}
    assert {path.stem for path in archive.glob("ledger/*.sha256")} <= sessions
    found = Counter(row["path"] for row in rows(archive, "runs", "path"))
    assert found == Counter(str(Path(path).parent) for path in manifests(archive))
    committed = [json.loads(data) for data in manifests(archive).values()]
    expected = Counter((m["run_id"], m["revision"]) for m in committed)
    documents = rows(archive, "documents", "run_id", "revision")
    assert Counter(tuple(row.values()) for row in documents) == expected
    artifacts = rows(archive, "artifacts", "run_id", "revision")
    assert Counter(tuple(row.values()) for row in artifacts) == Counter(
        (m["run_id"], m["revision"]) for m in committed for _ in m["artifacts"]
    )


def summary(output: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(output.read_text())
    return found
