"""Downloads: few large files, some, and very many small ones."""

from collections.abc import Iterator, Sequence

from tests.benchmarks import ours, peers
from tests.benchmarks.comparing import (
    CPU_PER_GIB,
    MIB,
    OURS,
    SECONDS,
    Bar,
    Contender,
    Line,
    best_of,
    interleave,
)
from tests.benchmarks.content import Dataset, serve_runs
from tests.benchmarks.surroundings import Setting

_RECORDING = 1_024 * MIB
_FILES = (*[("screenshot", 100_000)] * 3, *[("download", 100_000)] * 2)


def one(setting: Setting) -> Iterator[Line]:
    size = setting.scaled(_RECORDING)
    what = f"one run, a recording of {size / MIB:,.0f} MiB"
    yield from _compare(setting, "one-recording", what, 1, [("recording", size)], 1, Bar(0.75))


def sixteen(setting: Setting) -> Iterator[Line]:
    size = setting.scaled(64 * MIB)
    what = f"16 runs, a recording of {size / MIB:,.0f} MiB each"
    yield from _compare(setting, "sixteen-runs", what, 16, [("recording", size)], 16, Bar(0.75))


def many(setting: Setting) -> Iterator[Line]:
    count = setting.scaled(2_000)
    what = f"{count:,} runs, five files of 100 KB each (the peer: the files alone)"
    yield from _compare(setting, "many-files", what, count, _FILES, 16, Bar(1.0), with_curl=True)


def cpu(setting: Setting) -> Iterator[Line]:
    size = setting.scaled(_RECORDING)
    what = f"CPU for a download of {size / MIB:,.0f} MiB"
    if missing := peers.absent("openssl") or setting.lacks_room(2 * size):
        yield Line("cpu", what, CPU_PER_GIB, note=missing)
        return
    with setting.served_data() as root:
        dataset = serve_runs(root, setting.server.base_url, 1, [("recording", size)])
        work = size / _RECORDING
        (file,) = dataset.files
        path = root / "v1/artifacts" / file.artifact_id / "content"
        peer = peers.openssl(setting, path, file.sha256, work)
        mine = Contender(OURS, lambda: ours.fetch(setting, dataset, work=work))
        taken = interleave("cpu", [mine, peer], setting.rounds, setting.say, CPU_PER_GIB)
    yield Line("cpu", what, CPU_PER_GIB, taken[OURS], peer.name, taken[peer.name], Bar(2.5))


def _compare(
    setting: Setting,
    row: str,
    what: str,
    count: int,
    files: Sequence[tuple[str, int]],
    at_once: int,
    bar: Bar,
    *,
    with_curl: bool = False,
) -> Iterator[Line]:
    if missing := setting.lacks_room(2 * count * sum(size for _, size in files)):
        yield Line(row, what, SECONDS, note=missing)
        return
    with setting.served_data() as root:
        dataset = serve_runs(root, setting.server.base_url, count, files)
        mine = Contender(OURS, lambda: ours.fetch(setting, dataset))
        aria2c = _aria2c(setting, row, dataset, at_once)
        curl = [peers.curl(setting, dataset)] if with_curl and not peers.absent("curl") else []
        taken = interleave(row, [mine, *aria2c, *curl], setting.rounds, setting.say)
    if not aria2c:
        yield Line(row, what, SECONDS, taken[OURS], bar=bar, note=peers.absent("aria2c"))
    for peer in aria2c:
        yield Line(row, what, SECONDS, taken[OURS], peer.name, taken[peer.name], bar)
    for peer in curl:
        yield Line(row, what, SECONDS, taken[OURS], peer.name, taken[peer.name])
    if with_curl and not curl:
        yield Line(row, what, SECONDS, taken[OURS], note=peers.absent("curl"))


def _aria2c(setting: Setting, row: str, dataset: Dataset, at_once: int) -> list[Contender]:
    if peers.absent("aria2c"):
        return []
    variants = setting.to_try(peers.aria2c(setting, dataset, at_once))
    return [best_of(row, variants, setting.say)]
