"""Rows that somebody wrote into valid table files are found, whatever they say and are."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.store.storage import LocalStorage
from archiver.verify.findings import Scope
from archiver.verify.verify import verify
from tests.archive_folder import ArchiveFolder
from tests.verify.test_harms import made, paths, root

__all__ = ["made", "root"]  # fixtures


def file_of(root: Path, table: str, run_id: str = "tsk_2") -> Path:
    return next(
        path
        for path in ArchiveFolder(root).table_files(table)
        if run_id in pq.read_table(path, partitioning=None)["run_id"].to_pylist()
    )


def changed(rows: pa.Table, column: str, values: pa.Array, *, nullable: bool = False) -> pa.Table:
    place = rows.schema.get_field_index(column)
    return rows.set_column(place, pa.field(column, values.type, nullable), values)


@pytest.mark.parametrize(
    "values", [{"run_id": "tsk_77"}, {"revision": 9}, {"run_id": "tsk_77", "path": "what"}]
)
@pytest.mark.parametrize("table", ["runs", "documents", "artifacts", "errors"])
def test_a_row_that_was_added_is_found(root: Path, table: str, values: dict[str, Any]) -> None:
    """Its path names the folder of another revision, which is there."""
    path = file_of(root, table)
    rows = pq.read_table(path, partitioning=None)
    forged = rows.slice(0, 1)
    for column in values.keys() & set(rows.column_names):
        field = rows.schema.field(column)
        value = pa.array([values[column]], field.type)
        forged = changed(forged, column, value, nullable=field.nullable)
    pq.write_table(pa.concat_tables([rows, forged]), path)
    assert paths(root) == [str(path.relative_to(root))]
    run_id = values.get("run_id", "tsk_2")
    found = verify(LocalStorage(root), Scope(run_ids=frozenset([run_id]))).findings
    assert [one.path for one in found] == [str(path.relative_to(root))]


@pytest.mark.parametrize("table", ["runs", "documents", "artifacts", "errors", "fetches"])
@pytest.mark.parametrize("kind", ["text", "list", "none", "null", "binary"])
def test_a_column_of_another_type_is_found(root: Path, table: str, kind: str) -> None:
    path = file_of(root, table)
    rows = pq.read_table(path, partitioning=None)
    name = "at" if table == "fetches" else "revision"
    values = {
        "text": pa.array([str(value) for value in rows[name].to_pylist()]),
        "list": pa.array([[1]] * len(rows)),
        "none": pa.nulls(len(rows)),
        "null": pa.nulls(len(rows), rows.schema.field(name).type),
        "binary": pa.array([b"\xff"] * len(rows)),
    }
    pq.write_table(changed(rows, name, values[kind], nullable=True), path)
    assert paths(root) == [str(path.relative_to(root))]


@pytest.mark.parametrize("name", ["document", "output"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.list_(pa.string())])
def test_a_long_text_of_another_type_is_found(root: Path, name: str, kind: pa.DataType) -> None:
    path = file_of(root, "documents")
    rows = pq.read_table(path, partitioning=None)
    texts = [text or "" for text in rows[name].to_pylist()]
    as_list = [[text] for text in texts]
    values = pa.array(as_list if pa.types.is_list(kind) else [t.encode() for t in texts], kind)
    pq.write_table(changed(rows, name, values), path)
    assert paths(root) == [str(path.relative_to(root))]


@pytest.mark.parametrize(
    ("name", "text"), [("document", "{}"), ("output", "1"), ("output", ""), ("output", "null")]
)
def test_another_long_text_is_found(root: Path, name: str, text: str) -> None:
    path = file_of(root, "documents")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(changed(rows, name, pa.array([text] * len(rows), pa.string())), path)
    assert paths(root) == [str(path.relative_to(root))]


@pytest.mark.parametrize("harm", ["changed", "gone", "twice"])
def test_rows_of_checks_that_somebody_else_wrote_are_found(root: Path, harm: str) -> None:
    files = ArchiveFolder(root).table_files("checks")
    (path,) = [path for path in files if pq.read_metadata(path).num_rows]
    rows = pq.read_table(path, partitioning=None)
    match harm:
        case "changed":
            outcomes = pa.array(["damaged"] * len(rows), rows.schema.field("outcome").type)
            rows = changed(rows, "outcome", outcomes)
        case "gone":
            rows = rows.slice(1)
        case "twice":
            rows = pa.concat_tables([rows, rows.slice(0, 1)])
    pq.write_table(rows, path)
    assert paths(root) == [str(path.relative_to(root))]


def test_words_of_the_log_of_questions_that_somebody_changed_are_found(root: Path) -> None:
    """No digest has them, since an erase takes them away; the file's seal has."""
    path = file_of(root, "fetches")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(changed(rows, "reason", pa.array(["all is well"] * len(rows))), path)
    assert paths(root) == [str(path.relative_to(root))]
