"""Whatever harm is done to an archive is found by name, once, and nothing else with it."""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.store.storage import LocalStorage
from archiver.verify.findings import Finding, Scope
from archiver.verify.verify import Checking, find_damage, verify
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, child_command, child_environment, fetching
from tests.lying_server import png, task_run, webm
from tests.model.builders import AT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sessions with a run each, and a check."""
    root = tmp_path_factory.mktemp("verify") / "archive"
    with fetching(root) as (server, fetch):
        for name in ("tsk_1", "tsk_2", "tsk_3"):
            run = task_run(
                name,
                "failed",
                recording=server.artifact(webm()),
                screenshots=[server.artifact(png(), "screenshot")],
                downloads=[server.artifact(b"%PDF-1.7", "download")],
                errors=[{"error_code": "A"}],
            )
            server.add_run(run)
            fetch(name)
        fetch.command("verify")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "archive"))


def damage(root: Path) -> list[Finding]:
    return find_damage(LocalStorage(root))


def paths(root: Path) -> list[str]:
    return [finding.path for finding in damage(root)]


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def kind_of(path: Path) -> str:
    if path.parts[0] == "tables":
        return path.parts[1]
    return path.suffix if path.parts[0] == "ledger" else path.name


def test_an_archive_that_is_intact_has_no_findings(root: Path) -> None:
    assert damage(root) == []


def test_one_flipped_bit_is_found_in_every_kind_of_file(root: Path) -> None:
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    # The lock is empty, and whatever is in it says nothing.
    kinds = {kind_of(path): path for path in files if path.parts[0] not in ("tmp", "lock")}
    assert len(kinds) == 8 + 6 + 3  # of runs and the root; tables; ledger
    for number, path in enumerate(kinds.values()):
        whole = (root / path).read_bytes()
        for share in (0.3, 0.97):
            flip(root / path, int(len(whole) * share) * 8 + number % 8)
            assert paths(root) == [str(path)], f"{path}, {share}"
            (root / path).write_bytes(whole)


def rewritten(root: Path) -> Path:
    """A run's document altered, and manifest and sums made to match."""
    folder = ArchiveFolder(root).run("tsk_2") / "r1"
    document = (folder / "run.json").read_bytes().replace(b'"failed"', b'"wailed"')
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["status"], manifest["is_final"] = "wailed", False
    manifest["document"]["sha256"] = hashlib.sha256(document).hexdigest()
    (folder / "run.json").write_bytes(document)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sums = (folder / "SHA256SUMS").read_text().split("\n")
    sums[0] = f"{manifest['document']['sha256']}  r1/run.json"
    (folder / "SHA256SUMS").write_text("\n".join(sums))
    return folder / "manifest.json"


def test_a_manifest_that_was_rewritten_with_all_below_it_is_found(root: Path) -> None:
    manifest = rewritten(root)
    assert paths(root) == [str(manifest.relative_to(root))]
    # What else was harmed in its run is found all the same.
    flip(manifest.parent / "recording.webm", 77)
    assert paths(root) == [
        str(path.relative_to(root)) for path in (manifest, manifest.parent / "recording.webm")
    ]


def records(root: Path) -> list[Path]:
    return sorted((root / "ledger").glob("*.json"))


def of_session(record: Path) -> list[Path]:
    return sorted(record.parent.glob(f"{record.stem}.*"))


def test_a_session_deleted_from_the_middle_is_found(root: Path) -> None:
    victim = records(root)[1]
    victim.unlink()
    assert paths(root) == [f"ledger/{victim.name}"]
    for path in of_session(victim):
        path.unlink()
    assert paths(root) == [f"ledger/{victim.name}"]


def test_the_last_session_deleted_is_found(root: Path) -> None:
    for record in records(root)[2:]:  # the check too: it committed nothing
        for path in of_session(record):
            path.unlink()
    (found,) = paths(root)
    assert found.endswith(".json")
    assert found not in [f"ledger/{record.name}" for record in records(root)]


