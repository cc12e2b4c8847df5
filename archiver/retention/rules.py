"""Rules of what is kept how long: parsed from words, and as conditions over the view ``runs``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.model.artifact import ArtifactKind

_AGE = "coalesce(finished_at, modified_at, created_at, fetched_at)"
"""A run's end, or what is known instead."""
_COLUMNS = {"status": "status", "run-type": "run_type", "workflow": "workflow_id"}
_KIND = "kind"
_KEYS = ("older-than", *_COLUMNS, _KIND)
_HELD = """run_id IN (
    SELECT run_id FROM artifact_revisions AS held LEFT JOIN (
        SELECT run_id, kind, max(pruned_at) AS pruned_at FROM artifact_revisions
        WHERE pruned_at IS NOT NULL GROUP BY ALL
    ) AS pruned USING (run_id, kind)
    WHERE kind IN ({kinds}) AND path IS NOT NULL
      AND (pruned.pruned_at IS NULL OR held.fetched_at > pruned.pruned_at)
)"""
"""Some revision has an artifact that was not pruned: what is pruned is so in all revisions."""
_PAIR = re.compile(r"([a-z-]+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Runs that ended ``older_than`` ago may go: of this status, run type or workflow, if given.

    Where there are ``kinds``, it is only their artifacts of these kinds that may go.
    """

    older_than: timedelta
    only: tuple[tuple[str, str], ...] = ()
    kinds: frozenset[ArtifactKind] = frozenset()

    def condition(self, now: datetime) -> str:
        """What is true of the runs that may go, as SQL."""
        limit = (now - self.older_than).isoformat()
        parts = [f"{_AGE} < TIMESTAMPTZ '{limit}'"]
        parts += [f"{_COLUMNS[key]} = {_quoted(value)}" for key, value in self.only]
        return " AND ".join(parts)


@dataclass(frozen=True, slots=True)
class Disposal:
    """What rules let go: of the runs for which a condition holds, all or artifacts of ``kinds``."""

    condition: str
    kinds: frozenset[ArtifactKind] = frozenset()


def split_rule(text: str) -> tuple[str, dict[str, str], frozenset[ArtifactKind]]:
    """The age in a rule, still as text, what else it says by key, and its kinds of artifacts.

    A rule is words as in ``older-than=90d status=completed kind=recording,screenshot``. Raises
    ValueError, which says what is wrong.
    """
    pairs: dict[str, str] = {}
    for word in text.split():
        match = _PAIR.fullmatch(word)
        if match is None or match[1] not in _KEYS:
            raise ValueError(f"{word!r} is no key=value of these keys: {', '.join(_KEYS)}")
        if match[1] in pairs:
            raise ValueError(f"{match[1]} is given twice")
        pairs[match[1]] = match[2]
    age = pairs.pop("older-than", None)
    if age is None:
        raise ValueError("it does not say older-than=…")
    named = pairs.pop(_KIND, None)
    return age, pairs, frozenset(map(_kind, named.split(","))) if named else frozenset()


def _kind(name: str) -> ArtifactKind:
    try:
        return ArtifactKind(name)
    except ValueError:
        raise ValueError(f"{name!r} is none of the kinds {', '.join(ArtifactKind)}") from None


def disposals(rules: Sequence[Rule], now: datetime) -> list[Disposal]:
    """What the rules let go of all that is still there: whole runs first, then artifacts."""
    by_kinds: dict[frozenset[ArtifactKind], list[Rule]] = {}
    for rule in rules:
        by_kinds.setdefault(rule.kinds, []).append(rule)
    return [
        Disposal(_condition(of_kinds, now, kinds), kinds)
        for kinds, of_kinds in sorted(by_kinds.items(), key=lambda one: sorted(one[0]))
    ]


def _condition(rules: Sequence[Rule], now: datetime, kinds: frozenset[ArtifactKind]) -> str:
    old_enough = " OR ".join(f"({rule.condition(now)})" for rule in rules)
    condition = f"removed IS NULL AND ({old_enough})"
    if not kinds:
        return condition
    return f"{condition} AND {_HELD.format(kinds=', '.join(map(_quoted, sorted(kinds))))}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
