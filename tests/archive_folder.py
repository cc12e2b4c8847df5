"""Reading an archive the way anybody would who does not have this tool."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

TABLES = ("runs", "documents", "artifacts", "errors", "fetches")
_SORT = ("run_id", "revision", "kind", "ordinal", "session", "asked_id")


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """An archive's folder."""

    root: Path

    def run(self, run_id: str) -> Path:
        """The run's folder; there is exactly one."""
        (folder,) = self.root.glob(f"runs/**/{run_id}")
        return folder

    def manifest(self, run_id: str, revision: int = 1) -> dict[str, Any]:
        text = (self.run(run_id) / f"r{revision}" / "manifest.json").read_text()
        manifest = json.loads(text)
        assert isinstance(manifest, dict)
        return manifest

    def document(self, run_id: str, revision: int = 1) -> Any:
        """The run's document as that revision lists it."""
        return json.loads((self.run(run_id) / self.document_path(run_id, revision)).read_bytes())

    def document_path(self, run_id: str, revision: int = 1) -> str:
        path = self.manifest(run_id, revision)["document"]["path"]
        assert isinstance(path, str)
        return path

    def artifacts(self, run_id: str, revision: int = 1) -> dict[str, dict[str, Any]]:
        """The manifest's artifacts by kind and ordinal, as in ``"screenshot 2"``."""
        entries = self.manifest(run_id, revision)["artifacts"]
        named = {f"{entry['kind']} {entry['ordinal']}": entry for entry in entries}
        assert len(named) == len(entries)
        return named

    def artifact(self, run_id: str, name: str, revision: int = 1) -> dict[str, Any]:
        return self.artifacts(run_id, revision)[name]

    def states(self, run_id: str, revision: int = 1) -> dict[str, str]:
        return {name: a["state"] for name, a in self.artifacts(run_id, revision).items()}

    def read(self, run_id: str, name: str, revision: int = 1) -> bytes:
        """The bytes of an artifact; size and digest in the manifest are theirs."""
        entry = self.artifact(run_id, name, revision)
        path: str = entry["path"]
        data = (self.run(run_id) / path).read_bytes()
        assert len(data) == entry["size"]
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        return data

    def revisions(self, run_id: str) -> list[str]:
        """The names of the revisions that were committed."""
        return sorted(path.parent.name for path in self.run(run_id).glob("r*/manifest.json"))

    def rows(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        """The rows of a table that have these values, in a fixed order, read by plain Arrow."""
        folder = self.root / "tables" / table
        if not folder.exists():
            return []
        rows: list[dict[str, Any]] = ds.dataset(folder, format="parquet").to_table().to_pylist()
        found = [row for row in rows if all(row[name] == wanted[name] for name in wanted)]
        return sorted(found, key=lambda row: [row[name] or "" for name in _SORT if name in row])

    def row(self, table: str, **wanted: Any) -> dict[str, Any]:
        """The one row that has these values."""
        (row,) = self.rows(table, **wanted)
        return row

    def table_files(self, table: str) -> list[Path]:
        return sorted((self.root / "tables" / table).rglob("*.parquet"))

    def files(self) -> dict[str, str]:
        """Every file but those in tmp, with the digest of its bytes."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.relative_to(self.root).parts[0] != "tmp"
        }

    def everything(self) -> str:
        """All that can be read in it: names, bytes, and the rows of the tables unpacked."""
        parts = []
        for path in sorted(self.root.rglob("*")):
            parts.append(str(path.relative_to(self.root)))
            if path.is_file():
                parts.append(path.read_bytes().decode("utf-8", "replace"))
        parts += [json.dumps(self.rows(t), default=str, ensure_ascii=False) for t in TABLES]
        return "\n".join(parts)