@pytest.mark.parametrize("endings", [[".json"], [".json", ".sha256", ".head"]])
def test_two_sessions_that_were_swapped_are_found(root: Path, endings: list[str]) -> None:
    first, second = records(root)[0], records(root)[1]
    for ending in endings:
        one, other = first.with_suffix(ending), second.with_suffix(ending)
        # with_suffix takes the part behind the last dot
        data = one.read_bytes(), other.read_bytes()
        other.write_bytes(data[0])
        one.write_bytes(data[1])
    found = set(paths(root))
    assert {f"ledger/{first.name}", f"ledger/{second.name}"} <= found
    assert {Path(path).suffix for path in found} <= {".json", ".head"}
    assert len(found) == 2 + 2 * (".head" in endings)


def test_a_record_that_was_added_is_found(root: Path) -> None:
    first = records(root)[0]
    added = first.with_name(first.name.replace(first.stem[-8:], "ffffffff"))
    added.write_bytes(first.read_bytes().replace(first.stem.encode(), added.stem.encode()))
    assert paths(root) == [f"ledger/{added.name}"]


def change_row(root: Path, table: str, column: str, value: object) -> Path:
    """Write a table's file of tsk_2 anew, with another value in one column."""
    for path in ArchiveFolder(root).table_files(table):
        rows = pq.read_table(path, partitioning=None)
        if "tsk_2" in rows["run_id"].to_pylist():
            place = rows.schema.get_field_index(column)
            values = pa.array([value] * len(rows), rows.schema.field(place).type)
            changed = rows.set_column(place, rows.schema.field(place), values)
            pq.write_table(changed.replace_schema_metadata(None), path)
            return path
    raise AssertionError(table)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("runs", "status", "completed"),
        ("runs", "step_count", 77),
        ("documents", "document", "{}"),
        ("artifacts", "sha256", "0" * 64),
        ("errors", "error_code", None),
    ],
)
def test_a_row_that_was_changed_is_found(
    root: Path, table: str, column: str, value: object
) -> None:
    path = change_row(root, table, column, value)
    (found,) = damage(root)
    assert (found.run_id, found.revision, found.table) == ("tsk_2", 1, table)
    assert found.columns == (column,)
    assert found.path == str(path.relative_to(root))
    assert "reindex" in found.todo


def test_rows_that_are_gone_or_too_many_are_found(root: Path, tmp_path: Path) -> None:
    path = change_row(root, "errors", "error_code", "A")
    assert damage(root) == []  # written by others, but the same
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(pa.concat_tables([rows, rows]), path)
    (found,) = damage(root)
    assert (found.path, found.run_id, found.table) == (
        str(path.relative_to(root)), "tsk_2", "errors",
    )  # fmt: skip
    assert "2 rows instead of 1" in found.problem
    path.unlink()
    (found,) = damage(root)
    assert (found.path, found.run_id, found.table) == ("tables/errors", "tsk_2", "errors")


@pytest.mark.parametrize(
    ("column", "value"),
    [("outcome", "not_found"), ("asked_id", "tsk_9"), ("http_status", None), ("at", AT)],
)
def test_a_changed_row_of_the_log_of_questions_is_found(
    root: Path, column: str, value: object
) -> None:
    rows = [row for row in ArchiveFolder(root).rows("fetches") if row["asked_id"] == "tsk_2"]
    path = next((root / "tables/fetches").glob(f"*/{rows[0]['session']}-*.parquet"))
    table = pq.read_table(path, partitioning=None)
    place = table.schema.get_field_index(column)
    changed = table.set_column(
        place, table.schema.field(place), pa.array([value], table.schema.field(place).type)
    )
    pq.write_table(changed.replace_schema_metadata(None), path)
    (found,) = damage(root)
    assert (found.path, found.table) == (str(path.relative_to(root)), "fetches")
    assert rows[0]["session"] in found.problem


