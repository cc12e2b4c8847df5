"""Run ids come from wherever they are, and all are checked before anything is asked."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.cli.id_files import IdFile
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch, Ran
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


WAYS = ("file", "file without an ending", "standard input", "gzip", "gzip on standard input")


def give(fetch: Fetch, path: Path, way: str, *options: str, code: int = 0) -> Ran:
    """Fetch the ids of a file, given in one way of several that are the same."""
    content = path.read_bytes()
    if "gzip" in way:
        content = gzip.compress(content)
    if "standard input" in way:
        return fetch("--ids", "-", *options, stdin=content, code=code)
    name = "ids" if way == "file without an ending" else path.name
    return fetch("--ids", write(path.parent, name, content), *options, code=code)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "# of last night\ntsk_1\ntsk_v2_2\nwr_3\n"),
        ("a.csv", 'n,run_id,note\n1,tsk_1,"a, ""b"""\n2,tsk_v2_2,"two\nlines"\n3,wr_3,7" wide\n'),
        ("a.csv", "run_id\ntsk_1\ntsk_v2_2\nwr_3\n"),
        ("a.csv", 'n;"run_id"\r\n1;"tsk_1"\r\n2;tsk_v2_2\r\n3;wr_3\r\n'),
        ("a.tsv", 'run_id\tnote\ntsk_1\t"12 inch\ntsk_v2_2\tok\nwr_3\t7"\n'),
        ("a.ndjson", '{"run_id":"tsk_1"}\n{"run_id":"tsk_v2_2","x":[1]}\n{"run_id":"wr_3"}\n'),
        ("a.ndjson", '"tsk_1"\n"tsk_v2_2"\n"wr_3"\n'),
        ("a.json", '["tsk_1", "tsk_v2_2", "wr_3"]'),
        ("a.json", '\n[\n{"run_id": "tsk_1"},\n{"run_id": "tsk_v2_2"},\n{"run_id": "wr_3"}\n]\n'),
    ],
)
def test_what_a_source_is_is_known_by_its_content(
    fetch: Fetch, tmp_path: Path, name: str, text: str, way: str
) -> None:
    assert give(fetch, write(tmp_path, name, text), way).runs == THREE


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "tsk_1\r\ntsk_v2_2\r\nwr_3"),
        ("a.csv", 'run_id,note\r\ntsk_1,"№"\r\ntsk_v2_2,\r\nwr_3,ok\r\n'),
        ("a.json", '["tsk_1", "tsk_v2_2", "wr_3"]'),
    ],
)
def test_text_is_in_any_form_of_unicode(
    fetch: Fetch, tmp_path: Path, name: str, text: str, encoding: str
) -> None:
    assert give(fetch, write(tmp_path, name, text.encode(encoding)), "standard input").runs == THREE


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_an_object_that_may_be_printed_over_many_lines(
    fetch: Fetch, tmp_path: Path, way: str
) -> None:
    path = write(tmp_path, "a.json", json.dumps({"run_id": "tsk_1", "status": "x"}, indent=2))
    assert give(fetch, path, way).runs == {"asked": 1, "fetched": 1}


IDS = ["tsk_1", "tsk_v2_2", "wr_3"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "column",
    [
        pa.array(["tsk_1", "tsk_v2_2", None, "wr_3"]),
        *(
            pa.array(IDS, kind)
            for kind in (pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())
        ),
        pa.array(IDS).dictionary_encode(),
        pa.array(IDS, pa.binary()).dictionary_encode(),
    ],
    ids=lambda column: str(column.type)[:20],
)
def test_parquet_has_ids_in_a_column(
    fetch: Fetch, tmp_path: Path, column: pa.Array, way: str
) -> None:
    path = tmp_path / "ids.parquet"
    pq.write_table(pa.table({"id": column, "n": range(len(column))}), path)
    assert give(fetch, path, way, "--column", "id").runs == THREE


