"""Memory while many large downloads are under way."""

from collections.abc import Iterator

from tests.benchmarks import ours
from tests.benchmarks.comparing import MIB, OURS, PEAK_MB, Bar, Contender, Line, interleave
from tests.benchmarks.content import serve_one_file
from tests.benchmarks.measuring import Measured
from tests.benchmarks.surroundings import Setting

_AT_ONCE = 32
_SIZE = 64 * MIB
_FULL_SIZES = (1_024 * MIB, 10_240 * MIB)
_LEAST_PART = 8 << 30
"""Less than this of what there is no room for would say nothing about memory."""


def at_once(setting: Setting) -> Iterator[Line]:
    """All downloads have the same bytes, zeros mostly: the server's side takes little room."""
    for size in _FULL_SIZES if setting.full else (setting.scaled(_SIZE),):
        yield _at_once(setting, size)


def _at_once(setting: Setting, size: int) -> Line:
    what = f"peak memory, {_AT_ONCE} downloads of {size / MIB:,.0f} MiB at once"
    note = setting.lacks_room(_AT_ONCE * size)
    part = setting.room // 2
    if note and part < _LEAST_PART:
        return Line("memory", what, PEAK_MB, bar=Bar(300), note=note)
    with setting.served_data() as root:
        dataset = serve_one_file(root, setting.server.base_url, _AT_ONCE, size)
        option = ("--download-concurrency", str(_AT_ONCE))

        def run() -> Measured:
            if note:
                return ours.fetch_part(setting, dataset, part, *option)
            return ours.fetch(setting, dataset, *option)

        # It is the peak that counts: more rounds say little more and take long.
        rounds = 1 if setting.full else setting.rounds
        taken = interleave("memory", [Contender(OURS, run)], rounds, setting.say, PEAK_MB)
    if note:
        note += f"; stopped after {part / 1e9:.0f} GB"
    return Line("memory", what, PEAK_MB, taken[OURS], bar=Bar(300), note=note)
