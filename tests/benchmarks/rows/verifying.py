"""Checking an archive: every byte of it, and all that is said of it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.comparing import OURS, SECONDS, Bar, Contender, Line, interleave
from tests.benchmarks.content import Dataset, serve_runs
from tests.benchmarks.measuring import Measured, run_measured
from tests.benchmarks.ours import COMMAND, run_fetch
from tests.benchmarks.surroundings import Setting, plain_environment

_RUNS = 20_000
_SCREENSHOTS = (("screenshot", 30_000),) * 3
_LARGE = 8
_RECORDING = 256 << 20
_PEER = "sha256sum"


def archive_checked(setting: Setting) -> Iterator[Line]:
    """``archiver verify`` against sha256sum over all files, one after the other, both warm."""
    count = setting.scaled(_RUNS, at_least=_LARGE)
    what = f"an archive of {count:,} runs with small screenshots, and {_LARGE} large recordings"
    archive = setting.folder / "archive"
    size = setting.scaled(_RECORDING)
    if note := setting.lacks_room(2 * (count * 100_000 + _LARGE * size)):
        yield Line("verify", what, SECONDS, note=note)
        return
    try:
        with setting.served_data() as root:
            ids = _serve(root, setting, count, size).write_ids(setting.folder / "ids.txt")
            run_fetch(setting, archive, ids)
        files = sorted(path for path in archive.rglob("*") if path.is_file())
        work = sum(path.stat().st_size for path in files) / (1 << 30)
        names = setting.folder / "names"
        names.write_bytes(b"".join(bytes(path) + b"\0" for path in files))
        contenders = [
            Contender(OURS, lambda: replace(_verify(setting, archive), work=work)),
            Contender(_PEER, lambda: replace(_sha256sum(setting, names), work=work)),
        ]
        setting.warm_up(*contenders)  # so that the files are in memory for both
        taken = interleave("verify", contenders, setting.rounds, setting.say, SECONDS)
    finally:
        shutil.rmtree(archive, ignore_errors=True)
    bar = Bar(1 / 1.5)
    yield Line("verify", what, SECONDS, taken[OURS], _PEER, taken[_PEER], bar)


def _serve(root: Path, setting: Setting, count: int, size: int) -> Dataset:
    url = setting.server.base_url
    small = serve_runs(root, url, count, _SCREENSHOTS)
    large = serve_runs(root, url, _LARGE, [("recording", size)], first=count)
    return Dataset(small.run_ids + large.run_ids, small.files + large.files)


def _verify(setting: Setting, archive: Path) -> Measured:
    command = [*COMMAND, "verify", "--archive", str(archive), "--no-record", "--quiet"]
    return run_measured(command, setting.folder, plain_environment()).measured


def _sha256sum(setting: Setting, names: Path) -> Measured:
    command = ["sh", "-c", 'exec xargs -0 sha256sum < "$0" > sums', str(names)]
    return run_measured(command, setting.folder, plain_environment()).measured