def test_a_column_of_parquet_that_stands_twice_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    table = pa.table([pa.array(["tsk_1"]), pa.array(["tsk_2"])], names=["run_id", "run_id"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert "twice" in fetch("--ids", tmp_path / "a.parquet", code=2).err


def test_bytes_of_parquet_that_are_no_text_are_refused(fetch: Fetch, tmp_path: Path) -> None:
    pq.write_table(pa.table({"run_id": [b"tsk_\xff"]}), tmp_path / "a.parquet")
    told = fetch("--ids", tmp_path / "a.parquet", code=2).err
    assert "a.parquet, row 1: its bytes are no UTF-8 text" in told
    assert "iconv" not in told


CELL = st.lists(st.sampled_from(["two", "lines;x", "a, b", "tsk", '"', ""]), max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4), st.sampled_from(",;"))
def test_cells_of_many_lines_around_the_id_are_read(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[list[str], list[str]]], mark: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "many-lines.csv"
    ids = [f"tsk_{number}" for number in range(len(cells))]
    with path.open("w", newline="") as file:
        rows = csv.writer(file, delimiter=mark)
        rows.writerow(["before", "run_id", "after"])
        for run_id, (before, after) in zip(ids, cells, strict=True):
            rows.writerow(["\n".join(before), run_id, "\n".join(after)])
    assert [text for _, text in IdFile(str(path), "run_id").read()] == ids


def test_a_cell_of_many_lines_before_the_id_is_read(fetch: Fetch) -> None:
    assert fetch("-", stdin='prompt,run_id\n"one\ntwo",tsk_1\n').runs == {"asked": 1, "fetched": 1}


@pytest.mark.parametrize("output_format", ["csv", "json", "ndjson", "parquet"])
def test_the_answer_to_a_query_is_a_source(
    archiver: Command, fetch: Fetch, output_format: str
) -> None:
    fetch(*IDS)
    answer = archiver("query", "SELECT run_id, status FROM runs", "--format", output_format)
    assert fetch("-", stdin=answer.stdout).runs == {"asked": 3, "unchanged": 3}


@pytest.mark.parametrize("way", ["argument", "text", "csv", "json", "tsv"])
@pytest.mark.parametrize(
    ("url", "run_id"),
    [
        ("https://app.skyvern.com/tasks/tsk_1/actions", "tsk_1"),
        ("https://app.skyvern.com/workflows/wpid_1/wr_3/overview", "wr_3"),
        ("https://skyvern.example:8080/workflows/wpid_1/wr_3/overview?active=act_1#top", "wr_3"),
        ("http://10.0.0.1/skyvern/runs/tsk_v2_2", "tsk_v2_2"),
        ("HTTPS://App.Skyvern.com/runs/wr_3/", "wr_3"),
    ],
)
def test_addresses_of_the_app_are_ids(
    fetch: Fetch, tmp_path: Path, url: str, run_id: str, way: str
) -> None:
    content = {
        "text": f"# the one that failed\n {url} # this one\n",
        "csv": f'run_id,note\n"{url}",x\n',
        "tsv": f"run_id\tnote\n{url}\tx\n",
        "json": json.dumps([{"run_id": url}]),
    }
    given = [url] if way == "argument" else ["--ids", write(tmp_path, "ids", content[way])]
    ran = fetch(*given, run_id)
    assert ran.runs == {"asked": 1, "fetched": 1}


@pytest.mark.parametrize(
    "url",
    [
        "https://app.skyvern.com/workflows/wpid_1/runs?key=tsk_1",
        "https://app.skyvern.com/tasks/tsk_1/runs/wr_3",
        "https://app.skyvern.com/tasks/TSK_1",
        "https://[::1/tasks/tsk_1",
        "ftp://app.skyvern.com/tasks/tsk_1",
    ],
)
def test_an_address_that_names_no_run_or_two_is_refused(fetch: Fetch, url: str) -> None:
    ran = fetch("tsk_1", url, code=2)
    assert "argument 2" in ran.err
    assert "key=" not in ran.err


@pytest.mark.parametrize("way", ["file", "standard input"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("a.txt", ""), ("a.txt", "# nothing\n\n"), ("a.csv", ""), ("a.csv", "run_id\n")),
        *(("a.json", "[]"), ("a.ndjson", ""), ("a.tsv", "run_id\tx\n\t1\n"), ("a.parquet", "")),
    ],
)
def test_a_source_without_ids_is_said_and_no_error(
    archiver: Command, fetch: Fetch, tmp_path: Path, name: str, text: str, way: str
) -> None:
    path = write(tmp_path, name, text)
    ran = give(fetch, path, way)
    title = str(path) if way == "file" else "standard input"
    assert f"{title} has no run ids" in ran.err
    assert ran.runs == {}
    assert fetch("--ids", path, "tsk_1").runs == {"asked": 1, "fetched": 1}
    before = len(archiver("ledger", "--json").json["records"])
    for command in ("hold", "release", "accept", "erase"):
        out = archiver(command, "--ids", path, "--reason", "x").out
        assert out == "nothing to do\n"
        document = archiver(command, "--ids", path, "--reason", "x", "--json").json
        assert document["runs"] == []
    assert archiver("export", "--ids", path, "--zip", tmp_path / "x.zip").out == "nothing to do\n"
    assert len(archiver("ledger", "--json").json["records"]) == before


def test_a_source_named_twice_is_read_once(fetch: Fetch, tmp_path: Path) -> None:
    ran = fetch("-", "--ids", "-", "-", stdin="tsk_1\n")
    assert ran.runs == {"asked": 1, "fetched": 1}
    assert "no run ids" not in ran.err