def test_rows_of_the_log_of_questions_that_are_gone_or_too_many_are_found(root: Path) -> None:
    first, _, last = sorted((root / "tables/fetches").glob("*/*.parquet"))
    rows = pq.read_table(first, partitioning=None)
    pq.write_table(pa.concat_tables([rows, rows]), first)
    last.unlink()
    found = {one.path: one.problem for one in damage(root)}
    session = last.name[:29]
    assert f"0 rows of session {session} instead of 1" in found["tables/fetches"]
    assert "2 rows" in found[str(first.relative_to(root))]
    assert len(found) == 2
    shutil.rmtree(root / "tables/fetches")
    (gone,) = damage(root)
    assert gone.path == "tables/fetches"


def test_rows_of_a_session_that_nobody_recorded_are_told(root: Path) -> None:
    path = next((root / "tables/fetches").glob("*/*.parquet"))
    rows = pq.read_table(path, partitioning=None)
    session = pa.array(["20200101T000000.000Z-00000000"])
    pq.write_table(
        rows.set_column(0, rows.schema.field(0), session),
        path.with_name("20200101T000000.000Z-00000000-0001.parquet"),
    )
    report = verify(LocalStorage(root))
    assert report.findings == []
    assert any("without a record" in note for note in report.notes)


def add_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


@pytest.mark.parametrize(
    "name",
    [
        *("notes.txt", "more/x", "runs/2026/x", "runs/odd", "ledger/x.json", "tables/x"),
        *("tables/runs/fetched=2026-11/x.parquet", "tables/runs/odd/x.parquet"),
    ],
)
def test_a_file_that_was_added_is_found(root: Path, name: str) -> None:
    add_file(root / name)
    expected = "more" if name == "more/x" else name
    assert paths(root) == [expected]


@pytest.mark.parametrize("name", ["x", "r1/x", "r1/screenshots/02.png", "r1/more/x", "r7/run.json"])
def test_a_file_that_was_added_to_a_run_is_found(root: Path, name: str) -> None:
    folder = ArchiveFolder(root).run("tsk_2")
    add_file(folder / name)
    (found,) = damage(root)
    stray = str(folder.relative_to(root) / name)
    assert stray.startswith(found.path)
    assert found.run_id == "tsk_2"


def test_a_link_in_the_place_of_a_file_is_found(root: Path) -> None:
    path = ArchiveFolder(root).run("tsk_2") / "r1/recording.webm"
    elsewhere = path.rename(root.parent / "elsewhere")
    path.symlink_to(elsewhere)
    (found,) = damage(root)
    assert found.path == str(path.relative_to(root))
    assert "link" in found.problem


def test_a_run_that_was_removed_whole_is_found(root: Path) -> None:
    folder = ArchiveFolder(root).run("tsk_2")
    shutil.rmtree(folder)
    assert paths(root) == [str(folder.relative_to(root))]


def test_a_revision_that_nobody_committed_is_found(root: Path) -> None:
    folder = ArchiveFolder(root).run("tsk_2")
    shutil.copytree(folder / "r1", folder / "r2")
    assert paths(root) == [str(folder.relative_to(root) / "r2/manifest.json")]


def test_a_revision_that_nobody_committed_and_nothing_can_read_is_found(root: Path) -> None:
    manifest = ArchiveFolder(root).run("tsk_2") / "r2/manifest.json"
    manifest.parent.mkdir()
    manifest.write_text("{}")
    assert paths(root) == [str(manifest.relative_to(root))]


def test_an_odd_line_in_the_list_of_a_lost_session_is_found(root: Path) -> None:
    """No path of the tool's own: whoever wrote it may have meant to stop the check."""
    record = records(root)[1]
    record.unlink()
    listed = record.with_suffix(".sha256")
    listed.write_text(f"{listed.read_text()}{'0' * 64}  runs/odd/manifest.json\n")
    assert set(paths(root)) == {str(record.relative_to(root)), "runs/odd"}


