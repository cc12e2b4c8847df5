"""The other tools: aria2c, curl and openssl, each as fast as its options make it."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.comparing import Contender
from tests.benchmarks.content import Dataset, ServedFile
from tests.benchmarks.measuring import BenchmarkFailed, Measured, run_measured
from tests.benchmarks.surroundings import Setting, plain_environment

_ARIA2C = ("aria2c", "--no-conf", "--quiet", "--summary-interval=0", "--auto-save-interval=0")
_ARIA2C_SETTINGS = (("--file-allocation=falloc",), ("--file-allocation=none",))
_ARIA2C_SPLITS = ((*_ARIA2C_SETTINGS[0], "-x4"), (*_ARIA2C_SETTINGS[1], "-x4"))
_CURL = ("curl", "--parallel", "--parallel-max", "16", "--fail", "--silent", "--show-error")


def absent(program: str) -> str:
    """That a program is not installed; empty where it is."""
    return "" if shutil.which(program) else f"{program} is not installed"


def aria2c(setting: Setting, dataset: Dataset, at_once: int) -> list[Contender]:
    """aria2c with a checksum for each file: contenders that differ in settings only.

    Which are the fastest depends on disk and sizes; large files it may fetch in several pieces.
    """
    is_large = dataset.files[0].size > 32 << 20
    settings = (*_ARIA2C_SETTINGS, *_ARIA2C_SPLITS) if is_large else _ARIA2C_SETTINGS
    return [
        Contender(
            " ".join(("aria2c", f"-j{at_once}", *chosen)),
            lambda chosen=chosen: _aria2c(setting, dataset, at_once, chosen),  # type: ignore[misc]
        )
        for chosen in settings
    ]


def _aria2c(setting: Setting, dataset: Dataset, at_once: int, chosen: tuple[str, ...]) -> Measured:
    entries = "".join(
        f"{file.url}\n  out={file.artifact_id}\n  checksum=sha-256={file.sha256}\n"
        for file in dataset.files
    )
    (setting.folder / "aria2c.txt").write_text(entries)
    command: list[str | Path] = [*_ARIA2C, f"-j{at_once}", "-i", "../aria2c.txt", *chosen]
    return _download(setting, dataset.files, command)


def curl(setting: Setting, dataset: Dataset) -> Contender:
    """curl, which checks nothing."""
    return Contender("curl --parallel (no checksums)", lambda: _curl(setting, dataset))


def _curl(setting: Setting, dataset: Dataset) -> Measured:
    entries = "".join(
        f'url = "{file.url}"\noutput = "{file.artifact_id}"\n' for file in dataset.files
    )
    (setting.folder / "curl.txt").write_text(entries)
    return _download(setting, dataset.files, [*_CURL, "--config", "../curl.txt"])


def openssl(setting: Setting, path: Path, sha256: str, work: float) -> Contender:
    """Nothing but the SHA-256 of a file."""

    def run() -> Measured:
        command: list[str | Path] = ["openssl", "dgst", "-sha256", path]
        ended = run_measured(command, setting.folder, plain_environment())
        if not re.search(sha256, ended.stdout):
            raise BenchmarkFailed(f"openssl came to another digest: {ended.stdout}")
        return replace(ended.measured, work=work)

    return Contender("openssl dgst -sha256", run)


def _download(
    setting: Setting, files: Sequence[ServedFile], command: Sequence[str | Path]
) -> Measured:
    folder = setting.folder / "downloaded"
    folder.mkdir()
    try:
        ended = run_measured(command, folder, plain_environment())
        for file in files:
            if (folder / file.artifact_id).stat().st_size != file.size:
                raise BenchmarkFailed(f"{command[0]} did not fetch all of {file.url}")
    finally:
        shutil.rmtree(folder)
    return ended.measured