def test_ids_from_everywhere_are_fetched_once(
    server: LyingServer, fetch: Fetch, tmp_path: Path
) -> None:
    one = write(tmp_path, "one.txt", "tsk_1\ntsk_1\n")
    two = write(tmp_path, "two.csv", "run_id\nwr_3\ntsk_1\n")
    ran = fetch("tsk_1", "tsk_v2_2", "-", "--ids", one, "--ids", two, stdin="wr_3\ntsk_v2_2")
    assert ran.runs == THREE
    assert server.count("/v1/runs/") == 3


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
        ("a.csv", "run_id,run_id\ntsk_1,tsk_2\n", ["run_id", "twice"]),
        ("a.tsv", "run_id\tn\trun_id\ntsk_1\t1\ttsk_2\n", ["run_id", "twice"]),
        ("a.csv", 'run_id,note\ntsk_1,"unclosed\ntsk_2,ok\n', ["line 2", "quote", "not closed"]),
        ("a.csv", 'run_id,note\ntsk_1,"a" b\n', ["line 2", "behind a closing quote"]),
        ("a.csv", 'run_id,n\ntsk_1,"12 inch\ntsk_2,ok\ntsk_3,7"\n', ["line 2", "line 3", "tsk_2"]),
        ("a.csv", "note,run_id\na, b,tsk_1\n", ["line 2", "3 cells", "2 columns"]),
        ("a.csv", "note,run_id\ntsk_1\n", ["line 2", "ends before"]),
        ("a.tsv", "note\trun_id\n\ntsk_1\n", ["line 3", "ends before"]),
        ("a.tsv", 'run_id\n"tsk_1"\n', ["line 2"]),
        ("a", "id,x\ntsk_1,2\n", ["--column", "run_id", "id, x"]),
        ("a.ndjson", '{"run_id":"tsk_1","run_id":"tsk_2"}\n', ["line 1", "run_id", "twice"]),
        ("a.json", '[{"run_id":"tsk_1"},{"id":"tsk_2"}]', ["entry 2", "--column"]),
        ("a.json", '["tsk_1", null]', ["entry 2"]),
        ("a.json", '["tsk_1", ["tsk_2"]]', ["entry 2"]),
        ("a.json", '["tsk_1",\n"tsk_2"', ["line 2", "JSON"]),
        ("a.json", '[{"run_id":"tsk_1","run_id":"tsk_2"}]', ["run_id", "twice"]),
        ("a", "[" * 100_000, ["JSON"]),
        ("a", "tsk_1, tsk_2\n", ["line 1"]),
        ("a.csv.gz", gzip.compress(b'run_id,n\ntsk_1,"x\n', mtime=0), ["line 2", "not closed"]),
        ("a.gz", gzip.compress(b"tsk_1\n" * 9, mtime=0)[:-9], ["unpacked", "gzip -t"]),
        ("a.gz", gzip.compress(b"tsk_1\n", mtime=0)[:-8] + bytes(8), ["unpacked"]),
        ("a.ndjson", '{"run_id":"tsk_1"}\n{"id":"x"}\n', ["line 2", "--column"]),
        ("a.ndjson", '{"run_id":"tsk_1"}\n{"run_id":\n', ["line 2", "JSON"]),
        ("a.ndjson", '"tsk"\n', ["line 1"]),
        ("a.ndjson", '{"run_id":["tsk_1"]}\n', ["line 1"]),
        ("a.ndjson", '{"run_id":17}\n', ["line 1"]),
        ("a.parquet", "no parquet at all", ["Parquet"]),
        ("a.txt", b"tsk_1\n\xff\xfe\n", ["UTF-8"]),
        ("a.csv", b"run_id\ntsk_\xff\n", ["UTF-8"]),
        ("a.ndjson", b'{"run_id":"tsk_\xff"}\n', ["UTF-8"]),
        ("a.txt", "tsk_1\n".encode("utf-16") + b"\0", ["UTF-16"]),
        ("a.csv", 'n,run_id\n"12 inch,tsk_1\nok,tsk_2\n7",wr_3\n', ["line 2", "line 4", "tsk_"]),
        ("a.csv", 'n,run_id\n"12 inch,tsk_1\n7",tsk_2\n', ["line 2", "line 3", "tsk_1"]),
        ("a.csv", "run_id,n\ntsk_1,é\n".encode("cp1252"), ["UTF-8", "iconv", "a.csv | archiver"]),
        ("a b.zst", b"\x28\xb5\x2f\xfd\0", ["packed", "zstd -dc '", "a b.zst' | archiver"]),
        ("a.csv", b"BZh91AY", ["bzip2 -dc "]),
        ("a", b"\xfd7zXZ\x00\x00", ["xz -dc "]),
        ("a.zip", b"PK\x03\x04....ids.txt", ["unzip -p "]),
        ("a.xlsx", b"PK\x03\x04....[Content_Types].xml", ["spreadsheet", "CSV UTF-8"]),
        ("a.csv", b"PK\x03\x04.xl/workbook.xml", ["spreadsheet", "CSV UTF-8"]),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", ["spreadsheet", "CSV UTF-8"]),
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


def test_no_source_at_all_is_wrong_usage(fetch: Fetch, archive: ArchiveFolder) -> None:
    assert "--ids" in fetch(code=2).err
    assert not archive.root.exists()


def test_very_many_ids_that_are_held_are_fast(
    server: LyingServer, fetch: Fetch, tmp_path: Path
) -> None:
    fetch("tsk_1")
    server.clear_requests()
    text = "tsk_1\n" * 200_000
    assert fetch("--ids", write(tmp_path, "many", text)).runs == {"asked": 1, "unchanged": 1}
    assert server.requests == []
