"""Run ids come from wherever they are, and all are checked before anything is asked."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Fetch
from tests.lying_server import LyingServer, task_run

THREE = {"asked": 3, "fetched": 3}


@pytest.fixture(autouse=True)
def known(server: LyingServer) -> None:
    for run_id in ("tsk_1", "tsk_v2_2", "wr_3"):
        server.add_run(task_run(run_id))


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_arguments_are_ids(fetch: Fetch) -> None:
    assert fetch("tsk_1", "tsk_v2_2", "wr_3").runs == THREE


@pytest.mark.parametrize(
    "text",
    [
        "tsk_1\ntsk_v2_2\nwr_3\n",
        "tsk_1\r\ntsk_v2_2\r\nwr_3",
        "\ufefftsk_1\n# a comment\n\n  tsk_v2_2  # why\n\t\nwr_3\n\n",
        "tsk_1\rtsk_v2_2\rwr_3\r",
    ],
    ids=["plain", "CRLF", "BOM, comments, blanks", "CR"],
)
@pytest.mark.parametrize("way", ["file", "--ids -", "-"])
def test_text_has_an_id_a_line(fetch: Fetch, tmp_path: Path, text: str, way: str) -> None:
    if way == "file":
        assert fetch("--ids", write(tmp_path, "ids", text)).runs == THREE
    else:
        assert fetch(*way.split(), stdin=text).runs == THREE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'n,run_id,note\n1,tsk_1,"a, b"\n2,tsk_v2_2,"two\nlines"\n3,wr_3\n4,,\n'),
        ("a.CSV", "\ufeffrun_id\r\ntsk_1\r\n tsk_v2_2 \r\nwr_3\r\n"),
        ("a.tsv", "run_id\tnote\ntsk_1\tx\ntsk_v2_2\ty\nwr_3\tz\n"),
        ("a.ndjson", '{"run_id":"tsk_1"}\n\n{"run_id":"tsk_v2_2","x":[1]}\n{"run_id":"wr_3"}'),
        ("a.jsonl", '\ufeff{"run_id":"tsk_1"}\r\n{"run_id":"tsk_v2_2"}\r\n{"run_id":"wr_3"}\r\n'),
    ],
)
def test_tables_have_ids_in_a_column(fetch: Fetch, tmp_path: Path, name: str, text: str) -> None:
    assert fetch("--ids", write(tmp_path, name, text)).runs == THREE
    renamed = write(tmp_path, name, text.replace("run_id", "id of it"))
    assert fetch("--ids", renamed, "--column", "id of it").runs == {"asked": 3, "unchanged": 3}


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["tsk_1", "tsk_v2_2", None, "wr_3"]),
        pa.array(["tsk_1", "tsk_v2_2", "wr_3"], pa.large_string()),
        pa.array(["tsk_1", "tsk_v2_2", "wr_3"]).dictionary_encode(),
    ],
    ids=["text", "large text", "dictionary"],
)
def test_parquet_has_ids_in_a_column(fetch: Fetch, tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"id": column, "n": range(len(column))}), tmp_path / "ids.parquet")
    assert fetch("--ids", tmp_path / "ids.parquet", "--column", "id").runs == THREE


def test_ids_from_everywhere_are_fetched_once(
    server: LyingServer, fetch: Fetch, tmp_path: Path
) -> None:
    one = write(tmp_path, "one.txt", "tsk_1\ntsk_1\n")
    two = write(tmp_path, "two.csv", "run_id\nwr_3\ntsk_1\n")
    ran = fetch("tsk_1", "tsk_v2_2", "-", "--ids", one, "--ids", two, stdin="wr_3\ntsk_v2_2")
    assert ran.runs == THREE
    assert server.count("/v1/runs/") == 3


def test_standard_input_named_twice_is_no_crash(fetch: Fetch) -> None:
    assert fetch("-", "--ids", "-", stdin="tsk_1\n", code=None).code in (0, 2)


def test_an_archive_of_its_own_tables_can_be_asked_again(
    fetch: Fetch, archive: ArchiveFolder
) -> None:
    fetch("tsk_1", "wr_3")
    (table,) = archive.table_files("fetches")
    ran = fetch("--ids", table, "--column", "asked_id")
    assert ran.runs == {"asked": 2, "unchanged": 2}


@pytest.mark.parametrize(
    "bad",
    [
        *("tsk", "tsk_", "TSK_1", "run_1", "tsk-1", "tsk_1/..", "../tsk_1", "tsk_ü", "tsk_1 x"),
        *("tsk_" + "1" * 129, "tsk_1?x=1", "tsk_1%2f", "http://x/tsk_1", "wr_1\x00"),
    ],
)
def test_what_is_no_id_is_refused_with_its_place(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, tmp_path: Path, bad: str
) -> None:
    text = write(tmp_path, "list.txt", f"# ids\ntsk_1\n{bad}\n")
    table = write(tmp_path, "list.csv", f"run_id\ntsk_1\n{bad}\n")
    for arguments, place in (
        (["tsk_1", bad], "argument 2"),
        (["--ids", text], f"{text}, line 3"),
        (["--ids", table], f"{table}, line 3"),
    ):
        if "\x00" in bad and place == "argument 2":
            continue
        ran = fetch(*arguments, code=2)
        assert place in ran.err
        assert "\x00" not in ran.err
    assert "standard input, line 3" in fetch("-", stdin=text.read_bytes(), code=2).err
    assert (server.requests, archive.root.exists()) == ([], False)


def test_many_bad_ids_are_told_at_once_but_not_all(fetch: Fetch) -> None:
    ran = fetch("-", stdin="".join(f"bad {n}\n" for n in range(100_000)), code=2)
    assert "line 1:" in ran.err
    assert "line 10:" in ran.err
    assert len(ran.err.splitlines()) < 20


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "id,x\ntsk_1,2\n", ["--column", "run_id", "id, x"]),
        ("a.csv", "", ["run_id"]),
        ("a.ndjson", '{"run_id":"tsk_1"}\n{"id":"x"}\n', ["line 2", "--column"]),
        ("a.ndjson", '{"run_id":"tsk_1"}\n{"run_id":\n', ["line 2", "JSON"]),
        ("a.ndjson", '"tsk_1"\n', ["line 1"]),
        ("a.ndjson", '{"run_id":["tsk_1"]}\n', ["line 1"]),
        ("a.ndjson", '{"run_id":17}\n', ["line 1"]),
        ("a.parquet", "no parquet at all", ["Parquet"]),
        ("a.txt", b"tsk_1\n\xff\xfe\n", ["UTF-8"]),
        ("a.csv", b"run_id\ntsk_\xff\n", ["UTF-8"]),
        ("a.ndjson", b'{"run_id":"tsk_\xff"}\n', ["UTF-8"]),
        ("a.txt", "tsk_1\n".encode("utf-16"), ["UTF-8"]),
        ("a.txt", "# nothing\n\n", ["no run ids"]),
        ("a.csv", "run_id\n", ["no run ids"]),
    ],
)
def test_a_file_that_cannot_be_taken_is_named(
    server: LyingServer,
    fetch: Fetch,
    archive: ArchiveFolder,
    tmp_path: Path,
    name: str,
    content: str | bytes,
    told: list[str],
) -> None:
    ran = fetch("--ids", write(tmp_path, name, content), code=2)
    assert [text for text in told if text not in ran.err] == []
    assert (server.requests, archive.root.exists()) == ([], False)


def test_a_parquet_file_without_the_column_names_those_it_has(fetch: Fetch, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["tsk_1"], "bad": ["x"]}), tmp_path / "a.parquet")
    assert "id, bad" in fetch("--ids", tmp_path / "a.parquet", code=2).err
    told = fetch("--ids", tmp_path / "a.parquet", "--column", "bad", code=2).err
    assert "a.parquet, row 1" in told


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.ndjson", "a.parquet"])
def test_a_file_that_is_not_there_is_named(fetch: Fetch, tmp_path: Path, name: str) -> None:
    assert name in fetch("--ids", tmp_path / name, code=2).err
    (tmp_path / name).mkdir()
    assert name in fetch("--ids", tmp_path / name, code=2).err


def test_no_ids_at_all_is_wrong_usage(fetch: Fetch, archive: ArchiveFolder) -> None:
    assert "--ids" in fetch(code=2).err
    assert "no run ids" in fetch("-", stdin="", code=2).err
    assert not archive.root.exists()


def test_very_many_ids_that_are_held_are_fast(
    server: LyingServer, fetch: Fetch, tmp_path: Path
) -> None:
    fetch("tsk_1")
    server.clear_requests()
    text = "tsk_1\n" * 200_000
    assert fetch("--ids", write(tmp_path, "many", text)).runs == {"asked": 1, "unchanged": 1}
    assert server.requests == []
