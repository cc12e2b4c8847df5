"""What was asked and what will be answered, as values: the material that lies work on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from tests.lying_server.content import Content

Framing = Literal["length", "chunked", "close"]
"""How the end of a body is told: Content-Length, chunks, or the end of the connection."""

Ending = Literal["kept", "closed", "reset", "stalled"]
"""What becomes of the connection after the answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a request that an answer depends on."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, before it is sent.

    The body is `content[start:stop]`. `cut` ends it after so many bytes, whatever was announced.
    """

    status: int
    content: Content
    start: int
    stop: int
    headers: Mapping[str, str]
    framing: Framing = "length"
    declared: int | None = None
    """Content-Length, where it is not to be the true one."""
    silent: bool = False
    """Nothing at all is sent, not even a status line."""
    delay: float = 0.0
    trickle: tuple[int, float] | None = None
    """Bytes per piece and seconds before each piece."""
    cut: int | None = None
    ending: Ending = "kept"

    def with_headers(self, changes: Mapping[str, str | None]) -> Self:
        """Replace headers, whatever their case; None takes one away."""
        changed = {name.lower() for name in changes}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in changed}
        added = {name: value for name, value in changes.items() if value is not None}
        return replace(self, headers=kept | added)

    def with_content(self, content: Content) -> Self:
        """Take another content, from the same offset to its end."""
        return replace(
            self, content=content, start=min(self.start, content.size), stop=content.size
        )


@dataclass(frozen=True, slots=True)
class _Span:
    first: int | None
    last: int | None

    def within(self, size: int) -> tuple[int, int] | None:
        """The bytes from and up to, or None where nothing of it exists."""
        if self.first is None:
            length = min(self.last or 0, size)
            return (size - length, size) if length else None
        stop = size if self.last is None else min(self.last + 1, size)
        return (self.first, stop) if self.first < stop else None


def whole(content: Content, headers: Mapping[str, str] | None = None, status: int = 200) -> Answer:
    """An answer with all of a content, without regard to what was asked."""
    return Answer(status, content, 0, content.size, dict(headers or {}))


def ranged(asked: Asked, content: Content, headers: Mapping[str, str]) -> Answer:
    """An answer that obeys Range as Skyvern does: If-Range counts for nothing."""
    span = _span(asked.headers.get("range", ""))
    if span is None:
        return whole(content, headers)
    window = span.within(content.size)
    if window is None:
        return range_refused(content)
    start, stop = window
    return Answer(
        status=206,
        content=content,
        start=start,
        stop=stop,
        headers={**headers, "Content-Range": f"bytes {start}-{stop - 1}/{content.size}"},
    )


def range_refused(content: Content) -> Answer:
    """416, with the size that the content really has."""
    text = {"Content-Type": "text/plain; charset=utf-8"}
    return Answer(416, content, 0, 0, {**text, "Content-Range": f"bytes */{content.size}"})


def _span(header: str) -> _Span | None:
    # Anything else, and several ranges at once, is answered with the whole body.
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or match[0] == "bytes=-":
        return None
    first, last = (int(text) if text else None for text in match.groups())
    return _Span(first, last)
