"""Regular expressions by RE2, which Arrow brings along.

RE2 takes time that grows with the text alone, whatever the pattern: the texts come from a server,
and no pattern may hold up a night.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from archiver.errors import UsageError
from archiver.masking.fields import is_required
from archiver.masking.folding import fold, pieces
from archiver.model.document import JsonObject
from archiver.model.urls import MASK

if TYPE_CHECKING:
    from jsonpath import JSONPath

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Put around matches. No text has them: Unicode will never give these code points a meaning."""
_MARKED = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_NO_MARKS = {ord(_OPEN): "\ufffd", ord(_CLOSE): "\ufffd"}
_SIGNS = frozenset(".^$*+?()[]{}|\\")
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

    patterns = tuple(dict.fromkeys(chain.from_iterable(map(_spellings, patterns))))
    encodable = [_encodable(text) for text in texts]
    folded = [(index, other.text) for index, text in enumerate(encodable) if (other := fold(text))]
    column = pa.array([*encodable, *(text for _, text in folded)], pa.large_string())
    matched = pa.repeat(False, len(column))
    for pattern in patterns:
        matched = pc.or_(matched, pc.match_substring_regex(column, pattern=pattern))
    rows = [*range(len(texts)), *(index for index, _ in folded)]
    found = sorted({rows[row] for row in pc.indices_nonzero(matched).to_pylist()})
    masked = list(texts)
    before = [encodable[index] for index in found]
    for index, old, new in zip(found, before, _masked(before, patterns), strict=True):
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
    """Where the pattern matches in each text, as it stands and as it is read."""
    folded = [(index, other) for index, text in enumerate(texts) if (other := fold(text))]
    found = _found([*texts, *(other.text for _, other in folded)], pattern)
    spans, more = found[: len(texts)], found[len(texts) :]
    for (index, other), matches in zip(folded, more, strict=True):
        spans[index] += [other.in_original(*match) for match in matches]
    return spans


def _found(texts: list[str], pattern: str) -> list[list[_Span]]:
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


@lru_cache(maxsize=256)
def _spellings(pattern: str) -> tuple[str, ...]:
    """The pattern, and as it is when it is folded as texts are, where that can be looked for."""
    # Piece by piece: what is folded to a sign of regular expressions stands for itself.
    folded = "".join(
        re.escape(piece) if piece in _SIGNS and pattern[start:end] != piece else piece
        for start, end, piece in pieces(pattern)
    )
    if folded == pattern or why_no_pattern(folded) is not None:
        return (pattern,)
    is_too_much = is_match("", folded) or is_match(MASK, folded)
    return (pattern,) if is_too_much else (pattern, folded)


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


_DEEPEST = 10_000
"""Levels that ``..`` goes down: more than an answer can have."""


def check_paths(paths: tuple[str, ...]) -> None:
    """Raises UsageError where one of them is no path, or leads to what has to stay."""
    for path in paths:
        names = _names(_compiled(path))
        if names is not None and is_required(names):
            raise UsageError(
                f"--redact-path {path!r} names what the archive lives by",
                hint="The run's id, status and times, and ids, sizes and checksums of files stay",
            )


def places_in(document: JsonObject, paths: tuple[str, ...]) -> Iterable[Sequence[str | int]]:
    """Where the paths lead to: the names and indices from the root."""
    return [match.parts for path in paths for match in _compiled(path).finditer(document)]


@lru_cache(maxsize=256)
def _compiled(path: str) -> "JSONPath":
    try:
        from jsonpath import JSONPath, JSONPathError
    except ImportError:
        raise UsageError(
            "the library python-jsonpath is not installed",
            hint="Install what --redact-path needs: pip install 'skyvern-archiver[redact]'",
        ) from None
    try:
        compiled = _environment().compile(path)
    except (JSONPathError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"--redact-path {path!r} is no JSON path (RFC 9535): {reason}",
            hint="A path begins with $, as in '$.output.name'",
        ) from None
    if not isinstance(compiled, JSONPath):
        raise UsageError(f"--redact-path {path!r} is no JSON path (RFC 9535) but several")
    return compiled


def _names(path: "JSONPath") -> list[str] | None:
    """The names on the way to the one place in an answer that a path names, entries of lists
    aside; None where it may be anywhere."""
    from jsonpath.segments import JSONPathChildSegment
    from jsonpath.selectors import NameSelector

    names: list[str] = []
    is_name = True
    for segment in path.segments:
        if not isinstance(segment, JSONPathChildSegment):
            return None
        selector, *others = segment.selectors
        if is_name := isinstance(selector, NameSelector) and not others:
            names.append(selector.name)
    return names if is_name else None


@lru_cache(maxsize=1)
def _environment() -> Any:
    """What compiles paths."""
    from jsonpath import JSONPathEnvironment, JSONPathSyntaxError
    from jsonpath.filter import StringLiteral
    from jsonpath.function_extensions import ExpressionType, FilterFunction

    class Matches(FilterFunction):
        arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 # as the library has it
        return_type = ExpressionType.LOGICAL

        def __init__(self, form: str) -> None:
            self._form = form

        def __call__(self, text: object, pattern: object) -> bool:
            if not isinstance(text, str) or not isinstance(pattern, str):
                return False
            try:
                return is_match(text, self._form.format(pattern))
            except ValueError:  # a pattern of the document's own
                return False

    class Environment(JSONPathEnvironment):
        max_recursion_depth = _DEEPEST

        def setup_function_extensions(self) -> None:
            super().setup_function_extensions()
            self.function_extensions["match"] = Matches(r"\A(?:{})\z")
            self.function_extensions["search"] = Matches("{}")

        def validate_function_extension_signature(self, token: Any, args: list[Any]) -> list[Any]:
            args = super().validate_function_extension_signature(token, args)
            if token.value in ("match", "search") and isinstance(args[1], StringLiteral):
                reason = why_no_pattern(args[1].value)
                if reason is not None:
                    text = f"{args[1]} is no regular expression of RE2: {reason}"
                    raise JSONPathSyntaxError(text, token=token)
            return args

    return Environment(strict=True)
