"""Patterns of what is to be masked: regular expressions by RE2, JSON paths by python-jsonpath.

RE2, which Arrow brings along, takes time that grows with the text alone, whatever the pattern: the
texts come from a server, and no pattern may hold up a night.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from archiver.domain.json_text import JsonObject
from archiver.domain.redaction import Redaction
from archiver.domain.url_masking import MASK
from archiver.errors import UsageError


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What the user wants masked: regular expressions in RE2's syntax, JSON paths (RFC 9535)."""

    patterns: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def checked(self) -> "RedactionRules":
        """The same. Raises UsageError where a pattern or a path cannot be used."""
        for pattern in self.patterns:
            _check_pattern(pattern)
        _compiled(self.paths)
        return self

    def redaction(self) -> Redaction | None:
        """Ready to be used; None where nothing is to be masked."""
        if not self.patterns and not self.paths:
            return None
        return Redaction(self._mask_texts, self._find_places)

    def _mask_texts(self, texts: list[str]) -> tuple[list[str], int]:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = pa.array([_encodable(text) for text in texts], pa.large_string())
        count = 0
        for pattern in self.patterns:
            found = pc.sum(pc.count_substring_regex(column, pattern=pattern)).as_py() or 0
            if found:
                count += found
                column = pc.replace_substring_regex(column, pattern=pattern, replacement=MASK)
        return (column.to_pylist() if count else texts), count

    def _find_places(self, document: JsonObject) -> Iterable[Sequence[str | int]]:
        return [match.parts for path in _compiled(self.paths) for match in path.finditer(document)]


def _encodable(text: str) -> str:
    """Half a surrogate pair cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _check_pattern(pattern: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        matches_nothing = pc.count_substring_regex(pa.array(["", MASK]), pattern=pattern)
    except pa.ArrowInvalid as error:
        reason = str(error).partition("Invalid regular expression: ")[2] or str(error)
        raise UsageError(
            f"--redact {pattern!r} is no regular expression of RE2: {reason}",
            hint="RE2 knows no look-around and no back-references",
        ) from None
    empty, masked = matches_nothing.to_pylist()
    if empty or masked:
        raise UsageError(
            f"--redact {pattern!r} matches the empty text, or {MASK} itself",
            hint="It would mask everything; ask for one character at least",
        )


@lru_cache(maxsize=8)
def _compiled(paths: tuple[str, ...]) -> tuple[Any, ...]:
    if not paths:
        return ()
    try:
        import jsonpath
    except ImportError:
        raise UsageError(
            "the library python-jsonpath is not installed",
            hint="Install what --redact-path needs: pip install 'skyvern-archiver[redact]'",
        ) from None
    compiled = []
    for path in paths:
        try:
            compiled.append(jsonpath.compile(path))
        except jsonpath.JSONPathError as error:
            raise UsageError(f"--redact-path {path!r} is no JSON path: {error}") from None
    return tuple(compiled)
