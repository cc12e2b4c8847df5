"""``archiver fetch``, measured through its command line, and a look at what it kept."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.content import Dataset
from tests.benchmarks.measuring import BenchmarkFailed, Measured, run_measured
from tests.benchmarks.surroundings import Setting, plain_environment

COMMAND = (sys.executable, "-m", "archiver")
_KEY = "benchmark-key-0123456789"
_INTERRUPTED = 130


def fetch(
    setting: Setting,
    dataset: Dataset,
    *options: str,
    files: bool = True,
    work: float = 1.0,
) -> Measured:
    """Fetch a data set into a new archive, which is checked and removed again.

    ``files`` says whether the options let it keep files. Raises BenchmarkFailed where not all is
    kept, byte for byte.
    """
    archive = setting.folder / "archive"
    ids = dataset.write_ids(setting.folder / "ids.txt")
    try:
        measured, summary = run_fetch(setting, archive, ids, *options)
        if summary["runs"]["fetched"] != len(dataset.run_ids) or summary["problems"]:
            raise BenchmarkFailed(f"archiver fetch did not fetch all: {summary['runs']}")
        check_archive(archive, dataset, files=files)
    finally:
        shutil.rmtree(archive, ignore_errors=True)
    return replace(measured, work=work)


def fetch_part(setting: Setting, dataset: Dataset, size: int, *options: str) -> Measured:
    """Begin to fetch a data set that there is no room for, and end it after ``size`` bytes."""
    archive = setting.folder / "archive"
    ids = dataset.write_ids(setting.folder / "ids.txt")
    room = setting.room

    def is_enough() -> bool:
        return setting.room <= room - size

    try:
        measured, summary = run_fetch(setting, archive, ids, *options, stop_if=is_enough)
    finally:
        shutil.rmtree(archive, ignore_errors=True)
    if summary["runs"]["failed"]:
        raise BenchmarkFailed(f"archiver fetch failed before it was stopped: {summary}")
    return measured


def run_fetch(
    setting: Setting,
    archive: Path,
    ids: Path,
    *options: str,
    stop_if: Callable[[], bool] | None = None,
) -> tuple[Measured, dict[str, Any]]:
    """Run the command; what it took, and the summary that it printed.

    Where there is a ``stop_if`` it may be interrupted.
    """
    command: list[str | Path] = [
        *COMMAND,
        "fetch",
        "--archive",
        archive,
        "--ids",
        ids,
        "--json",
        "--quiet",
    ]
    environment = plain_environment(SKYVERN_API_KEY=_KEY, SKYVERN_BASE_URL=setting.server.base_url)
    command += [*options, *setting.extra]
    if stop_if is None:
        ended = run_measured(command, setting.folder, environment)
    else:
        fine = (0, _INTERRUPTED)
        ended = run_measured(command, setting.folder, environment, fine=fine, stop_if=stop_if)
    return ended.measured, json.loads(ended.stdout)


def check_archive(archive: Path, dataset: Dataset, *, files: bool) -> None:
    """Every run has its manifest, every file has the bytes that the server has."""
    expected = {file.address: (file.size, file.sha256) for file in dataset.files if files}
    runs = set()
    kept = 0
    for path in archive.glob("runs/**/manifest.json"):
        manifest = json.loads(path.read_bytes())
        runs.add(manifest["run_id"])
        folder = path.parents[1]
        _check_file(folder, manifest["document"])
        for entry in _held(manifest):
            _check_file(folder, entry)
            if expected.get(entry["url"]) != (entry["size"], entry["sha256"]):
                raise BenchmarkFailed(f"{folder / entry['path']} is not what the server has")
            kept += 1
    if runs != set(dataset.run_ids) or kept != len(expected):
        raise BenchmarkFailed(
            f"the archive has {len(runs)} of {len(dataset.run_ids)} runs "
            f"and {kept} of {len(expected)} files"
        )


def _held(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (entry for entry in manifest["artifacts"] if entry.get("path"))


def _check_file(folder: Path, entry: dict[str, Any]) -> None:
    with (folder / entry["path"]).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise BenchmarkFailed(f"{folder / entry['path']} is not what its manifest says")
