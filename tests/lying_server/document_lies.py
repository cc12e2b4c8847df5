"""Lies about a run's document: the JSON that the API answers with, changed or swollen."""

import functools
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.lying_server.answers import Answer, Asked
from tests.lying_server.content import Content, Joined, Plain, Repeat, read

_MIB = 1 << 20
_RAW_DEFLATE = -15
_GZIP_HEAD = bytes.fromhex("1f8b0800000000000003")


def dumps(document: Any) -> bytes:
    """JSON as Skyvern writes it; lone surrogates go out as they are, which is no UTF-8."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of the run set to these values, or (`without`) left out."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        document = {**_document(answer), **self.changes}
        kept = {name: value for name, value in document.items() if name not in self.without}
        return answer.with_content(Plain(dumps(kept)))


@dataclass(frozen=True, slots=True)
class Recoded:
    """The same text in another encoding than the UTF-8 that JSON is in."""

    encoding: str = "latin-1"

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        text = read(answer.content).decode()
        return answer.with_content(Plain(text.encode(self.encoding, "replace")))


@dataclass(frozen=True, slots=True)
class HugeOutput:
    """A true run whose `output` is a text of this many bytes, made while it is sent."""

    size: int

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        head, tail = _around_output(answer)
        text = Joined((Plain(b'"'), Repeat(b"x", self.size), Plain(b'"')))
        return answer.with_content(Joined((Plain(head), text, Plain(tail))))


@dataclass(frozen=True, slots=True)
class NestedOutput:
    """A true run whose `output` is a list in a list in a list, this deep."""

    depth: int

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        head, tail = _around_output(answer)
        return answer.with_content(Plain(head + b"[" * self.depth + b"]" * self.depth + tail))


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """A true run of this many bytes, of which a thousandth travels: gzip, and said to be so."""

    size: int

    def tell(self, asked: Asked, answer: Answer, told: int) -> Answer:
        head, tail = _around_output(answer)
        bomb = _bomb(head + b'"', b'"' + tail, max(1, self.size // _MIB))
        return answer.with_content(bomb).with_headers({"Content-Encoding": "gzip"})


def _document(answer: Answer) -> dict[str, Any]:
    document = json.loads(read(answer.content))
    if not isinstance(document, dict):
        raise TypeError("this lie is about runs, and the truth here is no JSON object")
    return document


def _around_output(answer: Answer) -> tuple[bytes, bytes]:
    document = _document(answer)
    document.pop("output", None)
    return dumps(document)[:-1] + b',"output":', b"}"


@functools.lru_cache(maxsize=4)
def _bomb(head: bytes, tail: bytes, mebibytes: int) -> Content:
    filler = b"x" * _MIB
    crc = zlib.crc32(head)
    for _ in range(mebibytes):
        crc = zlib.crc32(filler, crc)
    crc = zlib.crc32(tail, crc)
    length = len(head) + mebibytes * _MIB + len(tail)
    # A fully flushed part of a deflate stream refers to nothing before it, so that one part can
    # stand any number of times: a gigabyte's bomb is packed as fast as a megabyte.
    part = _deflated(filler, zlib.Z_FULL_FLUSH)
    packed = (
        Plain(_GZIP_HEAD + _deflated(head, zlib.Z_FULL_FLUSH)),
        Repeat(part, len(part) * mebibytes),
        Plain(_deflated(tail, zlib.Z_FINISH)),
        Plain(crc.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")),
    )
    return Joined(packed)


def _deflated(data: bytes, flush: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
    return packer.compress(data) + packer.flush(flush)
