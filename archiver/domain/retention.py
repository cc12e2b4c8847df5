"""Rules of what is kept how long: parsed from words, and as conditions over the view ``runs``."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_AGE = "coalesce(finished_at, modified_at, created_at, fetched_at)"
"""A run's end, or what is known instead."""
_COLUMNS = {"status": "status", "run-type": "run_type", "workflow": "workflow_id"}
_PAIR = re.compile(r"([a-z-]+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Runs that ended ``older_than`` ago may go: of this status, run type or workflow, if given."""

    older_than: timedelta
    only: tuple[tuple[str, str], ...] = ()

    def condition(self, now: datetime) -> str:
        """What is true of the runs that may go, as SQL."""
        limit = (now - self.older_than).isoformat()
        parts = [f"{_AGE} < TIMESTAMPTZ '{limit}'"]
        parts += [f"{_COLUMNS[key]} = {_quoted(value)}" for key, value in self.only]
        return " AND ".join(parts)


def split_rule(text: str) -> tuple[str, dict[str, str]]:
    """The age in a rule, still as text, and what else it says by key.

    A rule is words as in ``older-than=90d status=completed workflow=wpid_1``. Raises ValueError,
    which says what is wrong.
    """
    pairs: dict[str, str] = {}
    for word in text.split():
        match = _PAIR.fullmatch(word)
        if match is None or match[1] not in ("older-than", *_COLUMNS):
            known = ", ".join(("older-than", *_COLUMNS))
            raise ValueError(f"{word!r} is no key=value of these keys: {known}")
        if match[1] in pairs:
            raise ValueError(f"{match[1]} is given twice")
        pairs[match[1]] = match[2]
    age = pairs.pop("older-than", None)
    if age is None:
        raise ValueError("it does not say older-than=…")
    return age, pairs


def condition_of(rules: list[Rule], now: datetime) -> str:
    """What is true of the runs that any of the rules lets go, and that are still there."""
    return f"removed IS NULL AND ({' OR '.join(f'({rule.condition(now)})' for rule in rules)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