def test_a_manifest_that_is_gone_is_found(root: Path) -> None:
    path = ArchiveFolder(root).run("tsk_2") / "r1/manifest.json"
    path.unlink()
    assert paths(root) == [str(path.relative_to(root))]


HARMS: list[Callable[[Path], object]] = [
    lambda root: (root / "archive.json").write_text("{}"),
    lambda root: (root / "archive.json").write_text('{"format": 9}'),
    lambda root: (root / "archive.json").unlink(),
]


@pytest.mark.parametrize("harm", HARMS)
def test_an_archive_whose_first_file_was_harmed_is_checked(
    root: Path, harm: Callable[[Path], object], archiver: Command
) -> None:
    harm(root)
    ran = archiver("verify", "--json", "--archive", root, code=4)
    (found,) = ran.json["integrity"]["findings"]
    assert found["path"] == "archive.json"
    assert ran.json["head"] is None
    assert "could not be recorded" in ran.err


def to_format_1(root: Path) -> None:
    """The ledger as it was before sessions listed their manifests."""
    before: dict[str, str | None] = {"previous_session": None, "previous_sha256": None}
    for path in records(root):
        record = json.loads(path.read_bytes())
        listed = path.with_suffix(".sha256")
        lines = listed.read_text().splitlines() if listed.exists() else []
        digests = "".join(f"{digest}\n" for digest in sorted(line[:64] for line in lines))
        for name in ("manifests_root", "files", "by"):
            del record[name]
        record |= before | {
            "format": 1,
            "manifests_sha256": hashlib.sha256(digests.encode()).hexdigest(),
        }
        for other in of_session(path):
            other.unlink()
        path.write_text(json.dumps(record))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        before = {"previous_session": path.stem, "previous_sha256": sha256}


def test_a_ledger_of_format_1_is_checked(root: Path) -> None:
    to_format_1(root)
    assert damage(root) == []
    rewritten(root)
    assert paths(root)[0] == f"ledger/{records(root)[1].name}"


def journal(root: Path, text: str) -> None:
    (root / "tmp/20261124T010203.000Z-0011aabb.journal").write_text(text)


