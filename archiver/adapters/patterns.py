"""The rules of what is to be masked: regular expressions and JSON paths that the user chose."""

from dataclasses import dataclass

from archiver.adapters.json_paths import check_paths, places_in
from archiver.errors import UsageError
from archiver.masking.matching import is_match, mask_matches, why_no_pattern
from archiver.masking.redaction import Redaction
from archiver.model.urls import MASK


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What the user wants masked: regular expressions in RE2's syntax, JSON paths (RFC 9535)."""

    patterns: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.patterns or self.paths)

    def checked(self) -> "RedactionRules":
        """The same. Raises UsageError where a pattern or a path cannot be used."""
        for pattern in self.patterns:
            _check_pattern(pattern)
        check_paths(self.paths)
        return self

    def redaction(self) -> Redaction | None:
        """Ready to be used; None where nothing is to be masked."""
        if not self:
            return None
        return Redaction(
            lambda texts: mask_matches(texts, self.patterns),
            lambda document: places_in(document, self.paths),
        )


def _check_pattern(pattern: str) -> None:
    if (reason := why_no_pattern(pattern)) is not None:
        raise UsageError(
            f"--redact {pattern!r} is no regular expression of RE2: {reason}",
            hint="RE2 knows no look-around and no back-references",
        )
    if is_match("", pattern) or is_match(MASK, pattern):
        raise UsageError(
            f"--redact {pattern!r} matches the empty text, or {MASK} itself",
            hint="It would mask everything; ask for one character at least",
        )
