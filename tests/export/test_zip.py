"""ZIP files: a bag or a crate in one file, the same each time."""

import shutil
import stat
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import bagit
import pytest

from archiver.export.targets import ZipTarget
from tests.cli.running import Command
from tests.export.conftest import Known
from tests.export.reading import files_in

ALL = ("--where", "true")


def test_it_holds_a_bag_in_a_folder(archiver: Command, tmp_path: Path) -> None:
    archiver("export", *ALL, "--zip", tmp_path / "the runs.zip", "--bagit", tmp_path / "bag")
    ended = subprocess.run(["unzip", "-tq", tmp_path / "the runs.zip"], capture_output=True)
    assert ended.returncode == 0, ended.stdout
    with zipfile.ZipFile(tmp_path / "the runs.zip") as file:
        assert file.testzip() is None
        assert {name.partition("/")[0] for name in file.namelist()} == {"the runs"}
        file.extractall(tmp_path / "out")
    bagit.Bag(str(tmp_path / "out/the runs")).validate()
    assert files_in(tmp_path / "out/the runs") == files_in(tmp_path / "bag")


def test_it_holds_a_crate_as_it_is(archiver: Command, tmp_path: Path) -> None:
    crate = ("--ro-crate", tmp_path / "crate")
    archiver("export", *ALL, *crate, "--zip", tmp_path / "a.zip")
    archiver("export", *ALL, "--zip-holds", "ro-crate", "--zip", tmp_path / "b.zip")
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name) as file:
            file.extractall(tmp_path / f"of {name}")
        shutil.copy(tmp_path / "crate/HOW-TO-CHECK.txt", tmp_path / f"of {name}")
        there = files_in(tmp_path / f"of {name}")
        assert there.keys() == files_in(tmp_path / "crate").keys()
        runs = files_in(tmp_path / f"of {name}/runs")
        assert runs == files_in(tmp_path / "crate/runs")


def test_order_times_modes_and_names_are_the_same_each_time(
    archiver: Command, tmp_path: Path, known: Known
) -> None:
    listings = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        archiver("export", *ALL, "--zip", tmp_path / name / "a.zip")
        with zipfile.ZipFile(tmp_path / name / "a.zip") as file:
            infos = file.infolist()
        listings.append([(i.filename, i.date_time, i.external_attr, i.flag_bits) for i in infos])
        assert {stat.filemode(i.external_attr >> 16) for i in infos} == {"-rw-r--r--"}
        assert {i.flag_bits & 0x800 for i in infos if not i.filename.isascii()} == {0x800}
        kept = {i.filename.rpartition(".")[2]: i.compress_type for i in infos}
        assert (kept["webm"], kept["json"]) == (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    assert listings[0] == listings[1]
    fetched = max(datetime.fromisoformat(known.held.manifest(run_id, revision)["fetched_at"])
                  for run_id, revision in (("tsk_3", 2), ("tsk_v2_4", 1)))  # fmt: skip
    assert listings[0][0][1][:5] == fetched.astimezone(UTC).timetuple()[:5]


@pytest.mark.parametrize(("year", "written"), [(1970, 1980), (2026, 2026), (9000, 2107)])
def test_times_that_zip_cannot_hold(tmp_path: Path, year: int, written: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "x") as file:
        target = ZipTarget(file, "", datetime(year, 5, 6, 7, 8, 9, tzinfo=UTC))
        with target.stream("a") as out:
            out.write(b"a")
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.infolist()[0].date_time[0] == written


def test_only_what_may_be_is_replaced(archiver: Command, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_bytes(b"mine")
    assert "--overwrite" in archiver("export", *ALL, "--zip", target, code=2).err
    assert target.read_bytes() == b"mine"
    ran = archiver("export", *ALL, "--zip", target, "--overwrite", "--json")
    (package,) = ran.json["packages"]
    assert (package["format"], package["zip"], package["runs"]) == ("bagit", True, 4)
    assert package["without_proof"] == []
    assert zipfile.is_zipfile(target)
