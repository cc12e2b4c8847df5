"""Where the benchmarks run: what they are told, the machine, an environment that says little."""

import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.comparing import Contender, Say

if TYPE_CHECKING:
    from tests.benchmarks.serving import Server

HOME = Path(__file__).parents[2]
"""The folder that has the package ``tests``."""
_SPEAKS = re.compile(
    r"ARCHIVER_.*|SKYVERN_.*|(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)"
    # An installed package has its byte code: who starts it does not wait for the compiler.
    r"|PYTHONDONTWRITEBYTECODE",
    re.IGNORECASE,
)
_MARGIN = 1 << 30


@dataclass(frozen=True, slots=True)
class Setting:
    """What a row is given. ``size`` scales what it works on, 1 is what the bars are meant for.

    ``extra`` are options for ``archiver fetch``, ``skyvern_python`` an interpreter with Skyvern's
    SDK; ``quick`` forgoes what makes figures comparable, ``full`` asks for what needs much disk.
    """

    folder: Path
    server: "Server"
    rounds: int
    size: float
    quick: bool
    full: bool
    extra: tuple[str, ...]
    skyvern_python: str
    say: Say

    def scaled(self, amount: int, at_least: int = 1) -> int:
        return max(at_least, round(amount * self.size))

    def warm_up(self, *contenders: Contender) -> None:
        """Let each run once without being measured: what was never loaded before is slow once."""
        if not self.quick:
            for contender in contenders:
                contender.run()

    def to_try(self, variants: Sequence[Contender]) -> Sequence[Contender]:
        """Those of a peer's variants among which the fastest is looked for."""
        return variants[:1] if self.quick else variants

    @property
    def room(self) -> int:
        """Bytes that may be written into the folder; some are left to others."""
        return shutil.disk_usage(self.folder).free - _MARGIN

    def lacks_room(self, size: int) -> str:
        """Why ``size`` more bytes do not fit into the folder; empty where they do."""
        if size <= (room := self.room):
            return ""
        return f"not enough room: {size / 1e9:.0f} GB are needed, {room / 1e9:.0f} GB are free"

    @contextmanager
    def served_data(self) -> Iterator[Path]:
        """The server's folder, empty again at the end."""
        try:
            yield self.server.root
        finally:
            for path in self.server.root.iterdir():
                shutil.rmtree(path)


def plain_environment(**changes: str) -> dict[str, str]:
    """This environment without proxies and settings of this tool, for a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not _SPEAKS.fullmatch(name)}
    return {**kept, "PYTHONPATH": str(HOME), **changes}


def machine(setting: Setting) -> str:
    """The machine's shape in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, "
        f"{_file_system(setting.folder)}, served by {setting.server.name}; rounds: "
        f"{setting.rounds}, size: {setting.size:g}"
        + (f", fetch {' '.join(setting.extra)}" if setting.extra else "")
    )


def _file_system(folder: Path) -> str:
    """The type of the file system that a folder is on."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown file system"
    where = folder.resolve()
    found = [(Path("/"), "unknown file system")]
    for line in mounts.read_text().splitlines():
        _, point, kind, *_ = line.split()
        if where.is_relative_to(point):
            found.append((Path(point), kind))
    return max(enumerate(found), key=lambda entry: (len(entry[1][0].parts), entry[0]))[1][1]
