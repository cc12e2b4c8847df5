"""How an archive is checked, and who hears of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from archiver.fetch.options import StopSwitch
from archiver.verify.revisions import RevisionCheck
from archiver.workflows.verify_seals import Seals


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. ``total`` are the revisions that the ledger lists, whatever is chosen."""

    revisions: int
    total: int
    bytes: int
    findings: int


def _nothing(_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Checking:
    """How to check, and who hears of it.

    ``random`` chooses where a share is to be checked. ``chosen``: the folders of the revisions to
    look at where it is the oldest's turn; ``done``: those whose artifacts were read before, by a
    check that was interrupted. ``tells_gaps``: what is missing is to be told
    too. ``looked_at`` hears of revisions as they were checked, and may ask
    of which so far the manifest is not what the ledger lists.
    """

    stop: StopSwitch = field(default_factory=StopSwitch)
    seals: Seals = field(default_factory=Seals)
    random: Random | None = None
    workers: int = 1
    chosen: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    tells_gaps: bool = True
    progress: Callable[[Progress], None] = _nothing
    looked_at: Callable[[list[RevisionCheck], Callable[[], set[str]]], None] = lambda _, __: None
