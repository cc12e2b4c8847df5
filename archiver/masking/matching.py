"""Regular expressions by RE2, which Arrow brings along.

RE2 takes time that grows with the text alone, whatever the pattern: the texts come from a server,
and no pattern may hold up a night.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import TypeAlias

from archiver.model.urls import MASK

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Put around matches. No text has them: Unicode will never give these code points a meaning."""
_MARKED = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_NO_MARKS = {ord(_OPEN): "\ufffd", ord(_CLOSE): "\ufffd"}
_NOTHING = re.compile(r"[*\s]*")
"""What may be left of a text that was masked. To mask it again would hide nothing."""
_ROUNDS = 8
"""How often a text is looked through again: a mask may make a new match with what is beside it."""
_Span: TypeAlias = "tuple[int, int]"


def mask_matches(texts: list[str], patterns: tuple[str, ...]) -> list[str]:
    """The texts with all matches masked. What has none comes back as it was."""
    if not patterns:
        return texts
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array([_encodable(text) for text in texts], pa.large_string())
    matched = pa.repeat(False, len(texts))
    for pattern in patterns:
        matched = pc.or_(matched, pc.match_substring_regex(column, pattern=pattern))
    found = pc.indices_nonzero(matched)
    if not found:
        return texts
    before = pc.take(column, found).to_pylist()
    masked = list(texts)
    for index, old, new in zip(found.to_pylist(), before, _masked(before, patterns), strict=True):
        if new != old:
            masked[index] = new
    return masked


def _masked(texts: list[str], patterns: tuple[str, ...]) -> list[str]:
    """Texts with their matches masked, until there are none but of asterisks."""
    texts = [text.translate(_NO_MARKS) for text in texts]
    for _ in range(_ROUNDS):
        # Each pattern sees what all see: what one masks must not hide a match of another.
        found = zip(*(_matches(texts, pattern) for pattern in patterns), strict=True)
        before = texts
        texts = [
            _without(text, sorted(chain.from_iterable(spans)))
            for text, spans in zip(texts, found, strict=True)
        ]
        if texts == before:
            return texts
    return [MASK if new != old else new for new, old in zip(texts, before, strict=True)]


def _matches(texts: list[str], pattern: str) -> list[list[_Span]]:
    """Where the pattern matches in each text: beginning and end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marked = pc.replace_substring_regex(
        pa.array(texts, pa.large_string()),
        pattern=f"({pattern})",
        replacement=rf"{_OPEN}\1{_CLOSE}",
    )
    return [list(_spans(text)) for text in marked.to_pylist()]


def _spans(marked: str) -> Iterator[_Span]:
    for number, match in enumerate(_MARKED.finditer(marked)):
        if not _NOTHING.fullmatch(match[1]):
            start = match.start() - 2 * number
            yield start, start + len(match[1])


def _without(text: str, spans: list[_Span]) -> str:
    """The text with these parts masked: once where they touch."""
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        if start > end or not parts:
            parts += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _encodable(text: str) -> str:
    """Half a surrogate pair cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def why_no_pattern(pattern: str) -> str | None:
    """Why a text is no regular expression of RE2, None if it is one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # By itself and in a group: "a)(b" is one only within, "\Qa" only without.
    for tried in (pattern, f"({pattern})"):
        try:
            pc.match_substring_regex(pa.array([""]), pattern=tried)
        except pa.ArrowInvalid as error:
            return str(error).partition("Invalid regular expression: ")[2] or str(error)
    return None


def is_match(text: str, pattern: str) -> bool:
    """Whether there is a match in a text. Raises ValueError where the pattern is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array([_encodable(text)], pa.large_string())
    return bool(pc.match_substring_regex(column, pattern=pattern)[0].as_py())
