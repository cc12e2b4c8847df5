"""JSON paths of what is to be masked (RFC 9535), by python-jsonpath.

Its functions ``match`` and ``search`` would use Python's regular expressions, which a text of a
server can keep busy for years; here they use RE2 as everything does that is masked.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from archiver.errors import UsageError
from archiver.masking.fields import is_lived_by
from archiver.masking.matching import is_match, why_no_pattern
from archiver.model.document import JsonObject

if TYPE_CHECKING:
    from jsonpath import JSONPath

_DEEPEST = 10_000
"""Levels that ``..`` goes down: more than an answer can have."""


def check_paths(paths: tuple[str, ...]) -> None:
    """Raises UsageError where one of them is no path, or leads to what has to stay."""
    for path in paths:
        names = _names(_compiled(path))
        if names is not None and is_lived_by(names):
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