def test_what_a_killed_session_left_is_no_finding_but_a_note(root: Path) -> None:
    folder = ArchiveFolder(root).run("tsk_2").relative_to(root)
    shutil.copytree(root / folder / "r1", root / folder / "r2")
    text = (root / folder / "r2/manifest.json").read_text().replace("r1/", "r2/")
    (root / folder / "r2/manifest.json").write_text(text.replace('"revision": 1', '"revision": 2'))
    sums = root / folder / "r2/SHA256SUMS"
    sums.write_text(sums.read_text().replace("r1/", "r2/"))
    assert paths(root) == [f"{folder}/r2/manifest.json"]
    journal(root, f"{folder}/r2\n")
    report = verify(LocalStorage(root))
    assert report.findings == []
    assert "the next fetch lists them" in report.notes[0]


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def socket_file(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(path.parent):
        listening.bind(path.name)


def link(path: Path) -> None:
    """To the same bytes elsewhere."""
    require_outside = next(parent for parent in path.parents if (parent / "archive").exists())
    other = path.rename(require_outside / "elsewhere")
    path.symlink_to(other)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_what_is_no_file_is_found_in_place_of_every_kind_of_file(root: Path) -> None:
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    kinds = {kind_of(path): path for path in files if path.parts[0] not in ("tmp", "lock")}
    others = itertools.cycle((socket_file, link, folder))
    for path in kinds.values():
        for harm in (pipe, next(others)):
            kept = (root / path).rename(root.parent / "kept")
            shutil.copy(kept, root / path)
            harm(root / path)
            assert paths(root) == [str(path)], (path, harm)
            (root / path).rmdir() if harm is folder else (root / path).unlink()
            kept.rename(root / path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
@pytest.mark.parametrize("name", ["archive.json", "README.txt", "ledger/*.json", "ledger/*.sha256"])
def test_no_command_waits_for_a_named_pipe(root: Path, name: str) -> None:
    pipe(max(root.glob(name)))
    for command in (("verify",), ("ledger",), ("prove", "tsk_3"), ("reindex",), ("hold", "--list")):
        assert Command()(*command, "--archive", root, code=None).code in (0, 2, 4, 10)


@pytest.mark.parametrize("table", ["runs", "artifacts", "errors", "fetches", "checks"])
@pytest.mark.parametrize("is_later", [True, False])
def test_a_copy_of_a_table_file_is_named_and_not_what_it_is_a_copy_of(
    root: Path, table: str, *, is_later: bool
) -> None:
    file = max((root / "tables" / table).glob("*/*.parquet"))
    year = "2999" if is_later else "2001"
    copy = file.with_name(f"{year}{file.name[4:]}")
    shutil.copy(file, copy)
    if table == "errors" and not is_later:
        file, copy = copy, file  # without a session in it, nothing tells which came first
    assert paths(root) == [str(copy.relative_to(root))]


def test_a_quick_check_sees_what_lies_among_the_tables(root: Path) -> None:
    file = max((root / "tables/runs").glob("*/*.parquet"))
    odd = file.with_name("odd.parquet")
    shutil.copy(file, odd)
    link(file)
    found = verify(LocalStorage(root), Scope(quick=True)).findings
    assert {one.path for one in found} == {str(one.relative_to(root)) for one in (odd, file)}


def without_privileges(*arguments: str | Path) -> list[str]:
    """The command of somebody who may not read what permissions keep from everybody."""
    command = child_command(*arguments)
    if os.geteuid():
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root may read everything")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


FOLDERS = ["runs", "{}", "{}/r1", "{}/r1/screenshots", "tables", "tables/runs", "tables/*/*", "tmp"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_cannot_be_read_is_one_finding(root: Path, name: str) -> None:
    run = ArchiveFolder(root).run("tsk_2").relative_to(root)
    folder = next(path for path in root.glob(name.format(run)) if path.is_dir())
    folder.chmod(0)
    try:
        command = without_privileges("verify", "--json", "--no-record", "--archive", root)
        ended = subprocess.run(command, env=child_environment(), capture_output=True)
    finally:
        folder.chmod(0o700)
    assert ended.returncode == 4, ended.stderr
    (found,) = json.loads(ended.stdout)["integrity"]["findings"]
    assert found["path"] == str(folder.relative_to(root))
    assert "Permission denied" in found["problem"]


def test_several_processes_find_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.verify.verify.MANY", 2)
    assert verify(LocalStorage(root), how=Checking(workers=2)).findings == []
    recording = ArchiveFolder(root).run("tsk_2") / "r1/recording.webm"
    flip(recording, 77)
    shutil.rmtree(ArchiveFolder(root).run("tsk_1"))
    alone, together = (verify(LocalStorage(root), how=Checking(workers=n)) for n in (1, 2))
    assert together.to_json() == alone.to_json()
    assert {one.run_id for one in together.findings} == {"tsk_1", "tsk_2"}


def test_one_flipped_bit_is_one_finding_also_where_something_was_removed(root: Path) -> None:
    archiver, options = Command(), ("--archive", root)
    archiver("prune", "--rule", "older-than=10m kind=recording,screenshot", *options)
    archiver("erase", "tsk_2", "--reason", "asked for", "--yes", *options)
    manifests = [max(root.glob(f"runs/**/{run}/r*/manifest.json")) for run in ("tsk_1", "tsk_2")]
    for path in (*manifests, max((root / "tables/runs").glob("*/*.parquet"))):
        whole = path.read_bytes()
        for eighth in range(8):
            flip(path, (len(whole) * eighth // 8 + 3) * 8 + eighth)
            assert paths(root) == [str(path.relative_to(root))], eighth
            path.write_bytes(whole)
