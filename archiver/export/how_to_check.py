"""The page that goes with a package: how to check it, with programs that most computers have.

Its text stands in ``how-to-check.txt``, in parts: each begins with a line of ``%%`` and its name.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from string import Template

_MOST_NAMED = 20
_BEGIN = re.compile(r"^%% (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """What a package holds that can be checked.

    ``folder`` is where the runs and the ledger lie, ``""`` or ending in ``/``; ``sums`` the files
    that ``sha256sum -c`` takes; ``standard`` is what the package as a whole is. ``head`` is the
    digest of the last ledger record, of ``head_session``. ``signed`` and ``stamped`` are sessions
    whose record has a signature or a time stamp here. ``unproven`` are runs without a proof.
    ``own_heads``: each proof ends with the record of the session that committed the run.
    """

    tool: str
    packed_at: datetime
    archive: str
    runs: int
    folder: str
    sums: Sequence[str]
    standard: Sequence[str]
    head: str | None = None
    head_session: str | None = None
    signed: Sequence[str] = ()
    stamped: Sequence[str] = ()
    unproven: Sequence[str] = field(default=())
    own_heads: bool = False


def how_to_check(of: PackageFacts, template: str) -> str:
    """Return the page, as plain text: the parts of ``template`` that the package needs, filled."""
    _, *cut = _BEGIN.split(template)
    parts = dict(zip(cut[::2], cut[1::2], strict=True))
    filling = _filling(of)

    def filled(name: str) -> str:
        return Template(parts[name]).substitute(filling)

    filling["ends"] = filled("ends_with_own" if of.own_heads else "ends_with_last").rstrip()
    questions = {
        "sums": True,
        "stored": True,
        "proven": of.head is not None and of.runs > len(of.unproven),
        "signed": of.signed,
        "stamped": of.stamped,
    }
    asked = [name for name, is_asked in questions.items() if is_asked]
    numbered = [f"{number}. {filled(name)}" for number, name in enumerate(asked, start=1)]
    return "\n".join([filled("opening"), *numbered, *([filled("unproven")] if of.unproven else [])])


def _filling(of: PackageFacts) -> dict[str, object]:
    more = len(of.unproven) - _MOST_NAMED
    unproven = [*of.unproven[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])]
    proof = f"archiver check-proof {of.folder}runs/RUN_ID/proof.json"
    return {
        "count": "1 run" if of.runs == 1 else f"{of.runs} runs",
        "tool": of.tool,
        "packed_at": f"{of.packed_at:%Y-%m-%d %H:%M:%S}",
        "archive": of.archive,
        "folder": of.folder,
        "commands": _indented(f"sha256sum -c --quiet {name}" for name in of.sums),
        "first_sums": of.sums[0],
        "standard": _indented(of.standard),
        "head": of.head,
        "head_session": of.head_session,
        "check_proof": proof if of.own_heads else f"{proof} --head {of.head}",
        "signed": _counted(of.signed),
        "last_signed": "".join(of.signed[-1:]),
        "stamped": _counted(of.stamped),
        "last_stamped": "".join(of.stamped[-1:]),
        "unproven": _indented(unproven),
    }


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


def _counted(sessions: Sequence[str]) -> str:
    return f"{len(sessions)} of the records in ledger/ {'is' if len(sessions) == 1 else 'are'}"
