"""Lies about HTTP: each is a frozen value that turns the true answer into another.

Lies told together work from left to right, each on what the one before made. Byte counts of
bodies count the bytes of the answer they are told about; offsets count from the artifact's start.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal, Protocol

from tests.lying_server.answers import Answer, Asked, Framing, range_refused, ranged, whole
from tests.lying_server.content import Blob, Content, Flipped, Joined, Plain, Repeat, content_of

FOREVER = None
"""For `times`: the truth is never told."""

_ENDLESS = 1 << 62
_JSON = "application/json"


class Lie(Protocol):
    """Anything that turns an answer into another; `told` counts how often it did so before."""

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Status:
    """Another status, with its own headers and body."""

    code: int
    body: bytes = b""
    media_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        headers = {"Content-Type": self.media_type, **self.headers}
        return whole(Plain(self.body), headers, self.code)


SERVER_ERROR = Status(500, b"Internal Server Error", "text/plain; charset=utf-8")
UNAUTHORIZED = Status(401, b'{"detail":"Not authenticated"}')
FORBIDDEN = Status(403, b'{"detail":"Invalid credentials"}')
EXPIRED = Status(403, b'{"detail":"Invalid or expired artifact URL"}')
EXPIRED_S3 = Status(
    403,
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>Request has expired</Message><X-Amz-Expires>3600</X-Amz-Expires>"
    b"<RequestId>0A1B2C3D</RequestId></Error>",
    "application/xml",
)
EXPIRED_TOKEN_S3 = Status(
    400,
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ExpiredToken</Code>'
    b"<Message>The provided token has expired.</Message></Error>",
    "application/xml",
)
NOT_FOUND = Status(404, b'{"detail":"Artifact content not available"}')
GONE = Status(410, b'{"detail":"Gone"}')


def throttled(retry_after: int | str | datetime | None = None, status: int = 429) -> Status:
    """Come back later: after seconds, at a time (sent as an HTTP date), or as the text says."""
    if isinstance(retry_after, datetime):
        retry_after = format_datetime(retry_after.astimezone(UTC), usegmt=True)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Status(status, b'{"detail":"Too many requests"}', headers=headers)


@dataclass(frozen=True, slots=True)
class Body:
    """Another body, still under status 200 (or 206) and the true headers."""

    content: bytes | Content
    media_type: str | None = None

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        other = ranged(asked, content_of(self.content), answer.headers)
        return other.with_headers({"Content-Type": self.media_type}) if self.media_type else other


HTML_PAGE = Body(b"<!doctype html><title>502</title><h1>Bad gateway</h1>", "text/html")
EMPTY = Body(b"")


@dataclass(frozen=True, slots=True)
class Extra:
    """Bytes after the true ones, with a Content-Length that covers them."""

    data: bytes = b"\n<!-- served in 3 ms -->"

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return answer.with_content(Joined((answer.content, Plain(self.data))))


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One wrong byte, at this offset of the whole content; the length is right."""

    offset: int = 0

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, content=Flipped(answer.content, self.offset))


@dataclass(frozen=True, slots=True)
class Gzip:
    """A body compressed although nobody asked for it, and said to be so."""

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        body = b"".join(answer.content.pieces(answer.start, answer.stop))
        packed = Plain(gzip.compress(body, mtime=0))
        zipped = replace(answer, content=packed, start=0, stop=packed.size)
        return zipped.with_headers({"Content-Encoding": "gzip"})


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers set to these values, verbatim; None leaves one out."""

    changes: Mapping[str, str | None]

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return answer.with_headers(self.changes)


@dataclass(frozen=True, slots=True)
class WrongLength:
    """A Content-Length that is off by `by` bytes."""

    by: int

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        declared = answer.stop - answer.start + self.by
        return replace(answer, declared=declared, ending="closed")


@dataclass(frozen=True, slots=True)
class Framed:
    """A body without Content-Length: in chunks, or ended by the connection's end."""

    framing: Framing

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, framing=self.framing)


@dataclass(frozen=True, slots=True)
class Endless:
    """A body that goes on after the true bytes; by "length" it announces four exbibytes."""

    framing: Framing = "chunked"

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        rest = Repeat(b"".join(Blob(1 << 16).pieces(0, 1 << 16)), _ENDLESS)
        content = Joined((answer.content, rest))
        return replace(answer.with_content(content), framing=self.framing)


@dataclass(frozen=True, slots=True)
class Cut:
    """A body that ends after so many bytes, as if it were whole."""

    after: int
    framing: Framing = "length"

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, cut=self.after, framing=self.framing, ending="closed")


@dataclass(frozen=True, slots=True)
class Reset:
    """A connection reset (RST): before the answer, or after so many bytes of its body.

    What the client has not yet received when the reset comes may be lost to it.
    """

    after: int | None = None

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, cut=self.after, silent=self.after is None, ending="reset")


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more, before the answer or after so many bytes, until the client goes away."""

    after: int | None = None

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, cut=self.after, silent=self.after is None, ending="stalled")


@dataclass(frozen=True, slots=True)
class Trickle:
    """A body that comes a few bytes at a time."""

    piece: int = 1
    every: float = 0.05

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, trickle=(self.piece, self.every))


@dataclass(frozen=True, slots=True)
class Delay:
    """The true answer, later."""

    seconds: float

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, delay=self.seconds)


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection closed before the answer, or (`answered`) after it without a word.

    `answered` is the keep-alive connection that ends between two requests.
    """

    answered: bool = False

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return replace(answer, silent=not self.answered, ending="closed")


@dataclass(frozen=True, slots=True)
class Redirect:
    """Elsewhere: the Location verbatim, or None for the very URL that was asked for."""

    to: str | None = None
    status: Literal[301, 302, 303, 307, 308] = 302

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        location = asked.target if self.to is None else self.to
        return whole(Plain(b""), {"Location": location}, self.status)


@dataclass(frozen=True, slots=True)
class ETag:
    """A validator: the first value at the first answer, and so on; the last one stays.

    Skyvern ignores If-Range; with `honoured` a value that does not match brings 200 and all bytes.
    """

    values: tuple[str, ...]
    honoured: bool = False

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        value = self.values[min(told, len(self.values) - 1)]
        if self.honoured and asked.headers.get("if-range", value) != value:
            answer = RangeIgnored().tell(asked, answer, told)
        return answer.with_headers({"ETag": value})


@dataclass(frozen=True, slots=True)
class RangeIgnored:
    """200 and the whole content, whatever range was asked for."""

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        if answer.status != 206:
            return answer
        full = replace(answer, status=200, start=0, stop=answer.content.size)
        return full.with_headers({"Content-Range": None})


@dataclass(frozen=True, slots=True)
class RangeRefused:
    """416 to every range, also to those that exist."""

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        return range_refused(answer.content) if "range" in asked.headers else answer


@dataclass(frozen=True, slots=True)
class WrongRange:
    """206 with bytes from `shift` further on, or with another Content-Range than the true one."""

    shift: int = 0
    header: str | None = None

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        if answer.status != 206:
            return answer
        size = answer.content.size
        start, stop = (min(max(at + self.shift, 0), size) for at in (answer.start, answer.stop))
        moved = replace(answer, start=start, stop=stop)
        return moved.with_headers({"Content-Range": self.header}) if self.header else moved
