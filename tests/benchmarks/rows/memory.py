"""Memory while many large downloads are under way."""

from collections.abc import Iterator

from tests.benchmarks import ours
from tests.benchmarks.comparing import MIB, OURS, PEAK_MB, Bar, Contender, Line, interleave
from tests.benchmarks.content import serve_one_file
from tests.benchmarks.surroundings import Setting

_AT_ONCE = 32
_SIZE = 64 * MIB
_FULL_SIZES = (1_024 * MIB, 10_240 * MIB)


def at_once(setting: Setting) -> Iterator[Line]:
    """All downloads have the same bytes: the server's side takes little room."""
    for size in _FULL_SIZES if setting.full else (setting.scaled(_SIZE),):
        yield _at_once(setting, size)


def _at_once(setting: Setting, size: int) -> Line:
    what = f"peak memory, {_AT_ONCE} downloads of {size / MIB:,.0f} MiB at once"
    if missing := setting.lacks_room((_AT_ONCE + 1) * size):
        return Line("memory", what, PEAK_MB, bar=Bar(300), note=missing)
    with setting.served_data() as root:
        dataset = serve_one_file(root, setting.server.base_url, _AT_ONCE, size)
        option = ("--download-concurrency", str(_AT_ONCE))
        mine = Contender(OURS, lambda: ours.fetch(setting, dataset, *option))
        # It is the peak that counts: more rounds say little more and take long.
        rounds = 1 if setting.full else setting.rounds
        taken = interleave("memory", [mine], rounds, setting.say, PEAK_MB)
    return Line("memory", what, PEAK_MB, taken[OURS], bar=Bar(300))
