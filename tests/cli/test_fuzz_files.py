"""Files that users and disks can spoil: whatever is in them, an answer in words, no crash."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run
from tests.model.strategies import JSON

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
BYTES = st.binary(max_size=200)
LINES = st.lists(
    st.sampled_from(["tsk_1", "wr_1", "# no", "", "tsk_", "run_id", ",", '"', "\t", "\ufeff", "{}"])
    | st.text(max_size=20),
    max_size=8,
).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))
EXAMPLES = int(os.environ.get("ARCHIVER_TEST_FUZZ", "8"))
COMMANDS = (
    ("verify",),
    ("show", "tsk_1"),
    ("query", "FROM runs"),
    ("reindex",),
    ("fetch", "tsk_1", "--refresh", "--attempts", "1"),
)
READING = ("show", "query")
TOML_VALUES = st.sampled_from(
    ["1", "-1", "1.5", "nan", '""', '"1h"', "true", "[]", '["a"]', "{}", "1979-05-27", "9" * 5000]
)
TOML = st.lists(
    st.tuples(
        st.sampled_from(
            ["archive", "settle", "only", "ids", "attempts", "max-file-size", "quiet", "what"]
        ),
        TOML_VALUES,
    ),
    max_size=4,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: "[fetch]\n" + "".join(f"{key} = {value}\n" for key, value in pairs))


@FUZZ
@given(BYTES | LINES, st.sampled_from(["txt", "csv", "tsv", "json", "parquet", "gz"]))
@example(b"run_id\n" + b"x" * 200_000, "csv")
@example(b'{"run_id":' + b"9" * 5000 + b"}", "ndjson")
def test_whatever_is_in_a_file_of_ids(
    server: LyingServer, archiver: Command, data: bytes, ending: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"ids.{ending}"
        path.write_bytes(data)
        ran = archiver("fetch", "--ids", path, "--attempts", "1", code=None)
        # Ids that are ids are asked for; the server knows none. There may be no ids.
        assert ran.code in (0, 2, 3)
        assert ran.code == 3 or str(path) in ran.err or "no run ids" in ran.err


@FUZZ
@given(TOML | BYTES.map(lambda data: data.decode("latin-1")))
def test_whatever_is_in_the_config_file(server: LyingServer, archiver: Command, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archiver.toml"
        path.write_text(text, encoding="utf-8")
        ran = archiver("--config", path, "fetch", "tsk_1", "--dry-run", code=None)
        assert ran.code in (2, 3)


@pytest.mark.parametrize("name", ["archive.json", "manifest.json", "run.json", "ledger", "note"])
@settings(FUZZ, max_examples=EXAMPLES)
@given(
    data=BYTES | JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
    command=st.sampled_from(COMMANDS),
)
def test_whatever_is_in_a_file_of_the_archive(
    server: LyingServer,
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    name: str,
    data: bytes,
    command: tuple[str, ...],
) -> None:
    if not archive.root.exists():
        server.add_run(task_run("tsk_1"))
        fetch("tsk_1")
    (ledger,) = list(archive.root.glob("ledger/*.json"))[-1:]
    path = {
        "archive.json": archive.root / "archive.json",
        "ledger": ledger,
        "note": archive.root / "tmp/tsk_1-recording-1.resume",
    }.get(name, archive.run("tsk_1") / "r1" / name)
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(data)
    try:
        assert archiver(*command, code=None).code in (0, 3, 4, 10)
    finally:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        if command[0] not in READING:
            archiver("reindex")
